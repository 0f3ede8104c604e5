"""Rejoinders take up the words of generated messages, and a wrong line is told at once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.errors import ConfigError
from trainer.rejoinders import Rejoinders, load_rejoinders
from trainer.skills import everyday

TWAIN = Path(__file__).parents[2] / "personas" / "mark-twain" / "training" / "rejoinders.toml"


def _load(tmp_path: Path, text: str) -> Rejoinders:
    path = tmp_path / "rejoinders.toml"
    path.write_text(text, encoding="utf-8")
    return load_rejoinders(path)


def test_drawn_answers_take_up_the_word_that_was_said(tmp_path: Path) -> None:
    lines = _load(tmp_path, '[[rejoinder]]\nsaid = "My {pet} died."\nanswers = ["Poor thing. {pet} gone."]')
    cases = [lines.drawn(random.Random(seed)) for seed in range(30)]
    assert len({case.answer for case in cases}) > 5
    for case in cases:
        pet = case.answer.removeprefix("Poor thing. ").removesuffix(" gone.")
        assert pet == pet.capitalize() and pet.lower() in case.prompt[-1].content.lower()


def test_drawn_slots_that_one_way_to_say_it_lacks_are_left_out(tmp_path: Path) -> None:
    said = "My {kin} is coming to visit {when}."  # one of its ways names no {when}
    text = f'[[rejoinder]]\nsaid = "{said}"\nanswers = ["So {{when}} it is.", "Well."]'
    lines = _load(tmp_path, text)
    for seed in range(60):
        case = lines.drawn(random.Random(seed))
        if case.answer != "Well.":
            when = case.answer.removeprefix("So ").removesuffix(" it is.")
            assert when.lower() in case.prompt[-1].content.lower()


def test_drawn_anything_else_is_told_or_asked(tmp_path: Path) -> None:
    lines = _load(
        tmp_path,
        '[[rejoinder]]\nasked = true\nanswers = ["Ask on."]\n'
        '[[rejoinder]]\nasked = false\nanswers = ["Go on."]',
    )
    for seed in range(40):
        case = lines.drawn(random.Random(seed))
        assert case.prompt[-1].content.endswith("?") is (case.answer == "Ask on.")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[rejoinder]]\nsaid = "Nobody says this."\nanswers = ["A."]', "nobody says"),
        ('[[rejoinder]]\nsaid = "My {pet} died."\nanswers = ["{city}."]', "city"),
        ('[[rejoinder]]\nanswers = ["A."]', "asked"),
        ('[[rejoinder]]\nasked = true\nanswers = ["{pet}."]', "pet"),
        ('[[rejoinder]]\nasked = true\nanswers = []', "answers"),
    ],
)  # fmt: skip
def test_load_rejoinders_wrong_lines_are_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        _load(tmp_path, text)


def test_load_rejoinders_none_without_the_file(tmp_path: Path) -> None:
    assert load_rejoinders(tmp_path / "rejoinders.toml") == Rejoinders()


def test_mark_twain_answers_everything_that_people_tell() -> None:
    said = {r.said for r in load_rejoinders(TWAIN).rejoinder}
    assert {told.says[0] for told in everyday.TOLD} <= said
