"""One made-up conversation with what its answer has to hold."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from engine.types import Message

T = TypeVar("T")
RESERVE = 12  # one name or sentence in this many is kept for evaluation


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
    """Whether a name or a sentence is kept for evaluation; a property of the text alone."""
    return zlib.crc32(text.lower().encode()) % RESERVE == 0


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
