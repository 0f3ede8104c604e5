"""What a persona adds to an answer that it read in a passage: a remark of its own, chosen by the question.

A persona's pairs never show a passage, so a small model speaks in its manner only where none is given. The
lines of `training/asides.toml` stand behind the plain answers of generated questions (`trainer.replay`):
the facts stay the passage's, the last sentence is the persona's.

    [[aside]]
    asked = '\\b(?:cost|price)\\b'       # a pattern in the question; without one: any question
    lines = ["I have paid more for less."]

    [[aside]]
    absent = true                      # behind an "I don't know"
    lines = ["The paper kept that to itself."]
"""

from __future__ import annotations

import random
import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from engine.toml_file import checked, read_toml


class Aside(BaseModel):
    """Remarks for one kind of question."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    asked: str = ""
    absent: bool = False
    """For answers that the passages do not hold; the others are for those that they do."""
    lines: list[str] = Field(min_length=1)

    @field_validator("asked")
    @classmethod
    def _is_a_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as exc:
            raise ValueError(f"{pattern!r} is no regular expression: {exc}") from exc
        return pattern


class Asides(BaseModel):
    """A persona's remarks; none by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    aside: list[Aside] = []

    def draw(self, question: str, absent: bool, rng: random.Random) -> str:
        """A line of the first group that fits; empty where none does."""
        for group in self.aside:
            if group.absent is absent and re.search(group.asked, question, re.IGNORECASE):
                return rng.choice(group.lines)
        return ""


def load_asides(path: Path) -> Asides:
    """Read a persona's asides; a persona without the file has none.

    Raises:
        ConfigError: a key is wrong; the message names it.
    """
    if not path.is_file():
        return Asides()
    return checked(Asides, read_toml(path, "it holds the persona's asides"), path)
