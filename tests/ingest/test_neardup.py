"""Near-duplicates are found, and only they."""

from __future__ import annotations

import random

import pytest

from ingest.neardup import jaccard, near_duplicates, shingles

LONG = "the quick brown fox jumps over the lazy dog while the band plays on and nobody minds at all"


def test_near_duplicates_case_and_punctuation_do_not_matter() -> None:
    assert near_duplicates([LONG, LONG.upper() + "!!", "something else entirely, said by nobody"]) == [
        None,
        0,
        None,
    ]


def test_near_duplicates_one_changed_word_is_near() -> None:
    assert near_duplicates([LONG, LONG.replace("minds", "cares")]) == [None, 0]


@pytest.mark.parametrize("text", ["", "a", "!?", "😀", "日本語"])
def test_near_duplicates_tiny_text_repeats_itself_only(text: str) -> None:
    assert near_duplicates([text, "other words", text]) == [None, None, 0]


def test_near_duplicates_agree_with_brute_force() -> None:
    rng = random.Random(5)
    words = [f"w{i}" for i in range(200)]
    texts = []
    for _ in range(120):
        base = rng.choice(texts).split() if texts and rng.random() < 0.6 else rng.choices(words, k=30)
        texts.append(" ".join(rng.choice(words) if rng.random() < 0.05 else w for w in base))
    found = near_duplicates(texts, 0.7)
    kept: list[int] = []
    for i, twin in enumerate(found):
        near = [j for j in kept if jaccard(shingles(texts[i]), shingles(texts[j])) >= 0.7]
        assert (twin is not None) == bool(near)
        assert twin is None or twin in near
        if twin is None:
            kept.append(i)
    assert 0 < len(kept) < len(texts)


def test_near_duplicates_lone_surrogate_and_long_text_pass() -> None:
    assert near_duplicates(["\ud800 x", "ab" * 20_000]) == [None, None]
