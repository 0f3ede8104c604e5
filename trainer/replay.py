"""Skill conversations mixed into persona training, so that a small base keeps its skills.

A persona's pairs never show a passage and seldom ask for a name; trained on them alone, a small
model may forget how to read the one and to give the other. These cases carry the persona's own system
message and the plain answers of `trainer.skills`, with asides of the persona's where it has some.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.prompt import QUESTION
from engine.types import Message
from trainer.asides import Asides
from trainer.pairs import Example, Renders, render_messages
from trainer.skills.case import Case, closed

IDENTITY_SHARE = 0.3
"""Of the replayed conversations; the others are grounded."""


@dataclass(frozen=True, slots=True)
class Window:
    """How generated conversations become examples."""

    renderer: Renders
    system: str
    """The persona's system message, in place of theirs."""
    max_length: int
    """Tokens; longer conversations are drawn again."""

    def fill(self, draw: Callable[[random.Random], Case], rng: random.Random, count: int) -> list[Example]:
        """`count` examples of what `draw` makes."""
        examples: list[Example] = []
        while len(examples) < count:
            spoken = (m for m in draw(rng).messages if m.role != "system")
            example = render_messages((Message("system", self.system), *spoken), self.renderer)
            if len(example) <= self.max_length:
                examples.append(example)
        return examples


def replay_examples(
    window: Window, name: str, count: int, seed: int, asides: Asides | None = None, share: float = 0.0
) -> Sequence[Example]:
    """Rendered grounded and identity cases under a persona's system message.

    Args:
        name: what the persona calls itself.
        count: how many; 0 gives none.
        asides: what the persona adds to a share of the grounded answers.
    """
    from trainer.skills import grounded, identity
    from trainer.skills.systems import Persona

    def draw(rng: random.Random) -> Case:
        if rng.random() < IDENTITY_SHARE:
            return identity.asked_of(Persona(window.system, name), rng)
        case = grounded.generate(rng)
        return _with_aside(case, asides, rng) if asides and rng.random() < share else case

    return window.fill(draw, random.Random(seed), count)


def talk_examples(window: Window, count: int, seed: int) -> Sequence[Example]:
    """Rendered small talk with plain answers under a persona's system message.

    Beside pairs that all say who one is, it shows what is no question for the name.

    Args:
        count: how many; 0 gives none.
    """
    from trainer.skills import everyday, smalltalk

    def draw(rng: random.Random) -> Case:
        return rng.choice((everyday.generate, smalltalk.generate))(rng)

    return window.fill(draw, random.Random(f"talk:{seed}"), count)


def _with_aside(case: Case, asides: Asides, rng: random.Random) -> Case:
    question = case.prompt[-1].content.rpartition(QUESTION)[2]
    line = asides.draw(question, case.kind == "absent", rng)
    answer = f"{case.answer} {line}".rstrip()
    return Case(case.skill, case.kind, closed(case.prompt, answer), case.expect)
