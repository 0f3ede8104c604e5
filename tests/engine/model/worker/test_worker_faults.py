"""One job that fails takes no other with it."""

from __future__ import annotations

import asyncio
import threading

import pytest
import torch

from engine.errors import ModelError
from engine.model.runner import Runner
from engine.model.scheduler import Scheduler
from engine.model.sequence import Sequence
from engine.prompt import LABELS
from engine.types import Chunk, Prompt
from tests.engine.model.conftest import Tiny
from tests.engine.model.worker.kit import BOTH, IDS, OTHER_IDS, PATIENCE_S, collect, request, running


async def test_worker_exception_in_one_job_fails_that_job_only(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, step_all = Runner.step, Runner.step_all

    def bad_one(sequence: Sequence) -> bool:
        return sequence.feed.prompt_tokens == len(OTHER_IDS) and sequence.new_tokens == 3

    def failing(runner: Runner, sequence: Sequence) -> Chunk | None:
        if bad_one(sequence):
            raise ZeroDivisionError("boom")
        return step(runner, sequence)

    def failing_all(runner: Runner, sequences: list[Sequence]) -> list[tuple[Sequence, Chunk | Exception]]:
        if any(map(bad_one, sequences)):
            raise ZeroDivisionError("boom")
        return step_all(runner, sequences)

    monkeypatch.setattr(Runner, "step", failing)
    monkeypatch.setattr(Runner, "step_all", failing_all)
    async with running(tiny, adapters=True) as worker:
        good, bad = await asyncio.gather(
            collect(worker, request(tokens=20)),
            collect(worker, request(OTHER_IDS, BOTH, tokens=20)),
            return_exceptions=True,
        )
        assert isinstance(bad, ModelError)
        assert isinstance(bad.__cause__, ZeroDivisionError)
        assert "boom" not in str(bad)
        assert not isinstance(good, BaseException)
        assert good[1].finish == "length"
        assert worker.info()["active"] == worker.info()["queued"] == 0
        await worker.unload_adapter("style")  # nothing of the failed job still holds it
        assert worker._scheduler is not None
        assert worker._scheduler._runner._stack.names == ("identity@1",)


async def test_worker_out_of_memory_frees_and_goes_on(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    step, freed = Runner.step, threading.Event()
    failures = iter([torch.OutOfMemoryError("CUDA out of memory")])

    def failing(runner: Runner, sequence: Sequence) -> Chunk | None:
        for failure in failures:
            raise failure
        return step(runner, sequence)

    monkeypatch.setattr(Runner, "step", failing)
    monkeypatch.setattr(Runner, "free_memory", lambda runner: freed.set())
    async with running(tiny) as worker:
        with pytest.raises(ModelError, match="ran out of memory; shorten"):
            await collect(worker, request())
        assert (await collect(worker, request()))[1].finish == "length"
        assert freed.is_set()


async def test_worker_logits_not_finite_fail_the_job(tiny: Tiny) -> None:
    async with running(tiny) as worker:
        assert worker._loaded is not None
        with torch.no_grad():
            worker._loaded.model.model.norm.weight.fill_(float("nan"))
        with pytest.raises(ModelError, match="not finite"):
            await collect(worker, request(temperature=0.7))
        with pytest.raises(ModelError, match="not finite"):
            await worker.choose(Prompt((), IDS), LABELS)


async def test_worker_bug_in_the_thread_leaves_nobody_waiting(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should the thread itself die, every waiter must hear of it, and later ones too."""
    async with running(tiny) as worker:

        def broken(scheduler: Scheduler) -> None:
            raise LookupError("our own bug")

        monkeypatch.setattr(Scheduler, "_admit", broken)
        with pytest.raises(ModelError, match=r"LookupError.*start the service again"):
            await asyncio.wait_for(collect(worker, request()), PATIENCE_S)
        with pytest.raises(ModelError, match="not running"):
            await collect(worker, request())
