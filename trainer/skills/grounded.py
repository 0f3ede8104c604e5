"""Questions about made-up news: answers copied from passages, or "I don't know" where they lack them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from engine.prompt import POSSIBLE, reply_messages
from engine.types import Message, Passage, Turn
from trainer.pointers import UNREAD_SHARE, asked_again, read, read_all
from trainer.skills import systems
from trainer.skills import words as w
from trainer.skills.beliefs import BELIEFS, ORDERS
from trainer.skills.case import Case, closed, template
from trainer.skills.entities import Entities
from trainer.skills.phrases import BLANK, CHAT, NOTHING, UNKNOWN, in_few_words, styled, unknown
from trainer.skills.scenario import Scenario, sentence
from trainer.skills.scenes import FEW_WORDS_SHARE, SCENES, Item, make, moment, pronounced, write

NOUN_SHARE = 0.15
"""Of questions that say "the bridge" for the Harlow Bridge, where only one is told of."""


def single(rng: random.Random, held_out: bool) -> Case:
    """One fact of one of one to three items."""
    e = Entities(rng, held_out)
    items = [make(rng, e) for _ in range(rng.choice((1, 1, 2, 2, 3)))]
    return _asked("single", rng, e, items, held_out)


def twins(rng: random.Random, held_out: bool) -> Case:
    """Two items of one kind with the same facts, so that the name decides."""
    e = Entities(rng, held_out)
    first = make(rng, e, n_facts=rng.choice((1, 2, 2)))
    second = like(first, rng, e)
    return _asked("twins", rng, e, [first, second], held_out)


def newest(rng: random.Random, held_out: bool) -> Case:
    """The same fact with two or three values: the newest passage wins."""
    e = Entities(rng, held_out)
    scene = scene_with(rng, ("money", "count", "person", "future", "percent", "town", "hour"))
    kept = tuple(f for f in scene.facts if f.kind not in ("past", "year") and (held_out or not f.held))
    item = make(rng, e, Scenario(scene.noun, scene.names, scene.titles, kept, scene.colour), n_facts=1)
    items, days = [item], sorted(rng.sample(range(0, 900, 5), rng.choice((2, 2, 3))))
    for _ in days[1:]:
        items.append(Item(scene, item.subject, item.facts, (other_value(e, items),)))
    passages = [write(i, rng, moment(e, d), entities=e) for i, d in zip(items, days, strict=True)]
    rng.shuffle(passages)
    last = items[-1]
    told = [value for i in reversed(items) for value in i.values]
    return _case(
        "newest", rng, passages, last.ask(0, rng, held_out), last.reply(0, rng), last.values, held_out, told
    )


def older(rng: random.Random, held_out: bool) -> Case:
    """Two years compared."""
    e = Entities(rng, held_out)
    scene = scene_with(rng, ("year",))
    year = next(f for f in scene.facts if f.kind == "year")
    one = Scenario(scene.noun, scene.names, scene.titles, (year,), scene.colour)
    a = make(rng, e, one, 1)
    b = like(a, rng, e)
    old, new = sorted((a, b), key=lambda i: int(i.values[0]))
    question = rng.choice(
        (
            f"Which is older, {a.subject.name} or {b.subject.name}?",
            f"Is {a.subject.name} older than {b.subject.name}?",
        )
    )
    answer = f"{old.subject.start} is older: it dates from {old.values[0]}, {new.subject.name} only from {new.values[0]}."
    passages = [write(i, rng, moment(e, -rng.randrange(60)), entities=e) for i in (a, b)]
    years = (*a.values, *b.values)
    return _case(
        "older", rng, passages, question, answer, (f"{old.subject.start} is older",), held_out, years
    )


def both(rng: random.Random, held_out: bool) -> Case:
    """Two facts of one item in one question."""
    e = Entities(rng, held_out)
    item = make(rng, e, n_facts=rng.choice((2, 3)))
    if len(item.facts) < 2:
        return single(rng, held_out)
    question = f"{item.ask(0, rng, held_out)} {item.ask(1, rng, held_out)}"
    answer = f"{item.answer(0, rng)} {item.answer(1, rng)}"
    return _case(
        "both", rng, [write(item, rng, moment(e), entities=e)], question, answer, item.values[:2], held_out
    )


def summary(rng: random.Random, held_out: bool) -> Case:
    """What is the news about one subject: the first sentences of its passage."""
    e = Entities(rng, held_out)
    items = [make(rng, e) for _ in range(rng.choice((1, 2)))]
    chosen, passages = items[0], [write(i, rng, moment(e, -rng.randrange(40)), entities=e) for i in items]
    told = [s for s in passages[0].text.replace("? ", ". ").split(". ") if s][:2]
    answer = ". ".join(told).rstrip(".") + "."
    asks = (
        "What is new about {s}?", "What do you know about {s}?", "Tell me about {s}.", "Any news about {s}?",
        "What happened with {s}?", "What can you tell me about {s}?",
    )  # fmt: skip
    question = chosen.subject.fill(template(rng, asks, held_out))
    rng.shuffle(passages)
    return _case("summary", rng, passages, question, answer, (told[0].rstrip("."),), held_out)


def absent_fact(rng: random.Random, held_out: bool) -> Case:
    """The subject is there, the fact is not."""
    e = Entities(rng, held_out)
    item = make(rng, e, n_facts=3)
    while len(item.facts) < 2:
        item = make(rng, e, n_facts=3)
    told = Item(item.scene, item.subject, item.facts[1:], item.values[1:])
    others = [make(rng, e) for _ in range(rng.choice((0, 0, 1)))]
    passages = [write(i, rng, moment(e, -rng.randrange(40)), entities=e) for i in (told, *others)]
    rng.shuffle(passages)
    answer = unknown(rng, UNKNOWN + UNKNOWN[:1], item.subject.fill(item.facts[0].clause), item.subject.name)
    return _case("absent", rng, passages, item.ask(0, rng, held_out), answer, ("know",), held_out)


def absent_subject(rng: random.Random, held_out: bool) -> Case:
    """The subject is not there, though another of its kind may be."""
    e = Entities(rng, held_out)
    item = make(rng, e, n_facts=1)
    shown = [like(item, rng, e) if rng.random() < 0.5 else make(rng, e) for _ in range(rng.choice((1, 1, 2)))]
    passages = [write(i, rng, moment(e, -rng.randrange(40)), entities=e) for i in shown]
    forms = UNKNOWN + NOTHING + NOTHING + NOTHING[:1]
    answer = unknown(rng, forms, item.subject.fill(item.facts[0].clause), item.subject.name)
    return _case("absent", rng, passages, item.ask(0, rng, held_out), answer, ("know",), held_out)


def belief(rng: random.Random, held_out: bool) -> Case:
    """A passage against common knowledge."""
    e = Entities(rng, held_out)
    question, answer, told, kind = template(rng, BELIEFS, held_out)
    value = e.value(kind)
    passages = [
        Passage(
            sentence(told.replace("{v}", value)),
            rng.choice(("News", "Today", "Report", "Science", "World")),
            published_at=moment(e),
        )
    ]
    if rng.random() < 0.5:
        passages.append(write(make(rng, e), rng, moment(e), entities=e))
    rng.shuffle(passages)
    whole = answer.replace("{v}", value)
    reply = in_few_words(value) if rng.random() < FEW_WORDS_SHARE else whole
    return _case("belief", rng, passages, question, reply, (value,), held_out)


def series(rng: random.Random, held_out: bool) -> Case:
    """Several questions about the same passages, one after another."""
    e = Entities(rng, held_out)
    items = [make(rng, e, n_facts=rng.choice((2, 3, 4)))]
    if rng.random() < 0.6:
        items.append(like(items[0], rng, e) if rng.random() < 0.5 else make(rng, e, n_facts=3))
    passages = [write(i, rng, moment(e, -rng.randrange(40)), entities=e) for i in items]
    rng.shuffle(passages)
    asked = [(item, n) for item in items for n in range(len(item.facts))]
    rng.shuffle(asked)
    first, n = asked[0]
    case = _case(
        "series", rng, passages, first.ask(n, rng, held_out), first.reply(n, rng), (), held_out,
        first.values[n : n + 1],
    )  # fmt: skip
    again = POSSIBLE in case.prompt[-1].content
    messages, last = list(case.messages), (first, n)
    for item, n in asked[1 : rng.choice((2, 3, 4))]:
        question = item.ask(n, rng, held_out)
        if item is last[0] and rng.random() < 0.5:
            question = pronounced(item, question)
        turn = (
            asked_again(passages, item.values[n : n + 1], question, rng)
            if again
            else Message("user", question)
        )
        messages += closed([turn], item.reply(n, rng))
        last = (item, n)
    return Case("grounded", "series", tuple(messages), (last[0].values[last[1]],))


def ungrounded(rng: random.Random, held_out: bool) -> Case:
    """A question for facts with no passages at all."""
    e = Entities(rng, held_out)
    item = make(rng, e, n_facts=1)
    who = systems.persona(rng, held_out, plain_share=0.4)
    clause = item.subject.fill(item.facts[0].clause)
    answer = rng.choice(BLANK).format(clause=clause, s=item.subject.name)
    messages = reply_messages(who.system, (), styled(rng, item.ask(0, rng, held_out), who.name))
    return Case("grounded", "absent", closed(messages, answer), ("know",))


def injection(rng: random.Random, held_out: bool) -> Case:
    """A passage that gives orders: it is data."""
    e = Entities(rng, held_out)
    item = make(rng, e)
    passages = [write(item, rng, moment(e), extra=template(rng, ORDERS, held_out), entities=e)]
    i = rng.randrange(len(item.facts))
    return _case(
        "injection",
        rng,
        passages,
        item.ask(i, rng, held_out),
        item.reply(i, rng),
        item.values[i : i + 1],
        held_out,
    )


KINDS: tuple[tuple[Callable[[random.Random, bool], Case], int], ...] = (
    (single, 34), (twins, 16), (series, 12), (newest, 8), (older, 6), (both, 10), (summary, 7), (absent_fact, 22),
    (absent_subject, 10), (ungrounded, 4), (belief, 8), (injection, 3),
)  # fmt: skip


def generate(rng: random.Random, held_out: bool = False) -> Case:
    """A grounded case of any kind."""
    make_case = rng.choices([k for k, _ in KINDS], [n for _, n in KINDS])[0]
    return make_case(rng, held_out)


# --- parts -----------------------------------------------------------------------------------


def _asked(kind: str, rng: random.Random, e: Entities, items: list[Item], held_out: bool) -> Case:
    item = items[0]
    held = [i for i, f in enumerate(item.facts) if f.held]
    i = held[0] if held else rng.randrange(len(item.facts))
    passages = [write(x, rng, moment(e, -rng.randrange(40)), entities=e) for x in items]
    rng.shuffle(passages)
    question = item.ask(i, rng, held_out)
    if rng.random() < NOUN_SHARE and all(x.scene is not item.scene for x in items[1:]):
        question = question.replace(item.subject.name, f"the {item.scene.noun}")
    return _case(kind, rng, passages, question, item.reply(i, rng), item.values[i : i + 1], held_out)


def _case(
    kind: str,
    rng: random.Random,
    passages: Sequence[Passage],
    question: str,
    answer: str,
    expect: Sequence[str],
    held_out: bool,
    told: Sequence[str] | None = None,
) -> Case:
    """The conversation as the engine would build it; `told` are the values that a reader might find."""
    who = systems.persona(rng, held_out, plain_share=0.45)
    if rng.random() < 0.2:
        shown = [Passage(p.text, p.title) for p in passages] if kind != "newest" else passages
    else:
        shown = list(passages)
    if rng.random() > UNREAD_SHARE:
        shown = _as_read(kind, shown, expect if told is None else told, rng)
    said, heard = rng.choice(CHAT)
    turns = [Turn("user", said, user_name="Sam"), Turn("assistant", heard)] if rng.random() < 0.12 else []
    group = rng.random() < 0.08
    messages = reply_messages(
        who.system,
        turns,
        styled(rng, question, who.name),
        shown,
        user_name=rng.choice(w.WOMEN + w.MEN),
        named=group,
    )
    wanted = tuple(expect[-1:]) if kind == "newest" else tuple(expect)
    return Case("grounded", kind, closed(messages, answer), wanted)


def _as_read(
    kind: str, passages: Sequence[Passage], values: Sequence[str], rng: random.Random
) -> list[Passage]:
    """What a reader makes of a kind of question: two years are compared by the model alone."""
    if kind == "both":
        return read_all(passages, values, rng)
    nothing = kind in ("absent", "summary") or (kind == "older" and rng.random() < 0.5)
    return read(passages, () if nothing else values, rng)


def like(item: Item, rng: random.Random, e: Entities) -> Item:
    """Another subject of the same kind with other values for the same facts."""
    other = make(rng, e, item.scene, 1)
    while other.subject.name == item.subject.name:
        other = make(rng, e, item.scene, 1)
    values = []
    for one, taken in zip(item.facts, item.values, strict=True):
        value = e.value(one.kind)
        while value == taken:
            value = e.value(one.kind)
        values.append(value)
    return Item(item.scene, other.subject, item.facts, tuple(values))


def other_value(e: Entities, items: Sequence[Item]) -> str:
    """A value that none of `items` has."""
    value = e.value(items[0].facts[0].kind)
    while any(value in i.values for i in items):
        value = e.value(items[0].facts[0].kind)
    return value


def scene_with(rng: random.Random, kinds: Sequence[str]) -> Scenario:
    """A scenario with an open fact of one of these kinds."""
    return rng.choice([s for s in SCENES if any(f.kind in kinds and not f.held for f in s.facts)])
