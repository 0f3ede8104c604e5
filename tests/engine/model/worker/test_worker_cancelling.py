"""A reply that nobody waits for stops; every race its own test, with a comment why it can happen."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from engine.model.runner import Runner
from engine.prompt import LABELS
from engine.types import Prompt
from tests.engine.model.conftest import Tiny
from tests.engine.model.worker.kit import IDS, PATIENCE_S, Gate, collect, request, running, until


async def test_worker_closed_iterator_cancels_mid_generation(tiny: Tiny, gate: Gate) -> None:
    """A user may leave at any token; the thread must notice before its next step."""
    async with running(tiny) as worker:
        gate.close(after=6)
        stream = worker.generate(request(tokens=400))
        assert (await anext(stream)).finish is None
        await gate.wait_held()
        await stream.aclose()
        gate.open()
        await until(lambda: worker.info()["active"] == 0)
        assert gate.steps == 7  # the one that was held, and no more
        assert worker.info()["queued"] == 0
        assert (await collect(worker, request()))[1].finish == "length"


async def test_worker_cancelled_task_cancels_mid_generation(tiny: Tiny, gate: Gate) -> None:
    """asyncio cancels a task where it waits, which is inside the queue's get."""
    async with running(tiny) as worker:
        gate.close(after=6)
        task = asyncio.create_task(collect(worker, request(tokens=400)))
        await gate.wait_held()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.open()
        await until(lambda: worker.info()["active"] == 0)
        assert gate.steps == 7


async def test_worker_cancelled_while_queued_never_runs(tiny: Tiny, gate: Gate) -> None:
    """The job is already in the thread's hands, but has no sequence to be told by."""
    gate.close()
    async with running(tiny, max_active=1) as worker:
        first = asyncio.create_task(collect(worker, request(request_id="first")))
        await gate.wait_held()
        queued = asyncio.create_task(collect(worker, request(request_id="queued")))
        choosing = asyncio.create_task(worker.choose(Prompt((), IDS), LABELS))
        await until(lambda: worker.info()["queued"] == 2)
        queued.cancel()
        choosing.cancel()
        await asyncio.gather(queued, choosing, return_exceptions=True)
        gate.open()
        assert (await first)[1].finish == "length"
        assert (await collect(worker, request(request_id="last")))[1].finish == "length"
        assert gate.opened == ["first", "last"]
        assert worker.info()["queued"] == 0  # and its place is free again


@pytest.mark.filterwarnings("ignore:coroutine method 'aclose':RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_worker_loop_closed_before_the_result_is_tolerated(tiny: Tiny, gate: Gate) -> None:
    """A loop may be torn down with jobs in flight; the thread then posts to a closed loop."""
    async with running(tiny) as worker:
        gate.close()

        def other_loop() -> None:
            loop = asyncio.new_event_loop()
            streaming = loop.create_task(collect(worker, request(tokens=50)))
            choosing = loop.create_task(worker.choose(Prompt((), IDS), LABELS))
            loop.run_until_complete(asyncio.sleep(0.05))
            for task in (streaming, choosing):
                task._log_destroy_pending = False  # type: ignore[attr-defined]
            loop.close()

        await asyncio.to_thread(other_loop)
        gate.open()
        assert (await collect(worker, request()))[1].finish == "length"
        await until(lambda: worker.info()["active"] == 0 and worker.info()["queued"] == 0)
    gc.collect()  # what the closed loop left behind complains here, not in another test


async def test_worker_waiter_gone_before_the_result_is_tolerated(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call cannot be stopped half-way; its result then meets a future that is already cancelled."""
    begun, go_on = threading.Event(), threading.Event()
    choose = Runner.choose

    def slow(runner: Runner, *args: Any) -> tuple[float, ...]:
        begun.set()
        assert go_on.wait(PATIENCE_S)
        return choose(runner, *args)

    monkeypatch.setattr(Runner, "choose", slow)
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with running(tiny) as worker:
        for ids in (IDS, ()):  # one that succeeds and one that fails
            begun.clear()
            go_on.clear()
            waiter = asyncio.create_task(worker.choose(Prompt((), ids), LABELS))
            assert await asyncio.to_thread(begun.wait, PATIENCE_S)
            waiter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiter
            go_on.set()
            await until(lambda: worker.info()["queued"] == 0)
        assert (await collect(worker, request()))[1].finish == "length"
    assert complaints == []
