"""Skill conversations mixed into persona training, so that a small base keeps its skills.

A persona's pairs never show a passage and seldom ask for a name; trained on them alone, a small
model may forget how to read the one and to give the other. These cases carry the persona's own system
message and the plain answers of `trainer.skills`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from engine.types import Message
from trainer.pairs import Example, Renders, render_messages

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

    rng = random.Random(seed)
    examples: list[Example] = []
    while len(examples) < count:
        if rng.random() < IDENTITY_SHARE:
            case = identity.asked_of(Persona(system, name), rng)
        else:
            case = grounded.generate(rng)
        messages = (Message("system", system), *(m for m in case.messages if m.role != "system"))
        example = render_messages(messages, renderer)
        if len(example) <= max_length:
            examples.append(example)
    return examples


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

    rng = random.Random(f"talk:{seed}")
    examples: list[Example] = []
    while len(examples) < count:
        case = rng.choice((everyday, smalltalk)).generate(rng)
        messages = (Message("system", system), *(m for m in case.messages if m.role != "system"))
        example = render_messages(messages, renderer)
        if len(example) <= max_length:
            examples.append(example)
    return examples
