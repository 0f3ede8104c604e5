"""`/admin adapters rollback`: back to the version before, live, never to one that cannot be served."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import make_tiny_adapter, make_tiny_model

from bot.admin import Admin
from engine.adapter_versions import current, install
from engine.config import LimitsConfig, ProfileConfig, WorkerConfig
from engine.errors import AdapterError
from engine.model.worker import ModelWorker
from engine.types import AdapterInfo, Incoming

OPERATOR = Incoming("console", "c", "m", "u", "Op", "")


def admin(control: object, adapters: Path) -> Admin:
    return Admin(LimitsConfig(), control, adapters, None, None, None)  # type: ignore[arg-type]


async def test_rollback_loaded_adapter_answers_with_the_version_before(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "model")
    live = tmp_path / "adapters" / "style"
    old, new = (
        install(live, make_tiny_adapter(model, tmp_path / f"a{s}", "style", r=2, seed=s)) for s in (1, 2)
    )
    profile = ProfileConfig(model=str(model), device="cpu", dtype="float32", context_tokens=256)
    worker = ModelWorker(str(model), profile, WorkerConfig())
    await worker.start()
    try:
        await worker.load_adapter(live, "style")
        said = await admin(worker, live.parent).run("adapters rollback style", OPERATOR)
        assert old in said and new in said
        assert [a.hash for a in worker.adapters()] == [old] and current(live) == old
        with pytest.raises(AdapterError, match="no earlier version"):
            await admin(worker, live.parent).run("adapters rollback style", OPERATOR)
        listed = await admin(worker, live.parent).run("adapters list", OPERATOR)
        assert "@" not in listed
    finally:
        await worker.close()


class Refuses:
    """A worker that cannot serve what it reads."""

    def adapters(self) -> tuple[AdapterInfo, ...]:
        return (AdapterInfo("style", "0" * 12, 2, 1.0),)

    async def reload_adapter(self, name: str) -> AdapterInfo:
        raise AdapterError("made for another base")


async def test_rollback_version_that_cannot_be_served_leaves_the_live_one(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "model", n_layers=1)
    live = tmp_path / "adapters" / "style"
    made = [make_tiny_adapter(model, tmp_path / f"a{s}", "style", r=2, seed=s) for s in (1, 2)]
    _, new = (install(live, folder) for folder in made)
    with pytest.raises(AdapterError, match="another base"):
        await admin(Refuses(), live.parent).run("adapters rollback style", OPERATOR)
    assert current(live) == new
