"""Texts with other names and numbers: the same ones wherever they stood."""

from __future__ import annotations

import random

from trainer.skills.case import reserved
from trainer.swaps import swapped

TEXTS = (
    "John Smith",
    "John Smith was born in 1904 and moved to York in 1921. Smith had 12 sheep; Smith sold 12 of 2,300.",
    "The 3rd house cost $45 in 1904.",
)


def test_swapped_changes_people_years_and_figures_alike_in_all_texts() -> None:
    title, told, more = swapped(TEXTS, random.Random(1))
    last = title.split()[-1]
    assert "Smith" not in title + told
    assert told.count(last) == 3
    years = [w.strip(".") for w in told.split() if w.strip(".").isdigit() and len(w.strip(".")) == 4]
    assert int(years[1]) - int(years[0]) == 17
    assert years[0] in more
    assert "1904" not in told + more
    figures = told.partition("had ")[2]
    assert figures.split()[0] == figures.split()[4]
    assert "York" in told


def test_swapped_leaves_ordinals_and_prices() -> None:
    more = swapped(TEXTS, random.Random(2))[2]
    assert "3rd" in more
    assert "$45" in more


def test_swapped_draws_no_name_that_is_kept_for_evaluation() -> None:
    for seed in range(60):
        assert not reserved(swapped(TEXTS, random.Random(seed))[0].split(maxsplit=1)[1])


def test_swapped_keeps_text_that_names_nobody() -> None:
    assert swapped(["The sea is blue.", ""], random.Random(0)) == ["The sea is blue.", ""]
