"""What crosses the boundary between asyncio and the model thread.

The loop's side makes a job and waits; the thread's side delivers to it. A waiter that is gone, or
a loop that is closed, is no error: the job is marked cancelled and the thread moves on. This module
knows nothing of models.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from engine.model.runner import Runner
from engine.types import Chunk, GenerationRequest

T = TypeVar("T")


class Job:
    """Something for the model thread to do, and who waits for it.

    Args:
        request_id: for the log.
        counted: whether it takes a place in the bounded queue.
    """

    def __init__(self, request_id: str, *, counted: bool) -> None:
        self.request_id = request_id
        self.counted = counted
        self.cancelled = False
        """Set by any side, read by the thread between steps; a plain bool, as it only ever goes up."""
        self.made_s = time.perf_counter()
        self._loop = asyncio.get_running_loop()

    def fail(self, error: Exception) -> None:
        """End the job with an error. Called on the model thread."""
        raise NotImplementedError

    def _post(self, call: Callable[..., None], *args: object) -> None:
        if not post(self._loop, call, *args):
            self.cancelled = True


class GenerateJob(Job):
    """A reply; its chunks come out of `inbox`, the last one with a finish reason, or an error.

    Args:
        request: what to generate.
    """

    def __init__(self, request: GenerationRequest) -> None:
        super().__init__(request.request_id, counted=True)
        self.request = request
        self.inbox: asyncio.Queue[Chunk | Exception] = asyncio.Queue()  # at most one item a token
        self.first_token_s = 0.0

    def deliver(self, chunk: Chunk) -> None:
        """Deliver a chunk. Called on the model thread."""
        self._post(self.inbox.put_nowait, chunk)

    def fail(self, error: Exception) -> None:
        """End the job with an error. Called on the model thread."""
        self._post(self.inbox.put_nowait, error)


class CallJob(Job, Generic[T]):
    """A function to be called with the runner between two steps.

    Args:
        call: what to do.
        request_id: for the log.
        counted: whether it takes a place in the bounded queue.
    """

    def __init__(self, call: Callable[[Runner], T], request_id: str = "", *, counted: bool = False) -> None:
        super().__init__(request_id, counted=counted)
        self.call = call
        self._future: asyncio.Future[T] = self._loop.create_future()

    async def result(self) -> T:
        """Wait for it; a waiter that is cancelled cancels a job that has not begun."""
        try:
            return await self._future
        finally:
            self.cancelled = True

    def deliver(self, result: T) -> None:
        """End the job with its result. Called on the model thread."""
        self._post(settle, self._future, result, None)

    def fail(self, error: Exception) -> None:
        """End the job with an error. Called on the model thread."""
        self._post(settle, self._future, None, error)


def post(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: object) -> bool:
    """Have a loop call something; False when it is closed, so that nobody waits any more."""
    try:
        loop.call_soon_threadsafe(call, *args)
    except RuntimeError:
        return False
    return True


def settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    """End a future, unless its waiter is gone already. Called on its loop."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
