"""The loop stays responsive, and the worker tells of itself."""

from __future__ import annotations

import asyncio
import time

from engine.model.worker import ModelWorker
from tests.engine.model.conftest import Tiny
from tests.engine.model.worker.kit import BOTH, IDS, collect, request, running


async def test_worker_info_tells_model_queue_and_speed(tiny: Tiny) -> None:
    async with running(tiny) as worker:
        assert worker.context_tokens == 512
        await collect(worker, request(tokens=30))
        info = worker.info()
        assert info["hash"] == worker.hashes.base[:12]
        assert (info["device"], info["dtype"], info["active"], info["queued"]) == ("cpu", "float32", 0, 0)
        speed = info["tokens_per_s"]
        assert isinstance(speed, float)
        assert speed > 1.0


async def test_worker_generating_leaves_the_loop_responsive(tiny: Tiny) -> None:
    """p99 of the loop's lag under 50 ms; a busy machine gets three tries, a blocked loop fails them all."""

    async def p99_ms(worker: ModelWorker) -> float:
        stop = asyncio.Event()

        async def keep_generating() -> None:
            while not stop.is_set():
                await collect(worker, request(IDS * 8, BOTH, tokens=60, temperature=0.8))

        replies = [asyncio.create_task(keep_generating()) for _ in range(2)]
        lags: list[float] = []
        end = time.perf_counter() + 2.0
        while time.perf_counter() < end:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            lags.append((time.perf_counter() - began - 0.005) * 1e3)
        stop.set()
        await asyncio.gather(*replies)
        return sorted(lags)[int(len(lags) * 0.99)]

    async with running(tiny, adapters=True) as worker:
        tries = []
        while not tries or (tries[-1] >= 50.0 and len(tries) < 3):
            tries.append(await p99_ms(worker))
    assert min(tries) < 50.0
