"""Skill conversations mixed into persona training, so that a small base keeps its skills.

A persona's pairs never show a passage and seldom ask for a name; trained on them alone, a small
model may forget how to read the one and to give the other. These cases carry the persona's own system
message and the plain answers of `trainer.skills`, with asides of the persona's where it has some, and a
share of them stands behind other exchanges: who reads well at the start may not do so later on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.prompt import QUESTION
from engine.types import Message
from trainer.asides import Asides
from trainer.pairs import Example, Pair, Renders, render_messages
from trainer.preludes import MOST, is_one_exchange
from trainer.skills.case import Case, closed

IDENTITY_SHARE = 0.25
"""Of the replayed conversations."""
ABOUT_SHARE = 0.2
"""Of the others, that ask the persona for facts of its own life; the rest is about anything."""
TOLD_SHARE = 0.4
"""Of the exchanges before a conversation, that are such questions too, without their passages."""

Draw = Callable[[random.Random], Case]


@dataclass(frozen=True, slots=True)
class Window:
    """How generated conversations become examples."""

    renderer: Renders
    system: str
    """The persona's system message, in place of theirs."""
    max_length: int
    """Tokens; longer conversations are drawn again."""
    pairs: Sequence[Pair] = ()
    """Of the persona, for exchanges before a conversation."""
    preludes: float = 0.0
    """Share of the conversations that have such."""

    def fill(self, draw: Draw, rng: random.Random, count: int, told: Draw | None = None) -> list[Example]:
        """`count` examples of what `draw` makes.

        Args:
            told: questions that may be asked before it, beside `pairs`.
        """
        short = [pair for pair in self.pairs if is_one_exchange(pair)]
        examples: list[Example] = []
        while len(examples) < count:
            spoken = [m for m in draw(rng).messages if m.role != "system"]
            if short and rng.random() < self.preludes:
                spoken = [*_earlier(short, told, rng), *spoken]
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
    from trainer.skills import about, grounded, identity
    from trainer.skills.systems import Persona

    persona = Persona(window.system, name)

    def told(rng: random.Random) -> Case:
        case = about.asked_of(persona, rng) if rng.random() < ABOUT_SHARE else grounded.generate(rng)
        return _with_aside(case, asides, rng) if asides and rng.random() < share else case

    def draw(rng: random.Random) -> Case:
        return identity.asked_of(persona, rng) if rng.random() < IDENTITY_SHARE else told(rng)

    return window.fill(draw, random.Random(seed), count, told)


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


def _earlier(pairs: Sequence[Pair], told: Draw | None, rng: random.Random) -> list[Message]:
    """One to `MOST` exchanges, of which nothing is trained."""
    messages: list[Message] = []
    for _ in range(rng.randint(1, MOST)):
        if told and rng.random() < TOLD_SHARE:
            case = told(rng)
            messages += [Message("user", _question(case)), Message("assistant", case.answer)]
        else:
            pair = rng.choice(pairs)
            messages += [Message("user", pair.instruction[0]), Message("assistant", pair.response)]
    return messages


def _with_aside(case: Case, asides: Asides, rng: random.Random) -> Case:
    line = asides.draw(_question(case), case.kind == "absent", rng)
    answer = f"{case.answer} {line}".rstrip()
    return Case(case.skill, case.kind, closed(case.prompt, answer), case.expect)


def _question(case: Case) -> str:
    """What is asked at last, without its passages."""
    return case.prompt[-1].content.rpartition(QUESTION)[2]
