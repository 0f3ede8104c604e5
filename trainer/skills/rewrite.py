"""Questions that lean on the conversation, rewritten to stand alone."""

from __future__ import annotations

import random

from engine.prompt import rewrite_messages
from engine.types import Turn
from trainer.skills import smalltalk
from trainer.skills.case import Case, closed, draw, template
from trainer.skills.entities import Entities
from trainer.skills.phrases import PREFIXES
from trainer.skills.rewrite_lines import ANY, BY_NOUN
from trainer.skills.scenes import Item, make, pronounced

OPENERS = (
    "Tell me about {s}.",
    "What do you know about {s}?",
    "What is new about {s}?",
    "Have you heard of {s}?",
)
LEADS = (
    "And {q}",
    "And {q}",
    "Ok, and {q}",
    "Thanks. {Q}",
    "Interesting. {Q}",
    "So {q}",
    "Wow. {Q}",
    "But {q}",
    "{Q}",
    "{Q}",
    "{Q}",
    "{q}",
)
SAME = ("What about {s}?", "And {s}?", "How about {s}?", "and what about {s}", "What about {s} then?")


def generate(rng: random.Random, held_out: bool = False) -> Case:
    """A conversation about a made-up subject and a last question that needs it."""
    e = Entities(rng, held_out)
    roll = rng.random()
    item = make(rng, e, n_facts=3)
    while len(item.facts) < 2:
        item = make(rng, e, n_facts=3)
    if roll < 0.40:
        return _pronoun(rng, item, held_out)
    if roll < 0.62:
        return _gap(rng, item, held_out)
    if roll < 0.80:
        return _other(rng, e, item, held_out)
    if roll < 0.92:
        return _alone(rng, e, item, held_out)
    return _switch(rng, e, item, held_out)


def _pronoun(rng: random.Random, item: Item, held_out: bool) -> Case:
    """The subject is "it", "he" or "she"."""
    full = item.ask(1, rng, held_out)
    return _case(
        "pronoun",
        rng,
        _told(rng, item, held_out),
        _lead(rng, pronounced(item, full)),
        full,
        item.subject.name,
    )


def _gap(rng: random.Random, item: Item, held_out: bool) -> Case:
    """A short question that leaves the subject out: "Was the crew saved?"."""
    lines = BY_NOUN.get(item.scene.noun, ANY)
    line = template(rng, lines if rng.random() < 0.85 else ANY, held_out)
    short, full = (item.subject.fill(part) for part in line.split("|"))
    short = rng.choice((short, short, short[0].upper() + short[1:], f"and {short[0].lower()}{short[1:]}"))
    turns = _told(rng, item, held_out)
    return _case("gap", rng, turns, short, full, item.subject.name)


def _other(rng: random.Random, e: Entities, item: Item, held_out: bool) -> Case:
    """ "What about the other one?": the question before, with another subject."""
    asked = item.ask(0, rng, held_out)
    other = make(rng, e, item.scene, 1)
    while other.subject.name == item.subject.name:
        other = make(rng, e, item.scene, 1)
    turns = [Turn("user", asked), Turn("assistant", item.answer(0, rng))]
    full = asked.replace(item.subject.name, other.subject.name)
    return _case("other", rng, turns, other.subject.fill(rng.choice(SAME)), full, other.subject.name)


def _alone(rng: random.Random, e: Entities, item: Item, held_out: bool) -> Case:
    """A question that stands alone already is copied."""
    other = make(rng, e)
    full = other.ask(0, rng, held_out)
    return _case("alone", rng, _told(rng, item, held_out), full, full, other.subject.name)


def _switch(rng: random.Random, e: Entities, item: Item, held_out: bool) -> Case:
    """Two subjects in turn: the pronoun means the later one."""
    other = make(rng, e, n_facts=3)
    while len(other.facts) < 2:
        other = make(rng, e, n_facts=3)
    turns = [
        t
        for i in (item, other)
        for t in (Turn("user", i.ask(0, rng, held_out)), Turn("assistant", i.answer(0, rng)))
    ]
    full = other.ask(1, rng, held_out)
    return _case("switch", rng, turns, pronounced(other, full), full, other.subject.name)


def _told(rng: random.Random, item: Item, held_out: bool) -> list[Turn]:
    """Turns that name the subject."""
    roll = rng.random()
    if roll < 0.2:
        turns = [Turn("user", item.subject.fill(rng.choice(OPENERS))), Turn("assistant", item.answer(0, rng))]
    else:
        turns = [Turn("user", item.ask(0, rng, held_out)), Turn("assistant", item.answer(0, rng))]
    if roll > 0.75 and len(item.facts) > 2:
        turns += [
            Turn("user", pronounced(item, item.ask(2, rng, held_out))),
            Turn("assistant", item.answer(2, rng)),
        ]
    if rng.random() < 0.2:
        talk = rng.choice(smalltalk.BY_KIND["greeting"] + smalltalk.BY_KIND["wellbeing"])
        turns = [
            Turn("user", draw(rng, talk.says, held_out)),
            Turn("assistant", rng.choice(talk.answers)),
            *turns,
        ]
    return turns


def _lead(rng: random.Random, question: str) -> str:
    low = question[0].lower() + question[1:]
    text = rng.choice(LEADS).format(q=low, Q=question)
    if rng.random() < 0.15:
        text = text.lower().rstrip("?") if text == question else text.rstrip("?")
    return text


def _case(kind: str, rng: random.Random, turns: list[Turn], message: str, full: str, name: str) -> Case:
    if rng.random() < 0.04:
        message = rng.choice(PREFIXES[-1:]).format(q=message)
    return Case("rewrite", kind, closed(rewrite_messages(turns, message), full), (name, full.rstrip("?")))
