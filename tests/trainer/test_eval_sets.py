"""The shipped sets: readable, large enough, and nothing in them that training generators say."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from engine.rows import Case, read_rows
from trainer.evaluation.generated import BUILDERS, COUNTS, DENIAL, SETS, write_sets
from trainer.evaluation.metrics import contains, freshness, plain
from trainer.evaluation.part import PARTS
from trainer.skills import analyzer, grounded, identity, rewrite, smalltalk
from trainer.skills.analyzer_lines import FACTS, TALK
from trainer.skills.case import Case as Conversation
from trainer.skills.case import Generate, reserved
from trainer.skills.entities import Entities
from trainer.skills.identity import AI, WHO

LEAST = {"analyzer": 60, "rewrite": 40, "grounded": 40, "conflicts": 30, "identity": 30}
TRAINED: tuple[Generate, ...] = (grounded.generate, analyzer.generate, rewrite.generate, identity.generate)


def _shipped(name: str) -> list[Case]:  # type: ignore[type-arg]
    part = name.split("_", 1)[0]
    return read_rows(
        SETS / f"{name}.jsonl", PARTS["persona" if part in ("identity", "smalltalk") else part].row
    )


def _asked(case: Case) -> str:  # type: ignore[type-arg]
    row = case.raw
    return str(row.get("message") or row.get("question") or row["messages"][-1]["content"])


def _bare(text: str) -> str:
    return re.sub(r"\W+", " ", plain(text)).strip()


def _training(n: int) -> list[Conversation]:
    rng = random.Random(20261121)
    return [make(rng, False) for make in TRAINED for _ in range(n)]


@pytest.mark.parametrize("path", sorted(SETS.glob("*.jsonl")), ids=lambda p: p.stem)
def test_shipped_set_rows_are_all_good_and_differ(path: Path) -> None:
    cases = _shipped(path.stem)
    assert len({json.dumps(c.raw, sort_keys=True) for c in cases}) == len(cases)


@pytest.mark.parametrize("part", sorted(LEAST))
def test_natural_set_is_large_enough(part: str) -> None:
    assert len(_shipped(f"{part}_natural")) >= LEAST[part]


@pytest.mark.parametrize("part", sorted(COUNTS))
def test_held_out_set_has_its_count(part: str) -> None:
    assert len(_shipped(f"{part}_held_out")) == COUNTS[part]


def test_analyzer_natural_set_has_as_many_of_both_labels() -> None:
    gold = [c.row.retrieve for c in _shipped("analyzer_natural")]
    assert 0.45 <= sum(gold) / len(gold) <= 0.55


def test_natural_sets_hold_no_message_of_the_generators_or_the_persona() -> None:
    said = {_bare(t) for t in (*smalltalk.SAID, *FACTS, *TALK, *WHO, *AI)}
    pairs = Path(__file__).parents[2] / "personas" / "mark-twain" / "training"
    for path in pairs.glob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            said |= {_bare(str(t)) for t in json.loads(line)["instruction"]}
    assert len(said) > 500
    for path in SETS.glob("*_natural.jsonl"):
        if path.stem == "rewrite_natural":
            continue  # "How old is she?": what counts there is whom the conversation is about
        shared = {_asked(c) for c in _shipped(path.stem) if _bare(_asked(c)) in said}
        assert not shared, path.stem


def test_sets_hold_no_message_that_training_generators_ask() -> None:
    asked = set()
    for case in _training(400):
        last = case.prompt[-1].content
        asked.add(_bare(re.split(r"Question: |Last question: ", last)[-1]))
    for path in SETS.glob("*.jsonl"):
        kinds = ("grounded", "conflicts", "rewrite", "identity", "smalltalk", "persona")
        if path.stem.startswith(kinds):
            shared = {_asked(c) for c in _shipped(path.stem) if _bare(_asked(c)) in asked}
            assert len(shared) <= 0.05 * len(_shipped(path.stem)), (path.stem, shared)


def test_held_out_sets_names_are_never_drawn_for_training() -> None:
    rng = random.Random(3)
    ours = {Entities(rng).stem() for _ in range(6000)}
    assert not any(map(reserved, ours))
    for name in ("grounded_held_out", "conflicts_held_out", "rewrite_held_out"):
        for case in _shipped(name):
            subject = " ".join(re.findall(r"[A-Z][a-z]+", _asked(case)))
            shared = [w for w in subject.split() if w in ours]
            assert not shared, (name, _asked(case))


def test_conflicts_sets_fresh_and_stale_can_be_told_apart() -> None:
    for name in ("conflicts_natural", "conflicts_held_out"):
        for case in _shipped(name):
            row = case.row
            assert all(any(contains(p.text, f) for p in row.passages) for f in row.fresh[:1]), case.raw
            for old in row.stale:
                assert freshness(f"It is {old}.", row.fresh, row.stale) == "stale", case.raw


def test_conflicts_sets_dated_passages_newest_holds_the_fresh_fact() -> None:
    for case in (*_shipped("conflicts_held_out"), *_shipped("conflicts_natural")):
        dated = sorted(case.row.passages, key=lambda p: p.published_at)
        assert any(contains(dated[-1].text, f) for f in case.row.fresh), case.raw


def test_grounded_sets_answers_are_in_the_passages_and_denials_are_not() -> None:
    for name in ("grounded_natural", "grounded_held_out"):
        for case in _shipped(name):
            text = " ".join(f"{p.title} {p.text}" for p in case.row.passages)
            if case.raw["must_match"] != [DENIAL] and case.kind != "older":
                assert all(p.search(text) for p in case.row.must_match), case.raw


@pytest.mark.parametrize(
    ("reply", "denies"),
    [
        ("I don't know; the context doesn't say who painted it.", True),
        ("The passages do not mention it.", True),
        ("That is not given here.", True),
        ("None of the passages say that.", True),
        ("The bridge opens on 14 May.", False),
        ("He sold 300 jars of honey.", False),
    ],
)
def test_denial_is_recognised(reply: str, denies: bool) -> None:
    assert bool(re.search(DENIAL, reply, re.IGNORECASE)) is denies


def test_write_sets_same_seed_writes_the_same(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        assert write_sets(tmp_path / folder) == COUNTS
    for part in BUILDERS:
        name = f"{part}_held_out.jsonl"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
