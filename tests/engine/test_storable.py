"""Text, ids and JSON made safe for every database."""

from __future__ import annotations

import re

import pytest

from engine.storable import split_key, storable, storable_id, storable_json


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        ("plain\n\ttext ", "plain\n\ttext "),
        ("👨‍👩‍👧 ‮rtl", "👨‍👩‍👧 ‮rtl"),
        ("a\0b", "ab"),
        ("\ud83d\ude00", "😀"),
        ("\ude00\ud83d", "��"),
        ("end\ud800", "end�"),
    ],
)
def test_storable_keeps_all_but_nul_and_lone_surrogates(given: str, kept: str) -> None:
    assert storable(given) == kept


def test_storable_id_clean_is_unchanged_and_broken_is_hashed_once() -> None:
    assert storable_id("-100123:7") == "-100123:7"
    hashed = storable_id("x\ud800")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", hashed)
    assert storable_id(hashed) == hashed
    assert storable_id("x\ud801") != hashed
    assert len(storable_id("x" * 10_000)) < 100


def test_storable_json_is_plain_and_finite() -> None:
    given = {"a\0": ("x\ud800", float("nan"), -float("inf"), 1.5, 2**70, None, True)}
    assert storable_json(given) == {"a": ["x�", 0.0, 0.0, 1.5, 2**70, None, True]}


def test_split_key_cuts_at_the_first_colon() -> None:
    assert split_key("telegram:-100:7") == ("telegram", "-100:7")
    assert split_key("web:" + "s" * 300) == ("web", storable_id("s" * 300))
