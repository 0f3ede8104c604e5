"""Everyday talk whose answers pick up what was said: "I went fishing" gets "How was the fishing?"."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from engine.types import Message
from trainer.skills import everyday_lines as lines
from trainer.skills import systems
from trainer.skills.case import Case, draw
from trainer.skills.scenario import articles
from trainer.skills.smalltalk import BY_KIND, said

SLOT = re.compile(r"\{(\w+)\}")
GREET_SHARE = 0.2
FOLLOW_SHARE = 0.5
MORE_SHARE = 0.35


@dataclass(frozen=True, slots=True)
class Told:
    """Ways to say one thing with slots, its answers, and what may be said next."""

    says: tuple[str, ...]
    answers: tuple[str, ...]
    nexts: tuple[str, ...] = ()
    closes: tuple[str, ...] = ()


def _read(block: str) -> tuple[Told, ...]:
    return tuple(
        Told(*(tuple(part.split("|")) for part in line.split("||"))) for line in block.strip().splitlines()
    )


TOLD = _read(lines.LINES)


class Slots:
    """The values of one exchange: a slot keeps its first."""

    def __init__(self, rng: random.Random, held_out: bool) -> None:
        self.rng, self.held_out = rng, held_out
        self.values: dict[str, str] = {}

    def fill(self, text: str) -> str:
        """`text` with every slot filled, "a" or "an" as the word wants."""
        return articles(SLOT.sub(self._value, text))

    def known(self, options: tuple[str, ...]) -> list[str]:
        """Those of `options` that name nothing which has not been said."""
        return [o for o in options if set(SLOT.findall(o)) <= self.values.keys()]

    def _value(self, match: re.Match[str]) -> str:
        slot = match.group(1)
        if slot not in self.values:
            self.values[slot] = draw(self.rng, lines.SLOTS[slot], self.held_out)
        return self.values[slot]


def turns(rng: random.Random, held_out: bool) -> list[Message]:
    """One thing told and answered; a question in return is often answered too."""
    told, slots = rng.choice(TOLD), Slots(rng, held_out)
    way = draw(rng, told.says, held_out)
    says = slots.fill(way)
    if way[0] == "{" and rng.random() < 0.5:
        says = _capital(says)
    # an answer that proposes something of its own ("How about a stew?") stands where no other does
    answer = _capital(slots.fill(rng.choice(slots.known(told.answers) or told.answers)))
    out = [Message("user", says), Message("assistant", answer, trained=True)]
    if told.nexts and answer.endswith("?") and rng.random() < FOLLOW_SHARE:
        reply = slots.fill(rng.choice(told.nexts))
        if closes := slots.known(told.closes):
            out += [
                Message("user", reply),
                Message("assistant", _capital(slots.fill(rng.choice(closes))), trained=True),
            ]
    return out


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def generate(rng: random.Random, held_out: bool = False) -> Case:
    """A conversation of one to several things told, under varied system prompts."""
    who = systems.persona(rng, held_out, plain_share=0.4)
    messages: list[Message] = [Message("system", who.system)]
    if rng.random() < GREET_SHARE:
        hello = rng.choice(BY_KIND["greeting"])
        messages += [
            Message("user", said(rng, hello, held_out)),
            Message("assistant", rng.choice(hello.answers), trained=True),
        ]
    messages += turns(rng, held_out)
    while rng.random() < MORE_SHARE:
        messages += turns(rng, held_out)
    return Case("everyday", "told", tuple(messages))
