"""RETRIEVE or NO_RETRIEVE: messages of both classes, with and without a conversation before them."""

from __future__ import annotations

import random
import re

from engine.prompt import NO_RETRIEVE, RETRIEVE, analyzer_messages
from engine.types import Turn
from trainer.skills import identity, smalltalk
from trainer.skills import words as w
from trainer.skills.analyzer_lines import FACTS, TALK, THINGS, TOUCHES
from trainer.skills.case import Case, closed, draw
from trainer.skills.entities import Entities
from trainer.skills.scenes import make, pronounced

_SLOT = re.compile(r"\{(\w+?)2?\}")
LABELLED = {True: RETRIEVE, False: NO_RETRIEVE}


def generate(rng: random.Random, held_out: bool = False) -> Case:
    """A message, its conversation, and the label."""
    e = Entities(rng, held_out)
    retrieve = rng.random() < 0.5
    message, turns = (_needs if retrieve else _talk)(rng, e, held_out)
    if not turns and rng.random() < 0.35:
        turns = _chat(rng, held_out) if rng.random() < 0.5 else _facts(rng, e, held_out)
    answer = LABELLED[retrieve]
    return Case("analyzer", answer, closed(analyzer_messages(turns, message), answer), (answer,))


def _needs(rng: random.Random, e: Entities, held_out: bool) -> tuple[str, list[Turn]]:
    """A message that asks for facts."""
    roll = rng.random()
    if roll < 0.5:
        return _typed(rng, _filled(rng, e, draw(rng, FACTS, held_out)), held_out), []
    item = make(rng, e, n_facts=2)
    i = len(item.facts) - 1
    question = item.ask(i, rng, held_out)
    if roll < 0.78:
        return _typed(rng, question, held_out), []
    turns = [Turn("user", item.ask(0, rng, held_out)), Turn("assistant", item.answer(0, rng))]
    return _typed(rng, pronounced(item, question), held_out), turns


def _talk(rng: random.Random, e: Entities, held_out: bool) -> tuple[str, list[Turn]]:
    """A message that needs no facts."""
    roll = rng.random()
    if roll < 0.45:
        return _typed(rng, draw(rng, smalltalk.SAID, held_out), held_out, 0.2), []
    if roll < 0.55:
        text = draw(rng, identity.WHO + identity.AI, held_out).format(name=e.person().name)
        return _typed(rng, text, held_out, 0.2), []
    return _typed(rng, _filled(rng, e, draw(rng, TALK, held_out)), held_out, 0.3), []


def _chat(rng: random.Random, held_out: bool) -> list[Turn]:
    """Small talk before the message."""
    turns = []
    for _ in range(rng.choice((1, 1, 2))):
        x = rng.choice(smalltalk.EXCHANGES)
        turns += [Turn("user", draw(rng, x.says, held_out)), Turn("assistant", rng.choice(x.answers))]
    return turns


def _facts(rng: random.Random, e: Entities, held_out: bool) -> list[Turn]:
    """Questions and answers before the message."""
    item = make(rng, e, n_facts=2)
    return [
        t for i in range(rng.randint(1, len(item.facts)))
        for t in (Turn("user", item.ask(i, rng, held_out)), Turn("assistant", item.answer(i, rng)))
    ]  # fmt: skip


def _filled(rng: random.Random, e: Entities, text: str) -> str:
    """The slots of a message filled."""

    def value(match: re.Match[str]) -> str:
        kind = match[1]
        if kind == "thing":
            return rng.choice(THINGS)
        if kind == "first":
            return rng.choice(w.WOMEN + w.MEN)
        if kind == "stem":
            return e.stem()
        return e.value(kind)

    out = _SLOT.sub(value, text)
    return out[0].upper() + out[1:] if text[0] == "{" and rng.random() < 0.6 else out


def _typed(rng: random.Random, text: str, held_out: bool, touched: float = 0.4) -> str:
    """A message as people type it; both classes get the same touches."""
    if rng.random() > touched:
        return text
    low = text[0].lower() + text[1:]
    bare = low.rstrip("?.!") or low
    return rng.choice(TOUCHES).format(m=text, l=low, b=bare)
