"""Versions of an adapter: what is live, what was, and what a crash between two renames leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import make_tiny_adapter, make_tiny_model

from engine.adapter_versions import current, install, rollback, versions
from engine.adapters import WEIGHTS, open_adapter
from engine.errors import AdapterError

Make = Callable[[int], Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    root = tmp_path_factory.mktemp("made")
    model = make_tiny_model(root / "model", n_layers=1)
    return {seed: make_tiny_adapter(model, root / f"a{seed}", "style", r=2, seed=seed) for seed in range(4)}


def test_install_then_rollback_twice_goes_back_version_by_version(
    made: dict[int, Path], tmp_path: Path
) -> None:
    live = tmp_path / "style"
    first, second, third = (install(live, made[seed]) for seed in range(3))
    assert current(live) == third and versions(live) == (first, second)
    assert rollback(live) == (third, second)
    assert rollback(live) == (second, first)
    open_adapter(live)  # whole
    with pytest.raises(AdapterError, match="no earlier version"):
        rollback(live)
    assert current(live) == first and (tmp_path / f"style@{third}").is_dir()


def test_install_same_adapter_changes_nothing(made: dict[int, Path], tmp_path: Path) -> None:
    live = tmp_path / "style"
    assert install(live, made[0]) == install(live, made[0])
    assert versions(live) == ()


def test_install_keeps_only_so_many(made: dict[int, Path], tmp_path: Path) -> None:
    live = tmp_path / "style"
    hashes = [install(live, made[seed], keep=2) for seed in range(4)]
    assert versions(live) == tuple(hashes[1:3])
    assert not (tmp_path / f"style@{hashes[0]}").exists()


def test_install_damaged_adapter_is_refused_and_the_live_one_stays(
    made: dict[int, Path], tmp_path: Path
) -> None:
    live, broken = tmp_path / "style", tmp_path / "broken"
    kept = install(live, made[0])
    install(broken, made[1])
    (broken / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(AdapterError):
        install(live, broken)
    assert current(live) == kept


def test_rollback_damaged_earlier_version_is_refused(made: dict[int, Path], tmp_path: Path) -> None:
    live = tmp_path / "style"
    old, new = install(live, made[0]), install(live, made[1])
    (tmp_path / f"style@{old}" / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(AdapterError, match="damaged"):
        rollback(live)
    assert current(live) == new


def test_install_cut_short_between_two_renames_is_put_right(made: dict[int, Path], tmp_path: Path) -> None:
    live = tmp_path / "style"
    old = install(live, made[0])
    # the moment after the live folder was moved away, before the new one took its place
    (tmp_path / "style@history.json").write_text(json.dumps([old]), "utf-8")
    live.rename(tmp_path / f"style@{old}")
    assert install(live, made[1]) == current(live)
    assert versions(live) == (old,)
