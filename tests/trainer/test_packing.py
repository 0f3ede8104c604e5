"""Stores and packing: whole documents, exact shares, and batches that follow from state."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer.packing import Packer, PackingError, PackState, held_out_rows
from trainer.store import Store, StoreError, StoreWriter


def _store(path: Path, lengths: list[int], first: int = 0, prompt: int = 0) -> Store:
    """Example i is `first + i` repeated, its first `prompt` tokens untrained."""
    with StoreWriter(path) as writer:
        for i, n in enumerate(lengths):
            writer.append([first + i] * n, [0] * prompt + [1] * (n - prompt))
    return Store(path)


@pytest.fixture
def stores(tmp_path: Path) -> dict[str, Store]:
    rng = np.random.default_rng(0)
    return {
        "chat": _store(tmp_path / "chat", rng.integers(5, 60, 200).tolist(), 0, prompt=3),
        "prose": _store(tmp_path / "prose", rng.integers(20, 200, 100).tolist(), 1000),
    }


def _packer(stores: dict[str, Store], state: PackState | None = None, seed: int = 7) -> Packer:
    return Packer(stores, seed, row_tokens=256, rows=3, state=state)


def test_store_round_trip_keeps_ids_and_mask(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "s") as writer:
        writer.append([1, 2, 65535], [False, True, True])
        writer.append(np.array([4, 5]), np.array([0, 1]))
    store = Store(tmp_path / "s")
    assert len(store) == 2
    assert store.n_tokens == 5
    ids, mask = store.example(0)
    assert ids.tolist() == [1, 2, 65535]
    assert mask.tolist() == [0, 1, 1]
    assert [f.name for f in tmp_path.iterdir()] == ["s"]


def test_store_writer_that_fails_leaves_the_old_store(tmp_path: Path) -> None:
    _store(tmp_path / "s", [4, 5])
    with pytest.raises(StoreError, match="outside"), StoreWriter(tmp_path / "s") as writer:
        writer.append([1, 70000], [1, 1])
    assert len(Store(tmp_path / "s")) == 2
    assert [f.name for f in tmp_path.iterdir()] == ["s"]


def test_missing_store_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"ids\.npy"):
        Store(tmp_path / "none")


def test_rows_hold_whole_documents_with_positions_from_zero(stores: dict[str, Store]) -> None:
    for row in _packer(stores).batch({"chat": 1.0, "prose": 1.0}, 200):
        edges = row.bounds.tolist()
        for a, b in pairwise(edges):
            assert row.positions[a:b].tolist() == list(range(b - a))
            assert len(row.ids[a:b].unique()) == 1  # one example's filler
        assert row.ids.shape == (256,)


def test_labels_are_trained_tokens_and_sources_the_rows_before(stores: dict[str, Store]) -> None:
    for row in _packer(stores).batch({"chat": 1.0}, 200):
        assert torch.equal(row.ids[row.sources + 1], row.labels)
        assert (row.positions[row.sources + 1] >= 3).all()  # the prompt is not trained
        starts = row.bounds[:-1]
        assert not torch.isin(row.sources + 1, starts).any()


def test_waste_is_small(tmp_path: Path) -> None:
    lengths = np.random.default_rng(0).integers(100, 500, 300).tolist()
    packer = Packer({"a": _store(tmp_path / "a", lengths)}, 0, row_tokens=4096, rows=4)
    used = [row.n_tokens for _ in range(20) for row in packer.batch({"a": 1.0}, 512)]
    assert sum(used) / (4096 * len(used)) > 0.98


def test_shares_follow_the_weights(stores: dict[str, Store]) -> None:
    packer, chat, total = _packer(stores), 0, 0
    for _ in range(40):
        for row in packer.batch({"chat": 3.0, "prose": 1.0}, 200):
            used = row.ids[: row.n_tokens]
            chat, total = chat + int((used < 1000).sum()), total + row.n_tokens
    assert chat / total == pytest.approx(0.75, abs=0.02)


def test_an_epoch_reads_every_example_once(tmp_path: Path) -> None:
    store = _store(tmp_path / "a", [16] * 48)
    packer = Packer({"a": store}, 0, row_tokens=256, rows=3)  # one batch is one epoch
    for _ in range(2):
        rows = packer.batch({"a": 1.0}, 64)
        seen = sorted(int(row.ids[a]) for row in rows for a in row.bounds[:-1])
        assert seen == list(range(48))


def test_batch_after_saved_state_needs_no_replay(stores: dict[str, Store]) -> None:
    weights = {"chat": 2.0, "prose": 1.0}
    packer = _packer(stores)
    for _ in range(5):
        packer.batch(weights, 128)
    saved = json.loads(json.dumps(packer.state.as_dict()))
    expected = packer.batch(weights, 128)
    again = _packer(stores, PackState.from_dict(saved)).batch(weights, 128)
    for a, b in zip(expected, again, strict=True):
        assert torch.equal(a.ids, b.ids)
        assert torch.equal(a.labels, b.labels)


def test_another_seed_draws_another_order(stores: dict[str, Store]) -> None:
    a = _packer(stores).batch({"chat": 1.0}, 64)
    b = _packer(stores, seed=8).batch({"chat": 1.0}, 64)
    assert not torch.equal(a[0].ids, b[0].ids)


def test_long_prose_is_cut_and_long_chat_waits(tmp_path: Path) -> None:
    stores = {
        "prose": _store(tmp_path / "prose", [150]),
        "chat": _store(tmp_path / "chat", [150, 40], first=10, prompt=30),
    }
    packer = Packer(stores, 0, row_tokens=256, rows=1)
    row = packer.batch({"prose": 1.0}, 64)[0]
    assert row.bounds.diff().max() <= 64
    row = Packer(stores, 0, 256, 1).batch({"chat": 1.0}, 64)[0]
    assert set(row.ids[: row.n_tokens].tolist()) == {11}


def test_pending_of_a_store_that_is_gone_is_dropped(stores: dict[str, Store]) -> None:
    packer = _packer(stores)
    packer.batch({"chat": 1.0, "prose": 1.0}, 200)
    state = PackState.from_dict(packer.state.as_dict())
    rest = {"chat": stores["chat"]}
    rows = _packer(rest, state).batch({"chat": 1.0}, 200)
    assert all((row.ids < 1000).all() for row in rows)


@pytest.mark.parametrize("weights", [{}, {"chat": 0.0}, {"nope": 1.0}])
def test_weights_that_draw_nothing_are_refused(stores: dict[str, Store], weights: dict[str, float]) -> None:
    with pytest.raises(PackingError):
        _packer(stores).batch(weights, 64)


def test_held_out_rows_are_the_same_each_time(stores: dict[str, Store]) -> None:
    def read() -> list[list[int]]:
        return [r.ids.tolist() for r in held_out_rows(stores["prose"], "prose", 256, 200, 1500)]

    assert read() == read()
    assert sum(map(len, read())) <= 256 * 12
