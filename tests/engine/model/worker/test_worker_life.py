"""Starting and closing, twice, early and late."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path

import pytest

from engine.config import WorkerConfig
from engine.errors import (
    Cancelled,
    ModelError,
)
from engine.model.worker import THREAD_NAME, ModelWorker
from engine.prompt import LABELS
from engine.types import Prompt
from tests.engine.model.conftest import Tiny
from tests.engine.model.worker.kit import IDS, PATIENCE_S, PROFILE, Gate, collect, request, running, until


async def test_worker_start_failure_is_told_and_can_be_retried(tiny: Tiny, tmp_path: Path) -> None:
    worker = ModelWorker(str(tmp_path / "model"), PROFILE, WorkerConfig())
    with pytest.raises(ModelError, match="does not exist"):
        await worker.start()
    with pytest.raises(ModelError, match="not running"):
        await collect(worker, request())
    shutil.copytree(tiny.model, tmp_path / "model")
    await worker.start()
    assert (await collect(worker, request()))[1].finish == "length"
    await worker.close()


async def test_worker_start_failure_of_any_kind_is_typed(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody mapped must not leave `start` waiting for ever."""

    def broken(*args: object) -> None:
        raise LookupError("unforeseen")

    monkeypatch.setattr("engine.model.worker.load_model", broken)
    worker = ModelWorker(str(tiny.model), PROFILE, WorkerConfig())
    with pytest.raises(ModelError, match="LookupError: unforeseen"):
        await asyncio.wait_for(worker.start(), PATIENCE_S)
    await worker.close()


async def test_worker_close_ends_what_runs_and_what_waits(tiny: Tiny, gate: Gate) -> None:
    """Whoever awaits a job at shutdown must be woken, or the shutdown hangs on it."""
    gate.close()
    async with running(tiny, max_active=1) as worker:
        active = asyncio.create_task(collect(worker, request(tokens=400)))
        await gate.wait_held()
        queued = asyncio.create_task(collect(worker, request()))
        choosing = asyncio.create_task(worker.choose(Prompt((), IDS), LABELS))
        await until(lambda: worker.info()["queued"] == 2)
        closing = asyncio.create_task(worker.close())
        await asyncio.sleep(0.02)
        gate.open()
        await asyncio.wait_for(closing, PATIENCE_S)
        assert (await active)[1].finish == "cancelled"
        for waiter in (queued, choosing):
            with pytest.raises(Cancelled, match="stopping"):
                await waiter


async def test_worker_double_close_is_harmless(tiny: Tiny) -> None:
    async with running(tiny) as worker:
        await asyncio.gather(worker.close(), worker.close())
        await worker.close()
        assert not any(t.name == THREAD_NAME and t.is_alive() for t in threading.enumerate())
        assert worker.info()["running"] is False


async def test_worker_close_before_and_while_starting(tiny: Tiny) -> None:
    never = ModelWorker(str(tiny.model), PROFILE, WorkerConfig())
    await never.close()
    with pytest.raises(ModelError, match="closed"):
        await never.start()
    worker = ModelWorker(str(tiny.model), PROFILE, WorkerConfig())
    starting = asyncio.create_task(worker.start())
    await asyncio.sleep(0)  # the thread is loading
    await asyncio.wait_for(worker.close(), PATIENCE_S)
    await starting
    with pytest.raises(ModelError, match="not running"):
        await collect(worker, request())


async def test_worker_submit_after_close_is_refused(tiny: Tiny) -> None:
    async with running(tiny) as worker:
        await worker.close()
        with pytest.raises(ModelError, match="not running"):
            await collect(worker, request())
        with pytest.raises(ModelError, match="not running"):
            await worker.choose(Prompt((), IDS), LABELS)
        with pytest.raises(ModelError, match=r"not running|not loaded"):
            await worker.load_adapter(tiny.style)


async def test_worker_start_twice_is_one_thread(tiny: Tiny) -> None:
    async with running(tiny) as worker:
        await worker.start()
        assert [t.name for t in threading.enumerate()].count(THREAD_NAME) == 1
