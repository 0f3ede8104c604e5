"""One made-up conversation with what its answer has to hold."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from engine.types import Message
from trainer.skills.words import listed

T = TypeVar("T")
RESERVE = 12  # one name or sentence in this many is kept for evaluation

BASICS = frozenset(
    listed(
        """
        hi, hello, hey, yo, good morning, good evening, good night, thanks, thank you, bye, goodbye, how are you,
        what's up, ok, yes, no, who are you, what is your name, what's your name, are you a bot, are you an ai,
        are you human, are you a real person, tell me a joke, are you there, nice to meet you, can you help me,
        sorry, lol, what can you do
        """
    )
)
"""What everybody says is never kept back from training."""


@dataclass(frozen=True, slots=True)
class Case:
    """A conversation that ends with the answer to be learned.

    `expect` holds strings of which the answer must contain every one.
    """

    skill: str
    kind: str
    messages: tuple[Message, ...]
    expect: tuple[str, ...] = ()

    @property
    def answer(self) -> str:
        """The last message, which is the assistant's."""
        return self.messages[-1].content

    @property
    def prompt(self) -> tuple[Message, ...]:
        """What comes before the answer."""
        return self.messages[:-1]


class Generate(Protocol):
    """What every skill module offers."""

    def __call__(self, rng: random.Random, held_out: bool = False) -> Case: ...


def reserved(text: str) -> bool:
    """Whether a name or a sentence is kept for evaluation; a property of its letters alone."""
    plain = text.lower().strip(" .?!")
    return plain not in BASICS and zlib.crc32(plain.encode()) % RESERVE == 0


def draw(rng: random.Random, options: Sequence[str], held_out: bool = False) -> str:
    """One of `options`: a reserved one for held-out cases where there is one, else never."""
    kept = [o for o in options if reserved(o) is held_out]
    return rng.choice(kept or list(options)) if held_out else rng.choice(kept or list(options[:1]))


def template(rng: random.Random, options: Sequence[T], held_out: bool = False) -> T:
    """One of `options`; with three or more, the last is for held-out cases alone."""
    if len(options) < 3:
        return rng.choice(options)
    return options[-1] if held_out else rng.choice(options[:-1])


def closed(prompt: Sequence[Message], answer: str) -> tuple[Message, ...]:
    """`prompt` with its trained answer."""
    return (*prompt, Message("assistant", answer, trained=True))
