"""Small talk of one to several turns under varied system prompts."""

from __future__ import annotations

import random
from dataclasses import dataclass

from engine.types import Message
from trainer.skills import smalltalk_lines as lines
from trainer.skills import smalltalk_more as more
from trainer.skills import systems
from trainer.skills.case import Case, draw


@dataclass(frozen=True, slots=True)
class Exchange:
    """Ways to say one thing, and the answers that fit every one of them."""

    kind: str
    says: tuple[str, ...]
    answers: tuple[str, ...]


def _read(kind: str, block: str) -> list[Exchange]:
    out = []
    for line in block.strip().splitlines():
        says, answers = line.split("||")
        out.append(Exchange(kind, tuple(says.split("|")), tuple(answers.split("|"))))
    return out


EXCHANGES: tuple[Exchange, ...] = tuple(
    x for kind, block in (*lines.ALL.items(), *more.ALL.items()) for x in _read(kind.split("_")[0], block)
)
BY_KIND: dict[str, tuple[Exchange, ...]] = {k: tuple(x for x in EXCHANGES if x.kind == k) for k in lines.ALL}
SAID: tuple[str, ...] = tuple(s for x in EXCHANGES for s in x.says)
"""Everything that people say in small talk: none of it needs a search."""
PLANS = (
    ("topic",), ("topic",), ("topic",), ("greeting",), ("wellbeing",), ("courtesy",), ("goodbye",), ("joke",),
    ("greeting", "wellbeing"), ("greeting", "topic"), ("greeting", "wellbeing", "topic"), ("topic", "courtesy"),
    ("joke", "courtesy"), ("topic", "topic"), ("greeting", "joke", "courtesy", "goodbye"), ("topic", "goodbye"),
    ("wellbeing", "topic", "goodbye"), ("greeting", "topic", "topic", "courtesy", "goodbye"),
)  # fmt: skip


def said(rng: random.Random, exchange: Exchange, held_out: bool) -> str:
    """One way to say it, sometimes as people type."""
    text = draw(rng, exchange.says, held_out)
    if not held_out and rng.random() < 0.15:
        text = rng.choice(
            (text.lower(), text.rstrip(".!?"), text + "!", text.lower().rstrip(".?!"), text + " :)")
        )
    return text


def generate(rng: random.Random, held_out: bool = False) -> Case:
    """A chat of one to five exchanges."""
    who = systems.persona(rng, held_out, plain_share=0.4)
    plan = rng.choice(PLANS)
    messages: list[Message] = [Message("system", who.system)]
    used: set[str] = set()
    for kind in plan:
        exchange = rng.choice(BY_KIND[kind])
        answer = rng.choice([a for a in exchange.answers if a not in used] or list(exchange.answers))
        used.add(answer)
        messages += [
            Message("user", said(rng, exchange, held_out)),
            Message("assistant", answer, trained=True),
        ]
    return Case("smalltalk", plan[-1], tuple(messages))
