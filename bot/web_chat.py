"""The routes behind the page: chat, commands, history, why, state.

Every answer comes from the relay, as on any other platform; the page is only its delivery. A reply
counts as delivered once it is stored, since the page reads it from history when it is opened again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from starlette.responses import JSONResponse, Response

from bot.result_json import result_json
from bot.sse import HEARTBEAT_S, EventStream, closed_after, event_frame
from bot.types import Event, Notice, RelayLike, Started
from bot.web_errors import Problem, problem_of
from bot.web_guard import MAX_BODY_BYTES
from bot.web_sessions import OpenMessages, Session, Unanswered, session_of
from engine.errors import UnderstudyError
from engine.feedback import Ballot, Thumb
from engine.types import Delta, Incoming, ReplyOptions, Result

if TYPE_CHECKING:
    from bot.web import Panel, PersonaCard

log = logging.getLogger(__name__)

PLATFORM = "web"
FORGETTING = frozenset({"new", "reset"})
"""Commands after which an open message is no longer asked for."""

AdapterName = Annotated[str, Field(min_length=1, max_length=64)]
Strength = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Browser = Annotated[Session, Depends(session_of)]


class Options(BaseModel):
    """What a request may ask for; None is the configured default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strengths: dict[AdapterName, Strength] | None = Field(None, max_length=32)
    retrieve: StrictBool | None = None
    seed: int | None = Field(None, ge=0, lt=2**63)

    def reply_options(self) -> ReplyOptions:
        """The same as the value that crosses the seam."""
        return ReplyOptions(seed=self.seed, strengths=self.strengths, retrieve=self.retrieve)


class ChatBody(Options):
    """A message; `message_id` is made by the client, so that sending it twice is harmless."""

    text: str
    message_id: str = Field(pattern=r"^[A-Za-z0-9._-]{8,64}$")


class CommandBody(Options):
    """A command without its slash."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")
    args: str = Field("", max_length=2000)


class RateBody(BaseModel):
    """A thumb for a reply; null takes it back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reply: int = Field(gt=0, lt=2**63)
    thumb: Thumb | None


class ChatRoutes:
    """Serves the page's requests.

    Args:
        relay: answers messages and commands.
        panel: what the page shows besides replies.
        persona: who speaks.
        max_sessions: conversations whose open message is remembered.
        closing: set when the server stops.
        heartbeat_s: see `EventStream`.
    """

    def __init__(
        self,
        relay: RelayLike,
        panel: Panel,
        persona: PersonaCard,
        max_sessions: int,
        closing: asyncio.Event,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._relay = relay
        self._panel = panel
        self._persona = persona
        self._open = OpenMessages(max_sessions)
        self._closing = closing
        self._heartbeat_s = heartbeat_s
        self.router = APIRouter(prefix="/api")
        self.router.post("/chat")(self.chat)
        self.router.post("/command")(self.command)
        self.router.post("/rate")(self.rate)
        self.router.get("/history")(self.history)
        self.router.get("/why")(self.why)
        self.router.get("/state")(self.state)

    async def recover(self) -> None:
        """Find what a stopped process left; the page offers to ask it again. Raises StorageError."""
        for pending in await self._relay.pending(PLATFORM):
            if pending.reply is not None:
                await self._relay.sent(pending.message_pk, [])
            else:
                left = Unanswered(pending.message_pk, pending.incoming.text)
                self._open.leave(pending.incoming.key, left)

    # --- streams ---------------------------------------------------------------------------

    async def chat(self, body: ChatBody, request: Request, session: Browser) -> Response:
        """Answer a message as a stream of started, delta, result and notice events."""
        incoming = _incoming(session, body.text, body.message_id, body)
        self._admit(incoming)
        return self._stream(self._answer(incoming), request, session)

    async def command(self, body: CommandBody, request: Request, session: Browser) -> Response:
        """Run a command; most answer one notice, retry streams a reply."""
        caller = _incoming(session, "", f"command-{body.name}", body)
        self._admit(caller)
        return self._stream(self._run(body.name, body.args, caller), request, session)

    def _admit(self, incoming: Incoming) -> None:
        if not self._relay.admits(incoming):
            raise Problem(
                403,
                "This service is private. Its operator can let you in: "
                f'add "{PLATFORM}:{incoming.user_id}" to allowed_users under [limits] in config.toml.',
            )

    def _stream(self, frames: AsyncIterator[bytes], request: Request, session: Session) -> Response:
        response = EventStream(
            frames,
            self._closing,
            refusal=lambda exc: problem_of(exc).response(request.url.path),
            farewell=lambda exc: event_frame("notice", {"text": problem_of(exc).message}),
            heartbeat_s=self._heartbeat_s,
        )
        session.attach(response, secure=request.url.scheme == "https")
        return response

    async def _answer(self, incoming: Incoming) -> AsyncIterator[bytes]:
        """One message's events; whatever ends them early leaves the message open."""
        await self._settle(incoming.key)
        message_pk, answered, seen = 0, False, False
        with self._open.running(incoming.key, incoming.text) as stream:
            try:
                async with closed_after(self._relay.handle(incoming)) as events:
                    async for event in events:
                        seen = True
                        message_pk = event.message_pk if isinstance(event, Started) else message_pk
                        answered = answered or isinstance(event, Result | Notice)
                        yield await self._frame(event, message_pk)
            finally:
                if message_pk and not answered:
                    self._open.leave(incoming.key, Unanswered(message_pk, incoming.text), stream)
        if not seen:
            yield event_frame("notice", {"text": "That message was received before; it is answered once."})

    async def _run(self, name: str, args: str, caller: Incoming) -> AsyncIterator[bytes]:
        if name in FORGETTING:
            await self._settle(caller.key)
        message_pk = 0
        async with closed_after(self._relay.command(name, args, caller)) as events:
            async for event in events:
                message_pk = event.message_pk if isinstance(event, Started) else message_pk
                yield await self._frame(event, message_pk)

    async def _frame(self, event: Event, message_pk: int) -> bytes:
        match event:
            case Started():
                return event_frame("started", {})
            case Delta():
                return event_frame("delta", {"text": event.text})
            case Notice():
                return event_frame("notice", {"text": event.text})
            case Result():
                await self._delivered(message_pk)
                return event_frame("result", explained(event))

    async def _delivered(self, message_pk: int) -> None:
        try:
            await self._relay.sent(message_pk, [])
        except UnderstudyError:  # the reply is there and is shown; only its mark is missing
            log.warning("m%d could not be marked as sent", message_pk, exc_info=True)

    async def _settle(self, key: str) -> None:
        """Close the conversation's open messages: something else has taken their place."""
        for message_pk in self._open.settle(key):
            await self._relay.failed(message_pk, "superseded")

    async def rate(self, body: RateBody, session: Browser) -> Response:
        """Count a thumb for a reply of this browser's conversation, or take it back."""
        ballot = Ballot(PLATFORM, session.conversation, session.id, body.thumb, reply_pk=body.reply)
        if not await self._relay.rate(ballot):
            raise Problem(404, "There is no such reply in this conversation.")
        return Response(status_code=204)

    # --- what the page reads ---------------------------------------------------------------

    async def history(
        self, session: Browser, limit: Annotated[int, Query(ge=1, le=500)] = 100
    ) -> JSONResponse:
        """The conversation so far, and its message that has no reply."""
        turns = [] if session.fresh else await self._panel.history(session.key, limit)
        rows = [{"role": t.role, "text": t.text, "at": t.at.isoformat()} for t in turns]
        return JSONResponse({"turns": rows, "open": self._open.status(session.key)})

    async def why(self, session: Browser) -> JSONResponse:
        """How the last reply came about, or null."""
        result = None if session.fresh else await self._panel.why(session.key)
        return JSONResponse({"result": explained(result) if result else None})

    async def state(self, request: Request, session: Browser) -> JSONResponse:
        """Who speaks, which adapters are loaded, what is allowed; hands out the session cookie."""
        persona = self._persona
        adapters = [
            {"name": a.name, "hash": a.hash, "rank": a.rank, "strength": a.strength, "phase": a.phase}
            for a in self._panel.adapters()
        ]
        response = JSONResponse(
            {
                "persona": {
                    "id": persona.id,
                    "name": persona.name,
                    "greeting": persona.greeting,
                    "disclosure": persona.disclosure,
                    "model": persona.model,
                    "suggestions": list(persona.suggestions),
                },
                "adapters": adapters,
                "limits": {"max_body_bytes": MAX_BODY_BYTES},
            }
        )
        session.attach(response, secure=request.url.scheme == "https")
        return response


def explained(result: Result) -> dict[str, object]:
    """A result as the page's panel reads it."""
    return {
        **result_json(result),
        "reply_id": result.reply_pk,
        "forced": result.decision.reason == "forced",
        "prompt_tokens": result.prompt_tokens,
        "new_tokens": result.new_tokens,
    }


def _incoming(session: Session, text: str, message_id: str, options: Options) -> Incoming:
    return Incoming(
        platform=PLATFORM,
        conversation=session.conversation,
        message_id=message_id,
        user_id=session.id,
        user_name="you",
        text=text.encode("utf-8", "replace").decode("utf-8"),  # JSON can spell half a character
        options=options.reply_options(),
    )
