"""Possible answers as a reader would give them, made up for training: mostly right, at times not.

The reader (`engine.reader`) is not run over millions of made-up questions; its habits are. So the model
learns to take what was found, to prefer the newest, to look for itself where nothing was, and to doubt.
This module knows nothing of the reader's weights.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from engine.prompt import QUESTION, possible_answers
from engine.reader import joined
from engine.types import Message, Passage

UNREAD_SHARE = 0.2  # of conversations without a reader
MISSED_SHARE = 0.05  # of answers that the reader does not see
WRONG_SHARE = 0.01  # of answers beside which the reader points elsewhere in the same passage
STRAY_SHARE = 0.06  # of passages without an answer in which it sees one
LOOSE_SHARE = 0.04  # of right places whose ends are off by a word or two
_SPAN = re.compile(
    r"\$?\d[\d,.:]*\d(?: [a-z]+)?|\d+(?: [a-z]+)?"
    r"|(?:[A-Z][\w’'-]+ ?)+(?:of [A-Z]\w+)?"
    r"|\b(?:the|an?) [a-z-]+ [a-z-]+"
)


def read(passages: Sequence[Passage], values: Sequence[str], rng: random.Random) -> list[Passage]:
    """The passages with what a reader might have found for a question.

    Args:
        passages: those of the prompt.
        values: right answers, and those that held before; the first that a passage holds is found in it.
            None: nothing answers.
    """
    return [replace(p, found=_found(p.text, values, rng)) for p in passages]


def read_all(passages: Sequence[Passage], values: Sequence[str], rng: random.Random) -> list[Passage]:
    """The same for several questions in one message: each passage with all that it answers."""
    each = [[p.found for p in read(passages, (value,), rng) if p.found is not None] for value in values]
    return [replace(p, found=joined(f)) for p, f in zip(passages, zip(*each, strict=True), strict=True)]


def asked_again(
    passages: Sequence[Passage], values: Sequence[str], question: str, rng: random.Random
) -> Message:
    """A further question on passages that were shown before, with what the reader finds for it."""
    again = read(passages, values, rng)
    return Message("user", f"{possible_answers(again)}{QUESTION}{question}")


def _found(text: str, values: Sequence[str], rng: random.Random) -> str:
    told = next((v for v in values if v and v.lower() in text.lower()), "")
    if not told:
        return _stray(text, rng) if rng.random() < STRAY_SHARE else ""
    roll = rng.random()
    if roll < MISSED_SHARE:
        return ""
    if roll < MISSED_SHARE + WRONG_SHARE:
        return _stray(text, rng)
    at = text.lower().index(told.lower())
    end = at + len(told)
    if rng.random() < LOOSE_SHARE:
        at, end = _loosened(text, at, end, rng)
    return text[at:end].strip(" .,;:")


def _stray(text: str, rng: random.Random) -> str:
    """Some name, number or thing of the text."""
    places = [m[0].strip() for m in _SPAN.finditer(text)]
    return rng.choice(places) if places else ""


def _loosened(text: str, at: int, end: int, rng: random.Random) -> tuple[int, int]:
    """One word more before or behind, or the first of several left out."""
    kind = rng.randrange(3)
    if kind == 0 and at > 1:
        return text.rfind(" ", 0, at - 1) + 1, end
    if kind == 1 and end < len(text):
        cut = text.find(" ", end + 1)
        return at, cut if cut > 0 else len(text)
    first = text.find(" ", at, end)
    return (first + 1 if first > 0 else at), end
