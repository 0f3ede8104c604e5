"""Server-sent events: a response that streams frames and cancels its source when nobody listens.

The source runs in one task from start to end, so that it may hold locks and timeouts across its
yields. It is closed when it ends, when the client leaves, and when the server stops.
This module does not know what the frames say.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bot.web_errors import Problem
from engine.errors import UnderstudyError

log = logging.getLogger(__name__)

HEARTBEAT_S = 10.0
T = TypeVar("T")


def event_frame(event: str, data: Mapping[str, object]) -> bytes:
    """A named event with a JSON object as its data."""
    return f"event: {event}\n".encode("ascii") + data_frame(data)


def data_frame(data: Mapping[str, object]) -> bytes:
    """An unnamed event with a JSON object as its data, on one line whatever the text holds."""
    return f"data: {json.dumps(data, separators=(',', ':'))}\n\n".encode("ascii")


@asynccontextmanager
async def closed_after(stream: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close an async iterator on the way out, which cancels what feeds it."""
    try:
        yield stream
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()


async def run_attached(work: Coroutine[Any, Any, T], receive: Receive, closing: asyncio.Event) -> T:
    """Run `work` for as long as somebody waits for it, and return its result.

    Args:
        work: cancelled when the client leaves or the server stops.
        receive: the request's channel, its body already read.
        closing: set when the server stops.

    Raises:
        Problem: 499 when the client left, 503 when the server stops; otherwise what `work` raises.
    """
    main = asyncio.create_task(work)
    left = asyncio.create_task(_client_left(receive))
    stop = asyncio.create_task(closing.wait())
    try:
        await asyncio.wait((main, left, stop), return_when=asyncio.FIRST_COMPLETED)
        if main.done():
            return main.result()
        if left.done():
            raise Problem(499, "The client left before the answer was complete.")
        raise Problem(503, "The service is stopping. Please try again in a moment.")
    finally:
        for task in (main, left, stop):
            task.cancel()
        await asyncio.gather(main, left, stop, return_exceptions=True)


class EventStream(Response):
    """A text/event-stream response.

    The status line is not sent before the first frame, so that a source that fails at once is
    answered with a proper status.

    Args:
        frames: encoded events.
        closing: set when the server stops; the stream then ends.
        refusal: the answer to an exception before anything was sent.
        farewell: the last frame after an exception later on.
        heartbeat_s: a comment is sent this often, so that proxies keep the connection.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        frames: AsyncIterator[bytes],
        closing: asyncio.Event,
        *,
        refusal: Callable[[Exception], Response],
        farewell: Callable[[Exception], bytes],
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._frames = frames
        self._closing = closing
        self._refusal = refusal
        self._farewell = farewell
        self._heartbeat_s = heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writer = _Writer(send, self.status_code, self.raw_headers)
        try:
            await run_attached(self._pump(writer), receive, self._closing)
        except Exception as exc:  # whatever the source raised, the client is told and the server lives on
            unexpected = not isinstance(exc, Problem | UnderstudyError)
            level = logging.ERROR if unexpected else logging.INFO
            log.log(level, "stream of %s ended: %s", scope["path"], type(exc).__name__, exc_info=unexpected)
            if not writer.started:
                await self._refusal(exc)(scope, receive, send)
                return
            await writer.write(self._farewell(exc))
        await writer.finish()

    async def _pump(self, writer: _Writer) -> None:
        beat = asyncio.create_task(self._beat(writer))
        try:
            async with closed_after(self._frames) as frames:
                async for frame in frames:
                    await writer.write(frame)
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)

    async def _beat(self, writer: _Writer) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            await writer.write(b": still here\n\n")


class _Writer:
    """Sends the head with the first frame; frames of two tasks never mix."""

    def __init__(self, send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._head = {"type": "http.response.start", "status": status, "headers": headers}
        self._lock = asyncio.Lock()
        self.started = False

    async def write(self, data: bytes, *, more: bool = True) -> None:
        """Send a frame, and the head before the first one."""
        async with self._lock:
            if not self.started:
                self.started = True
                await self._send(self._head)
            await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def finish(self) -> None:
        """End the response."""
        await self.write(b"", more=False)


async def _client_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
