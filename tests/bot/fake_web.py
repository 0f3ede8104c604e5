"""A relay, panel and completer without engine or database, for tests of the web adapter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from bot.openai_api import CompletionRequest
from bot.types import Event, Notice, Pending, Started
from bot.web import PersonaCard, WebServer
from engine.config import WebConfig
from engine.feedback import Ballot
from engine.types import AdapterInfo, Decision, Delta, Incoming, Passage, Result, Turn

CARD = PersonaCard(
    id="mark-twain",
    name="Mark Twain",
    greeting=(
        "Good day. I am told this contraption carries my words by wire, so let us both try to deserve it."
    ),
    disclosure=(
        "An AI speaking as Mark Twain (1835–1910), not the man. "
        "His memory ends in 1910; the news index tells the rest."
    ),
    model="models/starter",
    suggestions=("When does the Harlow Bridge open?", "Where were you born?", "Good evening! How are you?"),
)

ADAPTERS = (
    AdapterInfo("identity", "3fa9c1d07be2", 8, 1.0, "identity"),
    AdapterInfo("style", "b81e44d2097c", 32, 1.0, "style"),
)

BRIDGE = Passage(
    text="The Harlow Bridge opens to traffic on 3 December 2026, seven months late and, the county says, "
    "within its budget. Pedestrians may cross from eight in the morning.",
    title="Harlow Bridge to open on 3 December",
    url="https://news.example/harlow-bridge-opens",
    published_at=datetime(2026, 11, 18, tzinfo=UTC),
    similarity=0.81,
    score=0.86,
    id="n1",
)
FERRY = Passage(
    text="The ferry between Harlow and Eastbank makes its last crossing on the eve of the bridge's opening.",
    title="Last ferry leaves Harlow after 94 years",
    url="https://news.example/last-ferry",
    published_at=datetime(2026, 11, 12, tzinfo=UTC),
    similarity=0.64,
    score=0.7,
    id="n2",
)
TOLL = Passage(
    text="Councillors voted eleven to four against a toll on the new bridge.",
    title="No toll on the new bridge, council decides",
    url="https://news.example/no-toll",
    published_at=datetime(2026, 9, 30, tzinfo=UTC),
    similarity=0.58,
    score=0.49,
    id="n3",
)

GROUNDED = Result(
    reply=(
        "The Harlow Bridge opens on the **3rd of December**, so the county says, and you may walk across "
        "from eight in the morning.\n\nI piloted steamboats for four years and never once met a bridge that "
        "came in on time; this one is only seven months behind, which in bridge years is *practically early*."
    ),
    decision=Decision(True, 0.9731, "When does the Harlow Bridge open to traffic?"),
    sources=(BRIDGE, FERRY, TOLL),
    adapters=ADAPTERS,
    timings_ms={
        "history": 2.1,
        "decide": 141.0,
        "rewrite": 322.4,
        "retrieve": 38.2,
        "prompt": 3.4,
        "first_token": 694.0,
        "generate": 1890.3,
        "total": 2397.4,
    },
    prompt_tokens=412,
    new_tokens=74,
)
CHATTY = Result(
    reply="I am tolerable, thank you, which at my age is boasting.",
    decision=Decision(False, 0.0412),
    sources=(),
    adapters=ADAPTERS,
    timings_ms={
        "history": 1.4,
        "decide": 120.2,
        "prompt": 2.0,
        "first_token": 240.0,
        "generate": 610.0,
        "total": 733.6,
    },
    prompt_tokens=96,
    new_tokens=14,
)


def pieces(text: str) -> list[str]:
    """The text as a model would stream it: word by word."""
    words = text.split(" ")
    return [word + (" " if i < len(words) - 1 else "") for i, word in enumerate(words)]


@dataclass(slots=True)
class FakeRelay:
    """Answers every message with `answer`, word by word; implements RelayLike and Panel.

    Attributes:
        answer: result for a message; raise from it to fail, answer a Notice to be refused.
        delay_s: pause between deltas.
        hold_after: number of deltas after which a reply waits for `gate`.
        cancelled: set when a reply's stream was closed before its end.
    """

    answer: Callable[[Incoming], Result | Notice] = lambda incoming: GROUNDED
    delay_s: float = 0.0
    hold_after: int | None = None
    admit: bool = True
    loaded: tuple[AdapterInfo, ...] = ADAPTERS
    left: list[Pending] = field(default_factory=list)
    parts: dict[str, object] = field(default_factory=lambda: {"status": "ok", "model": {"ok": True}})
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    handled: list[Incoming] = field(default_factory=list)
    commands: list[tuple[str, str, Incoming]] = field(default_factory=list)
    delivered: list[int] = field(default_factory=list)
    given_up: list[tuple[int, str]] = field(default_factory=list)
    ballots: list[Ballot] = field(default_factory=list)
    turns: dict[str, list[Turn]] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)

    # --- RelayLike -------------------------------------------------------------------------

    async def handle(self, incoming: Incoming) -> AsyncIterator[Event]:
        if any(i.key == incoming.key and i.message_id == incoming.message_id for i in self.handled):
            return
        self.handled.append(incoming)
        async for event in self._stream(len(self.handled), incoming):
            yield event

    async def command(self, name: str, args: str, caller: Incoming) -> AsyncIterator[Event]:
        self.commands.append((name, args, caller))
        if name == "retry" and self.handled:
            last = replace(self.handled[-1], options=caller.options)
            async for event in self._stream(len(self.handled), last):
                yield event
        elif name == "new":
            self.turns.pop(caller.key, None)
            yield Notice("A new conversation begins; I no longer read what came before.")
        else:
            yield Notice(f"/{name} {args}".strip(), private=True)

    async def _stream(self, message_pk: int, incoming: Incoming) -> AsyncIterator[Event]:
        finished = False
        try:
            yield Started(message_pk)
            result = self.answer(incoming)
            if isinstance(result, Notice):
                finished = True
                yield result
                return
            for number, piece in enumerate(pieces(result.reply)):
                if number == self.hold_after:
                    self.held.set()
                    await self.gate.wait()
                yield Delta(piece)
                await asyncio.sleep(self.delay_s)
            self.turns.setdefault(incoming.key, []).extend(
                (Turn("user", incoming.text), Turn("assistant", result.reply))
            )
            result = replace(self._with_options(result, incoming), reply_pk=message_pk)
            self.results[incoming.key] = result
            finished = True
            yield result
        finally:
            if not finished:
                self.cancelled.set()

    def _with_options(self, result: Result, incoming: Incoming) -> Result:
        options, adapters = incoming.options, self.loaded
        if options.strengths is not None:
            adapters = tuple(replace(a, strength=options.strengths.get(a.name, 0.0)) for a in adapters)
        if options.retrieve is not None:
            result = replace(
                result, decision=Decision(options.retrieve, float(options.retrieve), reason="forced")
            )
        return replace(result, adapters=tuple(a for a in adapters if a.strength > 0))

    def admits(self, incoming: Incoming) -> bool:
        return self.admit

    def always_on(self, key: str) -> bool:
        return False

    async def pending(self, platform: str) -> Sequence[Pending]:
        return self.left if platform == "web" else []

    async def resume(self, pending: Pending) -> AsyncIterator[Event]:
        yield Notice("not used by the web adapter")

    async def drafted(self, message_pk: int, ids: Sequence[str]) -> None:
        raise AssertionError("the web adapter has no drafts")

    async def sent(self, message_pk: int, ids: Sequence[str]) -> None:
        self.delivered.append(message_pk)

    async def failed(self, message_pk: int, reason: str) -> None:
        self.given_up.append((message_pk, reason))

    async def rate(self, ballot: Ballot) -> bool:
        self.ballots.append(ballot)
        return 0 < ballot.reply_pk <= len(self.handled)

    async def last_seen(self, platform: str) -> dict[str, str]:
        return {}

    # --- Panel -----------------------------------------------------------------------------

    def adapters(self) -> tuple[AdapterInfo, ...]:
        return self.loaded

    async def health(self) -> dict[str, object]:
        return self.parts

    async def why(self, key: str) -> Result | None:
        return self.results.get(key)

    async def history(self, key: str, limit: int) -> Sequence[Turn]:
        return self.turns.get(key, [])[-limit:]


@dataclass(slots=True)
class FakeCompleter:
    """Streams `result`; raises `error` before the first delta, or after `error_after` of them."""

    result: Result = GROUNDED
    error: Exception | None = None
    error_after: int = 0
    hold_after: int | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    requests: list[CompletionRequest] = field(default_factory=list)

    async def complete(self, request: CompletionRequest) -> AsyncIterator[Delta | Result]:
        self.requests.append(request)
        finished = False
        try:
            for number, piece in enumerate(pieces(self.result.reply)):
                if self.error is not None and number == self.error_after:
                    finished = True
                    raise self.error
                if number == self.hold_after:
                    self.held.set()
                    await self.gate.wait()
                yield Delta(piece)
            finished = True
            yield self.result
        finally:
            if not finished:
                self.cancelled.set()


@asynccontextmanager
async def serving(
    relay: FakeRelay | None = None,
    completer: FakeCompleter | None = None,
    *,
    heartbeat_s: float = 10.0,
    **settings: object,
) -> AsyncIterator[WebServer]:
    """A real server on a free loopback port."""
    relay = relay or FakeRelay()
    config = WebConfig(**{"port": 0, **settings})
    server = WebServer(config, relay, relay, CARD, completer or FakeCompleter(), heartbeat_s=heartbeat_s)
    await server.start()
    try:
        yield server
    finally:
        await server.close()
