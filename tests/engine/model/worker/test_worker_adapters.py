"""Adapters come and go while replies run."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from engine.adapters import MANIFEST, WEIGHTS
from engine.errors import (
    AdapterError,
    ManifestMismatch,
)
from engine.types import Stack
from tests.engine.model.conftest import Tiny
from tests.engine.model.worker.kit import BOTH, Gate, collect, request, running, until
from tests.tiny import make_tiny_adapter


def retrain(folder: Path, tiny: Tiny, seed: int) -> None:
    """Put other weights into an adapter's folder."""
    shutil.rmtree(folder)
    make_tiny_adapter(tiny.model, folder, "style", 16, 16.0, seed)


async def test_worker_reload_during_a_reply_lets_it_finish_on_the_old_weights(
    tiny: Tiny, tmp_path: Path, gate: Gate
) -> None:
    """Swapping weights under a running reply would break its cache off from its weights."""
    folder = Path(shutil.copytree(tiny.style, tmp_path / "style"))
    stack: Stack = (("style", 1.0),)
    async with running(tiny) as worker:
        old_info = await worker.load_adapter(folder)
        await worker.set_strength("style", 0.5)
        old, _ = await collect(worker, request(stack=stack, tokens=30))
        gate.close(after=9)
        stream = worker.generate(request(stack=stack, tokens=30))
        text = (await anext(stream)).text
        await gate.wait_held()
        retrain(folder, tiny, seed=9)
        reloading = asyncio.create_task(worker.reload_adapter("style"))
        await asyncio.sleep(0.05)
        gate.open()
        new_info = await reloading
        assert new_info.hash != old_info.hash
        assert (new_info.rank, new_info.strength) == (16, 0.5)
        new, _ = await collect(worker, request(stack=stack, tokens=30))
        text += "".join([chunk.text async for chunk in stream])
        assert text == old
        assert new != old
        # Once nobody runs with them, the old columns are gone: the same as a worker that never had them.
        assert worker._scheduler is not None
        assert worker._scheduler._runner._stack.names == ("style@2",)
    async with running(tiny) as fresh:
        await fresh.load_adapter(folder)
        assert (await collect(fresh, request(stack=stack, tokens=30)))[0] == new


async def test_worker_unload_during_a_reply_lets_it_finish(tiny: Tiny, gate: Gate) -> None:
    async with running(tiny, adapters=True) as worker:
        expected, _ = await collect(worker, request(stack=BOTH, tokens=30))
        base, _ = await collect(worker, request(tokens=30))
        gate.close(after=9)
        stream = worker.generate(request(stack=BOTH, tokens=30))
        text = (await anext(stream)).text
        await gate.wait_held()
        unloading = [asyncio.create_task(worker.unload_adapter(name)) for name in ("style", "identity")]
        await asyncio.sleep(0.05)
        gate.open()
        await asyncio.gather(*unloading)
        assert worker.adapters() == ()
        with pytest.raises(AdapterError, match="loaded: none"):
            await collect(worker, request(stack=BOTH))
        assert text + "".join([chunk.text async for chunk in stream]) == expected
        assert (await collect(worker, request(tokens=30)))[0] == base
        with pytest.raises(AdapterError, match="not loaded"):
            await worker.unload_adapter("style")


async def test_worker_adapter_unloaded_while_a_request_waits_fails_that_request(
    tiny: Tiny, gate: Gate
) -> None:
    """A stack is looked up when its turn comes; names may have gone by then."""
    gate.close()
    async with running(tiny, adapters=True, max_active=1) as worker:
        first = asyncio.create_task(collect(worker, request()))
        await gate.wait_held()
        unloading = asyncio.create_task(worker.unload_adapter("style"))
        queued = asyncio.create_task(collect(worker, request(stack=BOTH)))
        await until(lambda: worker.info()["queued"] == 1)
        gate.open()
        await unloading
        with pytest.raises(AdapterError, match="style is not loaded"):
            await queued
        assert (await first)[1].finish == "length"


async def test_worker_refused_reload_keeps_the_old_version(tiny: Tiny, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny.style, tmp_path / "style"))
    async with running(tiny) as worker:
        info = await worker.load_adapter(folder, "voice")
        before = await collect(worker, request(stack=(("voice", 1.0),)))
        (folder / WEIGHTS).write_bytes(b"broken")
        with pytest.raises(AdapterError, match="damaged or was replaced"):
            await worker.reload_adapter("voice")
        assert worker.adapters() == (info,)
        assert await collect(worker, request(stack=(("voice", 1.0),))) == before
        with pytest.raises(AdapterError, match="loaded already"):
            await worker.load_adapter(tiny.style, "voice")
        with pytest.raises(AdapterError, match="not loaded"):
            await worker.reload_adapter("style")


async def test_worker_adapter_of_another_base_is_refused_naming_both(tiny: Tiny, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny.style, tmp_path / "style"))
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, "base_hash": "e" * 64}))
    async with running(tiny) as worker:
        with pytest.raises(ManifestMismatch, match=f"eeeeeeeeeeee.*{worker.hashes.base[:12]}"):
            await worker.load_adapter(folder)
        assert worker.adapters() == ()
