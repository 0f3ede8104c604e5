"""Asides: chosen by the question, by whether it was answered, and refused where they cannot work."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from engine.errors import ConfigError
from trainer.asides import Aside, Asides, load_asides

SHIPPED = Path(__file__).parents[2] / "personas" / "mark-twain" / "training" / "asides.toml"


def test_the_first_group_that_fits_the_question_gives_a_line() -> None:
    asides = Asides(
        aside=[
            Aside(absent=True, lines=["unsaid"]),
            Aside(asked=r"\bcost\b", lines=["dear"]),
            Aside(lines=["plain"]),
        ]
    )
    rng = random.Random(0)
    assert asides.draw("What does it COST?", False, rng) == "dear"
    assert asides.draw("Who costs?", False, rng) == "plain"
    assert asides.draw("What does it cost?", True, rng) == "unsaid"
    assert Asides().draw("What?", False, rng) == ""


def test_a_persona_without_the_file_has_none(tmp_path: Path) -> None:
    assert load_asides(tmp_path / "asides.toml") == Asides()


def test_a_pattern_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "asides.toml"
    path.write_text("[[aside]]\nasked = '(when'\nlines = ['x']\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"asides\.toml.*no regular expression"):
        load_asides(path)


def test_mark_twains_tell_no_fact_and_fit_every_question() -> None:
    asides = load_asides(SHIPPED)
    rng = random.Random(1)
    for question in ("When does it open?", "How much is it?", "Who won?", "Is it open?"):
        assert asides.draw(question, False, rng) and asides.draw(question, True, rng)
    for line in (line for group in asides.aside for line in group.lines):
        names = re.findall(r"(?<![.;!?] )(?<!^)\b(?!I\b)[A-Z]\w+", line)
        assert not re.search(r"\d", line) and not names, line
