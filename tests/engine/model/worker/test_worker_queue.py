"""A full queue is told at once, and a place is free before the end is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.errors import (
    BusyError,
    InputError,
)
from engine.model.jobs import CallJob, GenerateJob
from engine.model.worker import ModelWorker
from engine.prompt import LABELS
from engine.types import Chunk, Prompt
from tests.engine.model.conftest import Tiny
from tests.engine.model.worker.kit import IDS, Gate, collect, request, running


async def test_worker_full_queue_is_busy_at_once(tiny: Tiny, gate: Gate) -> None:
    gate.close()
    async with running(tiny, queue_size=2, max_active=1) as worker:
        tasks = [asyncio.create_task(collect(worker, request())) for _ in range(3)]
        await gate.wait_held()
        for refused in (collect(worker, request()), worker.choose(Prompt((), IDS), LABELS)):
            with pytest.raises(BusyError, match="try again"):
                await asyncio.wait_for(refused, 1.0)
        gate.open()
        assert [end.finish for _, end in await asyncio.gather(*tasks)] == ["length"] * 3
        assert (await collect(worker, request()))[1].finish == "length"


async def test_worker_place_is_free_before_the_end_is_told(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever got the last chunk may submit at once, and would find its own old place taken."""
    order: list[str] = []

    def note(owner: type[Any], name: str, what: str) -> None:
        original = getattr(owner, name)

        def noted(self: Any, value: Any) -> None:
            if not (isinstance(value, Chunk) and value.finish is None):
                order.append(what)
            original(self, value)

        monkeypatch.setattr(owner, name, noted)

    note(ModelWorker, "_count_out", "free")
    for owner in (GenerateJob, CallJob):
        note(owner, "deliver", "told")
        note(owner, "fail", "told")
    async with running(tiny) as worker:
        await collect(worker, request())
        await worker.choose(Prompt((), IDS), LABELS)
        with pytest.raises(InputError):
            await collect(worker, request(()))
        with pytest.raises(InputError):
            await worker.choose(Prompt((), ()), LABELS)
    assert order == ["free", "told"] * 4


async def test_worker_admin_calls_pass_a_full_queue(tiny: Tiny, gate: Gate) -> None:
    gate.close()
    async with running(tiny, adapters=True, queue_size=1, max_active=1) as worker:
        tasks = [asyncio.create_task(collect(worker, request())) for _ in range(2)]
        await gate.wait_held()
        unloading = asyncio.create_task(worker.unload_adapter("style"))
        gate.open()
        await unloading
        assert worker.default_stack() == (("identity", 1.0),)
        await asyncio.gather(*tasks)
