"""Scores: half-life, blending, and what is dropped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.config import RetrieverConfig
from engine.rerank import Candidate, blend, recency, rerank
from engine.types import Passage

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def candidate(
    id_: str, similarity: float, age_days: float | None = None, doc: str = "", digest: str = ""
) -> Candidate:
    day = None if age_days is None else NOW - timedelta(days=age_days)
    passage = Passage(text=id_, title="t", published_at=day, similarity=similarity, id=id_)
    return Candidate(passage, doc or id_, digest or id_)


def ids(passages: tuple[Passage, ...]) -> list[str]:
    return [p.id for p in passages]


@pytest.mark.parametrize(("age_days", "value"), [(0, 1.0), (30, 0.5), (60, 0.25), (300, 2**-10)])
def test_recency_after_half_lives_has_halved_each_time(age_days: float, value: float) -> None:
    assert recency(NOW - timedelta(days=age_days), NOW, 30.0) == pytest.approx(value)


def test_recency_without_date_is_zero() -> None:
    assert recency(None, NOW, 30.0) == 0.0


def test_recency_of_a_future_date_counts_as_today() -> None:
    assert recency(NOW + timedelta(days=400), NOW, 30.0) == 1.0


def test_recency_of_two_centuries_is_zero_and_no_error() -> None:
    assert recency(datetime(1835, 11, 30, tzinfo=UTC), NOW, 30.0) == pytest.approx(0.0, abs=1e-300)


@pytest.mark.parametrize(("weight", "value"), [(0.0, 0.6), (1.0, 0.2), (0.25, 0.5)])
def test_blend_weighs_similarity_against_recency(weight: float, value: float) -> None:
    assert blend(0.6, 0.2, weight) == pytest.approx(value)


def test_rerank_of_near_equal_passages_puts_the_newer_first() -> None:
    old, new = candidate("old", 0.82, age_days=60), candidate("new", 0.80, age_days=1)
    best, second = rerank([old, new], RetrieverConfig(), NOW)
    assert (best.id, second.id) == ("new", "old")
    assert best.score == pytest.approx(0.75 * 0.80 + 0.25 * 2 ** (-1 / 30))
    assert second.score == pytest.approx(0.75 * 0.82 + 0.25 * 0.25)


def test_rerank_without_recency_weight_goes_by_similarity() -> None:
    found = rerank(
        [candidate("new", 0.80, 1), candidate("old", 0.82, 60)], RetrieverConfig(recency_weight=0.0), NOW
    )
    assert ids(found) == ["old", "new"]


def test_rerank_drops_what_is_below_min_similarity() -> None:
    found = rerank(
        [candidate("far", 0.39, 0), candidate("near", 0.41, 0)], RetrieverConfig(min_similarity=0.4), NOW
    )
    assert ids(found) == ["near"]


def test_rerank_does_not_lift_fresh_news_of_another_matter_over_an_old_fact() -> None:
    fact, fresh = candidate("fact", 0.62, None), candidate("fresh", 0.36, 0)
    assert blend(0.36, 1.0, 0.25) > blend(0.62, 0.0, 0.25)  # the score alone would lift it
    assert ids(rerank([fact, fresh], RetrieverConfig(), NOW)) == ["fact"]


def test_rerank_keeps_two_chunks_of_a_document_and_k_in_all() -> None:
    found = [candidate(f"a{i}", 0.9 - i / 100, doc="a") for i in range(4)]
    found += [candidate(f"b{i}", 0.8 - i / 100, doc="b") for i in range(4)]
    assert ids(rerank(found, RetrieverConfig(k=3), NOW)) == ["a0", "a1", "b0"]
    assert ids(rerank(found, RetrieverConfig(k=10), NOW)) == ["a0", "a1", "b0", "b1"]


def test_rerank_says_equal_texts_once() -> None:
    found = rerank(
        [candidate("x", 0.9, digest="same"), candidate("y", 0.9, digest="same"), candidate("z", 0.8)],
        RetrieverConfig(),
        NOW,
    )
    assert ids(found) == ["x", "z"]


def test_rerank_of_nothing_is_nothing() -> None:
    assert rerank([], RetrieverConfig(), NOW) == ()
