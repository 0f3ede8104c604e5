"""The n-gram baseline: hand-computed Kneser-Ney, proper distributions, pruning to a size."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from trainer.evaluation.ngram import Ngram

BIG = 1 << 30
V = 8


def _total(model: Ngram, context: list[int]) -> float:
    return sum(math.exp(float(model.log_probabilities([*context, w])[-1])) for w in range(V))


def _windows(seed: int = 0, n: int = 60) -> list[list[int]]:
    rng = random.Random(seed)
    return [[0, *(min(7, 1 + int(rng.expovariate(0.6))) for _ in range(20))] for _ in range(n)]


def test_ngram_bigram_equals_kneser_ney_by_hand() -> None:
    """Windows: 0 1 2 1 2 3 and 0 1 3, with 0 as the start token.

    Bigrams 01:2 12:2 21:1 23:1 13:1, so D2 = 3 / (3 + 2 * 2) = 3/7. The words' left neighbours are
    1: {0, 2}, 2: {1}, 3: {2, 1}, so the counts are 2 1 2 and D1 = 1 / (1 + 2 * 2) = 1/5.
    """
    model = Ngram([[0, 1, 2, 1, 2, 3], [0, 1, 3]], V, BIG, order=2)
    d2, d1 = 3 / 7, 1 / 5
    left1 = 3 * d1 / 5
    p2 = (1 - d1) / 5 + left1 / V
    wanted = (2 - d2) / 3 + (2 * d2 / 3) * p2  # P(2 | 1): 12 twice among 1's three followers
    got = model.log_probabilities([0, 1, 2])
    assert math.exp(float(got[1])) == pytest.approx(wanted)


@pytest.mark.parametrize("size", [BIG, 1500, 600])
@pytest.mark.parametrize("context", [[0], [0, 1], [0, 1, 2], [0, 3, 1, 1], [5, 5, 5, 5]])
def test_ngram_probabilities_sum_to_one_pruned_or_not(size: int, context: list[int]) -> None:
    assert _total(Ngram(_windows(), V, size), context) == pytest.approx(1.0)


def test_ngram_is_pruned_to_its_size() -> None:
    windows = _windows(n=400)
    whole = Ngram(windows, V, BIG)
    small = Ngram(windows, V, whole.size_bytes // 3)
    assert small.size_bytes <= whole.size_bytes // 3 < whole.size_bytes


def test_ngram_longer_context_predicts_a_pattern_better() -> None:
    pattern = [[0, *([1, 2, 3, 1, 4, 3] * 5)] for _ in range(20)]
    losses = [-float(Ngram(pattern, V, BIG, order=n).log_probabilities(pattern[0]).mean()) for n in (1, 2, 3)]
    assert losses[0] > losses[1] > losses[2]


def test_ngram_unseen_token_still_has_a_probability() -> None:
    assert np.isfinite(Ngram([[0, 1, 2]], V, BIG).log_probabilities([0, 7, 7, 7, 7])).all()


def test_ngram_vocabulary_too_wide_for_its_keys_is_an_error() -> None:
    with pytest.raises(ValueError, match="63 bits"):
        Ngram([[0, 1]], 1 << 20, BIG, order=4)
