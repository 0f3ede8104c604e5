"""Many questions about the same made-up news, and news that takes back what it said before.

One set of passages is read once and asked about many times, so that most of what a model learns
from is answers: which subject, which of its facts, and whether it is told at all.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.prompt import reply_messages
from engine.types import Message, Passage
from trainer.pointers import UNREAD_SHARE, asked_again, read
from trainer.skills import systems
from trainer.skills.case import Case, closed
from trainer.skills.entities import Entities
from trainer.skills.grounded import like, other_value, scene_with
from trainer.skills.phrases import NOTHING, UNKNOWN, styled, unknown
from trainer.skills.scenario import Scenario, sentence
from trainer.skills.scenes import Item, make, moment, write

MOST_QUESTIONS = 8
ABSENT = "know"  # of "I don't know"
BEFORE_NOW = {
    "future": (
        "It had been planned for {o}.", "The first date was {o}.", "At first {o} had been announced.",
        "Until last week the date was {o}.", "The plan had been {o}.", "It is not {o}, as was said before.",
        "{o} had been named earlier.", "The old date, {o}, no longer holds.",
    ),
    "person": ("Before that it was {o}.", "Earlier reports had named {o}.", "At first {o} had been named.", "It is not {o}, as was said before."),
    "money": ("At first the talk was of {o}.", "The first estimate was {o}.", "Earlier it had been {o}.", "It is not {o}, as was said before."),
    "count": ("Earlier reports had spoken of {o}.", "At first it had been {o}.", "The first count was {o}."),
    "percent": ("Earlier reports had spoken of {o} percent.", "At first it had been {o} percent."),
    "town": ("At first {o} had been named.", "It is not {o}, as was said before.", "Earlier it had been {o}."),
    "hour": ("Before it was {o}.", "Until last month it was {o}."),
}  # fmt: skip
"""How a passage names the value that no longer holds, by kind of value."""


@dataclass(frozen=True, slots=True)
class Exam:
    """Passages and what is asked of them."""

    kind: str
    passages: Sequence[Passage]
    asked: Sequence[tuple[str, str, str]]
    """Question, answer, and the value that answers, or `ABSENT`."""
    before: Mapping[str, str] = field(default_factory=dict)
    """What held before a value, where passages tell that too."""

    def told(self, value: str) -> tuple[str, ...]:
        """What passages may hold that answers the question after `value`, now or before."""
        return () if value == ABSENT else (value, *filter(None, (self.before.get(value),)))


def exam(rng: random.Random, held_out: bool = False) -> Exam:
    """One to three items, most often of one kind, and questions about all of them in any order."""
    e = Entities(rng, held_out)
    first = make(rng, e, n_facts=rng.choice((2, 3, 3, 4)))
    items = [first]
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        items.append(like(first, rng, e) if rng.random() < 0.7 else make(rng, e, n_facts=rng.choice((2, 3))))
    told = [_withheld(item) if rng.random() < 0.6 else item for item in items]
    passages = [_passage(item, rng, e) for item in told]
    rng.shuffle(passages)
    asked = [
        _question(item, n, n < len(kept.facts), rng, held_out)
        for item, kept in zip(items, told, strict=True)
        for n in range(len(item.facts))
    ]
    if rng.random() < 0.5:
        stranger = like(first, rng, e)
        asked.append(_question(stranger, rng.randrange(len(stranger.facts)), False, rng, held_out, NOTHING))
    rng.shuffle(asked)
    return Exam("exam", passages, asked[:MOST_QUESTIONS])


def roll(rng: random.Random, held_out: bool = False) -> Exam:
    """Two to five subjects of one kind in one to three passages, all asked the same: only names differ."""
    e = Entities(rng, held_out)
    items = [make(rng, e, n_facts=rng.choice((1, 1, 2)))]
    wanted = rng.choice((2, 3, 4, 5))
    while len(items) < wanted:
        other = like(items[0], rng, e)
        if all(other.subject.name != i.subject.name for i in items):
            items.append(other)
    n_passages = rng.randint(1, min(3, len(items)))
    passages = [_together(items[n::n_passages], rng, e) for n in range(n_passages)]
    asked = [_question(i, n, True, rng, held_out) for i in items for n in range(len(i.facts))]
    if rng.random() < 0.3:
        asked.append(_question(like(items[0], rng, e), 0, False, rng, held_out, NOTHING))
    rng.shuffle(asked)
    return Exam("exam", passages, asked[:MOST_QUESTIONS])


def moved(rng: random.Random, held_out: bool = False) -> Exam:
    """A passage that names an older value beside the one that holds now."""
    e = Entities(rng, held_out)
    item = _changeable(rng, e, held_out)
    old = other_value(e, [item])
    now = item.subject.fill(rng.choice(item.facts[0].says), item.values[0])
    before = _before(item, old, rng)
    parts = [now, before] if rng.random() < 0.65 else [before, now]
    title = item.subject.fill(rng.choice(item.scene.titles))
    passages = [Passage(" ".join(parts), title[0].upper() + title[1:], published_at=moment(e))]
    if rng.random() < 0.35:
        stale = Item(item.scene, item.subject, item.facts, (old,))
        passages.append(write(stale, rng, moment(e, -rng.randrange(5, 400)), entities=e))
    elif rng.random() < 0.4:
        passages.append(write(like(item, rng, e), rng, moment(e, -rng.randrange(40)), entities=e))
    rng.shuffle(passages)
    asked = [(item.ask(0, rng, held_out), item.reply(0, rng), item.values[0])]
    return Exam("moved", passages, asked, {item.values[0]: old})


def _before(item: Item, old: str, rng: random.Random) -> str:
    """A sentence that names the value that no longer holds: the fact's own in the past, or a plain one."""
    own = [form for say in item.facts[0].says if (form := _in_past(say)) != say]
    if own and rng.random() < 0.5:
        return item.subject.fill(rng.choice(own), old, pronoun=rng.random() < 0.6)
    return sentence(rng.choice(BEFORE_NOW[item.facts[0].kind]).format(o=old))


def _in_past(say: str) -> str:
    """A plan as one of the past: "will open" is "was to open"."""
    for now, then in ((" will ", " was to "), (" is due to ", " was to "), (" is planned ", " was planned ")):
        if now in say:
            return say.replace(now, then, 1)
    return say


def history(rng: random.Random, held_out: bool = False) -> Exam:
    """Two dated passages that differ on one fact, of one subject or of two."""
    e = Entities(rng, held_out)
    passages: list[Passage] = []
    items: list[Item] = []
    before: dict[str, str] = {}
    for _ in range(rng.choice((1, 1, 2))):
        item = _changeable(rng, e, held_out)
        days = sorted(rng.sample(range(0, 900, 3), 2))
        old = Item(item.scene, item.subject, item.facts, (other_value(e, [item]),))
        passages += [write(i, rng, moment(e, d), entities=e) for i, d in zip((old, item), days, strict=True)]
        items.append(item)
        before[item.values[0]] = old.values[0]
    rng.shuffle(passages)
    asked = [(i.ask(0, rng, held_out), i.reply(0, rng), i.values[0]) for i in items]
    return Exam("history", passages, asked, before)


KINDS = ((exam, 45), (roll, 35), (moved, 10), (history, 10))


def drawn(rng: random.Random, held_out: bool = False) -> Exam:
    """Passages and questions of any kind of this module."""
    return rng.choices([k for k, _ in KINDS], [n for _, n in KINDS])[0](rng, held_out)


def generate(rng: random.Random, held_out: bool = False) -> Case:
    """The same as a conversation."""
    return conversation(drawn(rng, held_out), rng, held_out)


def _changeable(rng: random.Random, e: Entities, held_out: bool) -> Item:
    """An item of one fact whose value can change."""
    scene = scene_with(rng, tuple(BEFORE_NOW))
    facts = tuple(f for f in scene.facts if f.kind in BEFORE_NOW and (held_out or not f.held))
    return make(rng, e, Scenario(scene.noun, scene.names, scene.titles, facts, scene.colour), 1)


def _withheld(item: Item) -> Item:
    """The item without its last fact, which is then not to be found."""
    if len(item.facts) < 2:
        return item
    return Item(item.scene, item.subject, item.facts[:-1], item.values[:-1])


def _passage(item: Item, rng: random.Random, e: Entities) -> Passage:
    return write(item, rng, moment(e, -rng.randrange(60)), entities=e)


def _together(items: Sequence[Item], rng: random.Random, e: Entities) -> Passage:
    """Several items in one passage, titled by the first."""
    told = [_passage(item, rng, e) for item in items]
    return Passage(" ".join(p.text for p in told), told[0].title, published_at=told[0].published_at)


def _question(
    item: Item,
    n: int,
    told: bool,
    rng: random.Random,
    held_out: bool,
    forms: Sequence[str] = UNKNOWN,
) -> tuple[str, str, str]:
    """Question, answer and what the answer must hold."""
    if told:
        return item.ask(n, rng, held_out), item.reply(n, rng), item.values[n]
    clause = item.subject.fill(item.facts[n].clause)
    answer = unknown(rng, forms, clause, item.subject.name)
    return item.ask(n, rng, held_out), answer, ABSENT


def conversation(exam: Exam, rng: random.Random, held_out: bool = False) -> Case:
    """The first question as the engine would put it, the others as turns behind it."""
    who = systems.persona(rng, held_out, plain_share=0.5)
    passages = exam.passages
    if rng.random() < 0.15 and exam.kind == "exam":
        passages = [Passage(p.text, p.title) for p in passages]
    reading = rng.random() > UNREAD_SHARE
    question, answer, expect = exam.asked[0]
    shown = read(passages, exam.told(expect), rng) if reading else passages
    messages = list(closed(reply_messages(who.system, (), styled(rng, question, who.name), shown), answer))
    for question, answer, expect in exam.asked[1:]:
        told = exam.told(expect)
        turn = asked_again(passages, told, question, rng) if reading else Message("user", question)
        messages += closed([turn], answer)
    return Case("grounded", exam.kind if expect != ABSENT else "absent", tuple(messages), (expect,))
