"""Small copy tasks: repeating, picking from lists, looking up. They teach copying early."""

from __future__ import annotations

import random
from collections.abc import Callable

from engine.types import Message
from trainer.skills import systems
from trainer.skills import words as w
from trainer.skills.case import Case, closed
from trainer.skills.entities import Entities
from trainer.skills.scenario import articles

ORDINALS = ("first", "second", "third", "fourth", "fifth")
OBJECTS = (
    "ticket",
    "room",
    "seat",
    "locker",
    "table",
    "key",
    "bike",
    "desk",
    "boat",
    "tent",
    "parcel",
    "bus",
)


def repeat(rng: random.Random, e: Entities) -> tuple[str, str]:
    """Say it again."""
    pool: tuple[Callable[[], str], ...] = (
        lambda: e.person().name, e.town, e.company, e.title, lambda: e.value("past"), e.money, e.count,
    )  # fmt: skip
    text = ", ".join(rng.choice(pool)() for _ in range(rng.randint(1, 4)))
    ask = rng.choice(
        ("Repeat: {t}", "Repeat after me: {t}", "Say this again: {t}", "Copy this: {t}", "Echo: {t}")
    )
    return ask.format(t=text), text


def pick(rng: random.Random, e: Entities) -> tuple[str, str]:
    """The n-th of a list."""
    makers: tuple[Callable[[], str], ...] = (lambda: e.person().name, e.town, e.company, e.stem)
    make = rng.choice(makers)
    names = [make() for _ in range(rng.randint(2, 5))]
    i = rng.randrange(len(names))
    which = "last" if i == len(names) - 1 and rng.random() < 0.5 else ORDINALS[i]
    ask = rng.choice(
        (
            "List: {l}. What is the {w} name?",
            "What is the {w} name in this list? {l}",
            "{l}. Which name is {w}?",
        )
    )
    return ask.format(l=", ".join(names), w=which), names[i]


def lookup(rng: random.Random, e: Entities) -> tuple[str, str]:
    """Who has what."""
    people = list(dict.fromkeys(e.person().name for _ in range(rng.randint(2, 5))))
    thing = rng.choice(OBJECTS)
    numbers = rng.sample(range(10, 999), len(people))
    lines = [f"{p} has {thing} {n}." for p, n in zip(people, numbers, strict=True)]
    i = rng.randrange(len(people))
    if rng.random() < 0.5:
        return (
            f"{' '.join(lines)} Which {thing} does {people[i]} have?",
            f"{people[i]} has {thing} {numbers[i]}.",
        )
    return f"{' '.join(lines)} Who has {thing} {numbers[i]}?", f"{people[i]} has {thing} {numbers[i]}."


def colours(rng: random.Random, e: Entities) -> tuple[str, str]:
    """Which colour has the thing of one person."""
    people = list(dict.fromkeys(e.person().name for _ in range(rng.randint(2, 4))))
    thing = rng.choice(OBJECTS)
    tints = rng.sample(w.COLOURS, len(people))
    lines = [f"{p}'s {thing} is {c}." for p, c in zip(people, tints, strict=True)]
    i = rng.randrange(len(people))
    return f"{' '.join(lines)} What colour is {people[i]}'s {thing}?", f"{people[i]}'s {thing} is {tints[i]}."


def mine(rng: random.Random, e: Entities) -> tuple[str, str]:
    """What the user told of himself a moment ago."""
    name, town, job = e.person().name, e.town(), rng.choice(w.JOBS)
    told = f"My name is {name}. I live in {town} and work as a {job}."
    q, a = rng.choice((
        ("What is my name?", f"Your name is {name}."), ("Where do I live?", f"You live in {town}."),
        ("What is my job?", f"You work as a {job}."),
    ))  # fmt: skip
    return articles(f"{told} {q}"), articles(a)


TASKS = (repeat, pick, lookup, colours, mine)


def generate(rng: random.Random, held_out: bool = False) -> Case:
    """One copy task under a short system prompt."""
    task = rng.choice(TASKS)
    question, answer = task(rng, Entities(rng, held_out))
    prompt = [Message("system", systems.plain(rng).system), Message("user", question)]
    return Case("copying", task.__name__, closed(prompt, answer), (answer.rstrip("."),))
