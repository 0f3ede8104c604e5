"""The arithmetic of the evaluation, on cases counted by hand."""

from __future__ import annotations

import math
import re

import pytest

from trainer.evaluation import metrics


def test_classification_mixed_verdicts_gives_hand_counted_rates() -> None:
    gold = [True, True, True, False, False]
    said = [True, True, False, True, False]
    got = metrics.classification(gold, said)
    assert got["accuracy"] == pytest.approx(3 / 5)
    assert got["precision"] == pytest.approx(2 / 3)
    assert got["recall"] == pytest.approx(2 / 3)
    assert got["f1"] == pytest.approx(2 / 3)


def test_classification_nothing_said_or_wanted_is_zero_not_an_error() -> None:
    assert metrics.classification([True], [False]) == {
        "accuracy": 0.0,
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
    }
    assert metrics.classification([False], [False])["accuracy"] == 1.0


def test_ranking_two_relevant_of_four_gives_hand_computed_values() -> None:
    ranked, relevant = ["a", "x", "b", "c"], {"x", "c"}
    assert metrics.recall_at(ranked, relevant, 3) == 0.5
    assert metrics.reciprocal_rank(ranked, relevant) == 0.5
    gain = 1 / math.log2(3)
    best = 1 + 1 / math.log2(3)
    assert metrics.ndcg_at(ranked, relevant, 3) == pytest.approx(gain / best)


def test_ranking_nothing_found_is_zero() -> None:
    assert metrics.recall_at([], {"a"}, 3) == 0
    assert metrics.reciprocal_rank(["b"], {"a"}) == 0
    assert metrics.ndcg_at(["b"], {"a"}, 3) == 0


def test_ndcg_more_relevant_than_places_can_reach_one() -> None:
    assert metrics.ndcg_at(["a", "b", "c"], {"a", "b", "c", "d"}, 3) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "wanted", "found"),
    [
        ("It cost 1,200 dollars.", "1200", True),
        ("It cost 1200 dollars.", "$1,200".removeprefix("$"), True),
        ("It cost 1\u202f200 dollars.", "1,200", True),
        ("It opened in 2012.", "12", False),
        ("It is 3.5 metres.", "3", False),
        ("It is 2.3 metres.", "3", False),
        ("There are 12.", "12", True),
        ("the  HARLOW\nBridge", "harlow bridge", True),
        ("It’s Ada’s", "ada's", True),
        ("engineers", "engineer", True),
        ("Paul Brook", "Paul Brooke", False),
    ],
)
def test_contains_numbers_spaces_and_quotes_are_normalised(text: str, wanted: str, found: bool) -> None:
    assert metrics.contains(text, wanted) is found


def test_freshness_both_named_counts_as_fresh() -> None:
    assert metrics.freshness("It was Ada, now it is Paul.", ["Paul"], ["Ada"]) == "fresh"
    assert metrics.freshness("It is Ada.", ["Paul"], ["Ada"]) == "stale"
    assert metrics.freshness("I don't know.", ["Paul"], ["Ada"]) == "neither"


def test_matches_all_of_must_and_none_of_must_not() -> None:
    must = [re.compile("harlow", re.I), re.compile("may", re.I)]
    assert metrics.matches("Harlow in May", must, [])
    assert not metrics.matches("Harlow in June", must, [])
    assert not metrics.matches("Harlow in May", must, [re.compile("in")])


def test_answer_f1_articles_and_punctuation_do_not_count() -> None:
    assert metrics.answer_f1("The Panthers.", "panthers") == 1.0
    assert metrics.answer_f1("It was 308 points", "308 points") == pytest.approx(2 * 2 / (4 + 2))
    assert metrics.answer_f1("nothing", "308") == 0.0


def test_loops_repeated_phrase_is_told_from_plain_talk() -> None:
    assert metrics.loops("so it goes on and so it goes on and so it goes on again")
    assert metrics.loops("no no no no no")
    assert not metrics.loops("No, no, no! I never said that the river was wide, only that it was long.")
    assert not metrics.loops("")
