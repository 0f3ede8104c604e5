"""What a relay's stream has brought so far, for a writer that is slower than the stream.

Reading never waits for a platform, so the model's queue is emptied at once and the writer always
finds the newest text. This module knows no channel.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Protocol

from bot.types import Event, Notice, Started
from engine.types import Delta, Result

log = logging.getLogger(__name__)

_SENTENCE = re.compile(r"\S{2}[.!?…:]['\")*_]*\s|[。！？]|\S\n")


class Clock(Protocol):
    """Time, so that tests need not wait."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class LoopClock:
    """The running event loop's own time."""

    def now(self) -> float:
        """Seconds of the loop's monotonic clock."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait without blocking the loop."""
        await asyncio.sleep(seconds)


class Inflow:
    """What has come so far. Reading never waits for the platform."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.changed = asyncio.Event()
        self.message_pk = 0
        self.text = ""
        self.text_since_s = 0.0
        self.notices: deque[str] = deque()
        self.noticed = False
        self.result: Result | None = None
        self.error: Exception | None = None
        self.ended = False

    async def read(self, events: AsyncIterator[Event]) -> None:
        """Take everything in; an error is kept for the desk, which tells the user."""
        try:
            async for event in events:
                self._take(event)
                self.changed.set()
        except Exception as exc:  # the relay maps errors to notices; this one it did not foresee
            log.exception("reply %d: the stream failed", self.message_pk)
            self.error = exc
        finally:
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()
            self.ended = True
            self.changed.set()

    def _take(self, event: Event) -> None:
        if isinstance(event, Started):
            self.message_pk = event.message_pk
        elif isinstance(event, Delta):
            if not self.text:
                self.text_since_s = self._clock.now()
            self.text = (self.text + event.text).lstrip()
        elif isinstance(event, Notice):
            self.notices.append(event.text)
            self.noticed = True
        else:
            self.result = event
            self.message_pk = self.message_pk or event.message_pk

    @property
    def has_sentence(self) -> bool:
        """Whether there is enough text to be worth a first message."""
        return _SENTENCE.search(self.text) is not None

    async def change_within(self, seconds: float) -> None:
        """Wait for news, for so long at most."""
        waits: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(self.changed.wait()),
            asyncio.ensure_future(self._clock.sleep(seconds)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                await finish(wait)


async def finish(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait until it is over, whatever it ended with."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def one_notice(text: str, *, private: bool = False) -> AsyncIterator[Event]:
    """The stream of a sentence that an adapter says by itself."""
    yield Notice(text, private=private)
