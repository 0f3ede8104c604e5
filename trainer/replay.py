"""Skill conversations mixed into persona training, so that a small base keeps its skills.

A persona's pairs never show a passage and seldom ask for a name; trained on them alone, a small
model may forget how to read the one and to give the other. These cases carry the persona's own system
message and the plain answers of `trainer.skills`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from engine.types import Message
from trainer.pairs import Example, Renders, render_messages
from trainer.skills.case import Case

IDENTITY_SHARE = 0.3
"""Of the replayed conversations; the others are grounded."""


def replay_examples(
    renderer: Renders, system: str, name: str, count: int, max_length: int, seed: int
) -> Sequence[Example]:
    """Rendered grounded and identity cases under a persona's system message.

    Args:
        name: what the persona calls itself.
        count: how many; 0 gives none.
        max_length: tokens; longer cases are drawn again.
    """
    from trainer.skills import grounded, identity
    from trainer.skills.systems import Persona

    def draw(rng: random.Random) -> Case:
        if rng.random() < IDENTITY_SHARE:
            return identity.asked_of(Persona(system, name), rng)
        return grounded.generate(rng)

    return _rendered(draw, random.Random(seed), renderer, system, count, max_length)


def talk_examples(
    renderer: Renders, system: str, count: int, max_length: int, seed: int
) -> Sequence[Example]:
    """Rendered small talk with plain answers under a persona's system message.

    Beside pairs that all say who one is, it shows what is no question for the name.

    Args:
        count: how many; 0 gives none.
        max_length: tokens; longer cases are drawn again.
    """
    from trainer.skills import everyday, smalltalk

    def draw(rng: random.Random) -> Case:
        return rng.choice((everyday.generate, smalltalk.generate))(rng)

    return _rendered(draw, random.Random(f"talk:{seed}"), renderer, system, count, max_length)


def _rendered(
    draw: Callable[[random.Random], Case],
    rng: random.Random,
    renderer: Renders,
    system: str,
    count: int,
    max_length: int,
) -> Sequence[Example]:
    examples: list[Example] = []
    while len(examples) < count:
        messages = (Message("system", system), *(m for m in draw(rng).messages if m.role != "system"))
        example = render_messages(messages, renderer)
        if len(example) <= max_length:
            examples.append(example)
    return examples
