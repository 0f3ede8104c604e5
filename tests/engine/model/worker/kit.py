"""Starts a worker, asks it, and holds its thread before a step, so that what comes "meanwhile" is sure."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from engine.config import ProfileConfig, WorkerConfig
from engine.model.runner import Runner
from engine.model.sequence import Sequence
from engine.model.worker import ModelWorker
from engine.types import Chunk, GenerationRequest, Generator, Prompt, Sampling, Stack
from tests.engine.model.conftest import Tiny

PROFILE = ProfileConfig(device="cpu", dtype="float32", context_tokens=512)
BOTH: Stack = (("identity", 1.0), ("style", 1.0))
IDS = tuple(4 + i % 400 for i in range(40))
OTHER_IDS = tuple(4 + i * 7 % 400 for i in range(25))
PATIENCE_S = 30.0  # only ever waited out by a test that fails


@asynccontextmanager
async def running(
    tiny: Tiny, *, adapters: bool = False, queue_size: int = 8, max_active: int = 4
) -> AsyncIterator[ModelWorker]:
    config = WorkerConfig(queue_size=queue_size, max_active=max_active)
    worker = ModelWorker(str(tiny.model), PROFILE, config)
    await worker.start()
    try:
        if adapters:
            await worker.load_adapter(tiny.identity)
            await worker.load_adapter(tiny.style)
        yield worker
    finally:
        await asyncio.wait_for(worker.close(), PATIENCE_S)


def request(
    ids: tuple[int, ...] = IDS, stack: Stack = (), tokens: int = 12, request_id: str = "r", **sampling: Any
) -> GenerationRequest:
    options = {"temperature": 0.0, "repetition_penalty": 1.0, **sampling}
    return GenerationRequest(Prompt((), ids), Sampling(max_new_tokens=tokens, **options), stack, request_id)


async def collect(worker: Generator, req: GenerationRequest) -> tuple[str, Chunk]:
    chunks = [chunk async for chunk in worker.generate(req)]
    assert all(chunk.finish is None for chunk in chunks[:-1])
    assert all(chunk.text for chunk in chunks[:-1])
    return "".join(chunk.text for chunk in chunks), chunks[-1]


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.002)


class Gate:
    """Holds the model thread before a step once `close` was called; counts steps and what begins."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._open = threading.Event()
        self._open.set()
        self._allowed = 0
        self._held = threading.Event()
        self.steps = 0
        self.opened: list[str] = []
        step, begin = Runner.step, Runner.open

        def gated_step(runner: Runner, sequence: Sequence) -> Chunk | None:
            if not self._open.is_set() and self.steps >= self._allowed:
                self._held.set()
                assert self._open.wait(PATIENCE_S)
            self.steps += 1
            return step(runner, sequence)

        def counted_open(runner: Runner, req: GenerationRequest) -> Sequence:
            self.opened.append(req.request_id)
            return begin(runner, req)

        monkeypatch.setattr(Runner, "step", gated_step)
        monkeypatch.setattr(Runner, "open", counted_open)

    def close(self, after: int = 0) -> None:
        """Hold the thread before its next step, or `after` so many more."""
        self._held.clear()
        self._allowed = self.steps + after
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    async def wait_held(self) -> None:
        assert await asyncio.to_thread(self._held.wait, PATIENCE_S)
