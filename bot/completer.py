"""The persona behind the OpenAI-compatible API: stateless, the caller brings the conversation."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from bot.openai_api import BASE_MODEL, CompletionRequest
from engine.engine import Engine
from engine.errors import InputError
from engine.types import Delta, Result, Turn


class EngineCompleter:
    """Implements `bot.openai_api.Completer` on the engine.

    The model named after the persona answers as it does everywhere, the caller's system message
    following the persona's own. The model `base` is the unmodified base model: no adapters, no
    retrieval, the caller's system message alone.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Delta | Result, None]:
        """Stream the reply to the last user message.

        Raises:
            InputError: the last message is not the user's.
            BusyError, ModelError: from the engine.
        """
        theirs = "\n\n".join(m.content for m in request.messages if m.role == "system").strip()
        spoken = [m for m in request.messages if m.role in ("user", "assistant")]
        if not spoken or spoken[-1].role != "user":
            raise InputError("The last message must have the role user.")
        turns = [Turn("user" if m.role == "user" else "assistant", m.content) for m in spoken[:-1]]
        options = request.options
        if request.model == BASE_MODEL:
            system = theirs
            options = replace(options, strengths={}, retrieve=False)
        else:
            system = "\n\n".join(part for part in (self._engine.persona.system, theirs) if part)
        stream = self._engine.complete(
            turns, spoken[-1].content, options, system=system, request_id=f"c{uuid.uuid4().hex[:12]}"
        )
        async with aclosing(stream), aclosing(_stop_at(stream, request.stop)) as parts:
            async for part in parts:
                yield part


async def _stop_at(
    stream: AsyncGenerator[Delta | Result, None], stops: tuple[str, ...]
) -> AsyncGenerator[Delta | Result, None]:
    """Cut the reply before the first stop string; text that may begin one is held back."""
    if not stops:
        async for part in stream:
            yield part
        return
    hold = max(map(len, stops)) - 1
    text, sent, done = "", 0, False
    async for part in stream:
        if isinstance(part, Delta):
            if done:
                continue
            text += part.text
            hits = [at for stop in stops if (at := text.find(stop)) >= 0]
            done = bool(hits)
            end = min(hits) if hits else max(sent, len(text) - hold)
            if end > sent:
                yield Delta(text[sent:end])
                sent = end
            if done:
                text = text[:end]
        else:
            if not done and len(text) > sent:
                yield Delta(text[sent:])
            yield replace(part, reply=text.strip(), finish="stop") if done else part
