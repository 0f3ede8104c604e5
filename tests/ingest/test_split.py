"""No turn on both sides."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from ingest.ledger import Ledger
from ingest.rows import Row
from ingest.split import Split, split_rows


def rows(
    source: str, count: int, window: int = 10, rng: random.Random | None = None, day: int = 1
) -> list[Row]:
    out = []
    turn = 1
    begin = 0
    for i in range(count):
        out.append(
            Row(f"{source}-{i}", source, ("q",), "a", max(begin, turn - window + 1), turn,
                recorded_at=datetime(2024, 1, day, tzinfo=UTC))
        )  # fmt: skip
        turn += 2
        if rng and rng.random() < 0.1:  # a gap in the conversation: windows begin anew
            begin = turn
            turn += 1
    return out


def check(split: Split, all_rows: list[Row], ledger: Ledger) -> None:
    ledger.close()
    stage = ledger.stages[-1]
    assert stage.came_in == len(all_rows)
    assert stage.went_out == len(split.train) + len(split.held_out)
    for held in split.held_out:
        for row in split.train:
            if row.source == held.source:
                assert row.last_turn < held.first_turn


@pytest.mark.parametrize("seed", range(30))
def test_split_no_held_out_window_contains_a_trained_turn(seed: int) -> None:
    rng = random.Random(seed)
    made: list[Row] = []
    for i in range(rng.randint(1, 6)):
        made += rows(f"s{i}", rng.randint(1, 150), rng.randint(2, 30), rng, rng.randint(1, 28))
    ledger = Ledger()
    split = split_rows(made, ledger)
    check(split, made, ledger)
    assert split.train
    again = split_rows(list(reversed(made)), Ledger())
    assert {r.id for r in again.held_out} == {r.id for r in split.held_out}


def test_split_large_source_holds_out_its_end_by_the_share() -> None:
    made = rows("s", 400)
    ledger = Ledger()
    split = split_rows(made, ledger)
    check(split, made, ledger)
    share = len(split.held_out) / (len(split.train) + len(split.held_out))
    assert 0.13 < share < 0.17
    assert max(r.last_turn for r in split.train) < min(r.first_turn for r in split.held_out)


def test_split_small_sources_go_whole_and_latest_are_held_out() -> None:
    made = [row for i in range(20) for row in rows(f"s{i}", 10, day=i + 1)]
    split = split_rows(made, Ledger())
    assert {r.source for r in split.held_out} == {"s17", "s18", "s19"}
    assert len(split.train) + len(split.held_out) == len(made)


def test_split_prefers_a_natural_break() -> None:
    made = rows("s", 85)
    shift = made[-1].last_turn + 2
    made += [
        Row(f"t-{r.id}", "s", r.instruction, r.response, r.first_turn + shift, r.last_turn + shift)
        for r in rows("s", 15)
    ]
    split = split_rows(made, Ledger())
    assert (len(split.train), len(split.held_out)) == (85, 15)


def test_split_source_too_short_to_cut_is_trained_whole() -> None:
    split = split_rows(rows("s", 3), Ledger())
    assert len(split.train) == 3 and not split.held_out


def test_split_share_of_zero_trains_on_everything() -> None:
    split = split_rows(rows("s", 100), Ledger(), 0.0)
    assert len(split.train) == 100
