"""The OpenAI-compatible API: /v1/chat/completions and /v1/models.

Callers bring the whole conversation; nothing is stored. Who answers is behind `Completer`.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from bot.openai_schema import CompletionBody, CompletionRequest, Head
from bot.sse import HEARTBEAT_S, EventStream, closed_after, data_frame, run_attached
from bot.web_errors import Problem, problem_of
from bot.web_keys import Keys
from engine.errors import ModelError
from engine.types import Delta, Result

__all__ = ["BASE_MODEL", "Completer", "CompletionRequest", "OpenAIRoutes"]

BASE_MODEL = "base"
"""Model name of the unmodified base model, without the persona."""
PATH = "/v1/chat/completions"
DONE = b"data: [DONE]\n\n"


class Completer(Protocol):
    """Who answers."""

    def complete(self, request: CompletionRequest) -> AsyncIterator[Delta | Result]:
        """Stream deltas, then one Result. Closing cancels. Raises UnderstudyError."""


class OpenAIRoutes:
    """Serves the API.

    Args:
        completer: who answers.
        persona_id: the persona's model name.
        api_keys: bearer keys; none means that whoever reaches the port may call.
        closing: set when the server stops.
        heartbeat_s: see `EventStream`.
    """

    def __init__(
        self,
        completer: Completer,
        persona_id: str,
        api_keys: Sequence[str],
        closing: asyncio.Event,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._completer = completer
        self._models = (persona_id, BASE_MODEL)
        self._closing = closing
        self._heartbeat_s = heartbeat_s
        self._started_s = int(time.time())
        self.router = APIRouter(prefix="/v1", dependencies=[Depends(Keys(api_keys).authorize)])
        self.router.post("/chat/completions")(self.complete)
        self.router.get("/models")(self.models)
        self.router.get("/models/{name}")(self.model)

    async def complete(self, body: CompletionBody, request: Request) -> Response:
        """Answer a conversation, streamed or whole."""
        asked = body.request(self._models[0])
        self._check_model(asked.model)
        head = Head(f"chatcmpl-{uuid.uuid4().hex}", int(time.time()), asked.model)
        if body.stream:
            return EventStream(
                self._chunks(asked, head, body.wants_usage),
                self._closing,
                refusal=lambda exc: problem_of(exc).response(PATH),
                farewell=lambda exc: data_frame(problem_of(exc).body(PATH)) + DONE,
                heartbeat_s=self._heartbeat_s,
            )
        result = await run_attached(self._whole(asked), request.receive, self._closing)
        return JSONResponse(head.completion(result))

    async def models(self) -> JSONResponse:
        """The persona and the base model."""
        return JSONResponse({"object": "list", "data": [self._card(name) for name in self._models]})

    async def model(self, name: str) -> JSONResponse:
        """One of them."""
        self._check_model(name)
        return JSONResponse(self._card(name))

    async def _whole(self, asked: CompletionRequest) -> Result:
        async with closed_after(self._completer.complete(asked)) as parts:
            async for part in parts:
                if isinstance(part, Result):
                    return part
        raise ModelError("the reply ended without a result")

    async def _chunks(self, asked: CompletionRequest, head: Head, with_usage: bool) -> AsyncIterator[bytes]:
        opened = False
        async with closed_after(self._completer.complete(asked)) as parts:
            async for part in parts:
                if not opened:
                    # Not before the first part, so that a refusal still gets its own status.
                    yield data_frame(head.chunk({"role": "assistant", "content": ""}))
                    opened = True
                if isinstance(part, Result):
                    for chunk in head.last_chunks(part, with_usage=with_usage):
                        yield data_frame(chunk)
                    yield DONE
                    return
                yield data_frame(head.chunk({"content": part.text}))
        raise ModelError("the reply ended without a result")

    def _card(self, name: str) -> dict[str, object]:
        return {"id": name, "object": "model", "created": self._started_s, "owned_by": "understudy"}

    def _check_model(self, name: str) -> None:
        if name not in self._models:
            have = " and ".join(self._models)
            raise Problem(
                404, f"There is no model {name[:80]!r}; there are {have}.", "model_not_found", "model"
            )
