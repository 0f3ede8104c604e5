"""What a persona answers to everyday talk: lines with slots for the messages of `trainer.skills.everyday`.

Pairs are learned by heart, and beside them a small model makes sentences of halves of lines. Here the words
that fill a message are others in every epoch, so what is learned is to take them up: "My goat is sick." and
"I am sorry for your goat." The lines are in `training/rejoinders.toml`:

    [[rejoinder]]
    said = "My {pet} is sick."         # the first way to say it in trainer/skills/everyday_lines.py
    answers = ["I am sorry for your {pet}."]

    [[rejoinder]]
    asked = false                      # to anything else that is told; true: that is asked
    answers = ["Go on."]
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.toml_file import checked, read_toml
from engine.types import Message
from trainer.skills import everyday, smalltalk
from trainer.skills.analyzer_lines import TALK
from trainer.skills.case import Case, closed, draw

ANYTHING_SHARE = 0.12
_BY_SAID = {told.says[0]: told for told in everyday.TOLD}


class Rejoinder(BaseModel):
    """Answers to one thing that people say, or to anything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    said: str = ""
    asked: bool | None = None
    answers: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if bool(self.said) is (self.asked is not None):
            raise ValueError("give said, or asked = true or false for anything else")
        told = _BY_SAID.get(self.said)
        if self.said and told is None:
            raise ValueError(f"nobody says {self.said!r} first in trainer/skills/everyday_lines.py")
        known = set(everyday.SLOT.findall(" ".join(told.says))) if told else set()
        for line in self.answers:
            if strange := set(everyday.SLOT.findall(line)) - known:
                raise ValueError(f"{line!r} has a slot that is not said: {', '.join(sorted(strange))}")
        return self


class Rejoinders(BaseModel):
    """A persona's answers to everyday talk; none by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rejoinder: list[Rejoinder] = []

    def drawn(self, rng: random.Random) -> Case:
        """One exchange; there must be a rejoinder."""
        anything = [r for r in self.rejoinder if not r.said]
        fitting = [r for r in self.rejoinder if r.said]
        if anything and (not fitting or rng.random() < ANYTHING_SHARE):
            chosen = rng.choice(anything)
            return _case(_anything(bool(chosen.asked), rng), rng.choice(chosen.answers))
        chosen = rng.choice(fitting)
        slots = everyday.Slots(rng, held_out=False)
        said = slots.fill(draw(rng, _BY_SAID[chosen.said].says, False))
        answers = slots.known(tuple(chosen.answers)) or chosen.answers
        return _case(said, _sentences(slots.fill(rng.choice(answers))))


def load_rejoinders(path: Path) -> Rejoinders:
    """Read a persona's rejoinders; a persona without the file has none.

    Raises:
        ConfigError: a key is wrong, or a line fits nothing that is said; the message names it.
    """
    if not path.is_file():
        return Rejoinders()
    return checked(Rejoinders, read_toml(path, "it holds the persona's rejoinders"), path)


def _anything(asked: bool, rng: random.Random) -> str:
    """Something that people say, with or without a question mark."""
    while True:
        said = rng.choice(rng.choice((TALK, smalltalk.SAID)))
        if said.endswith("?") is asked and "{" not in said:
            return said


def _sentences(text: str) -> str:
    """`text` with capitals where sentences begin, whatever a slot brought there."""
    return re.sub(r"(?:^|(?<=[.!?] ))[a-z]", lambda m: m[0].upper(), text)


def _case(said: str, answer: str) -> Case:
    return Case("everyday", "rejoinder", closed([Message("user", said)], answer))
