"""A few other tools with made-up uses: what the system message lists varies, so that it is read."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.tools.format import ToolSpec
from trainer.skills.entities import Entities


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a tool."""

    question: str
    thought: str
    arguments: dict[str, str]
    observation: dict[str, Any]
    answer: str
    expect: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """A tool and how it is used."""

    spec: ToolSpec
    draw: Callable[[random.Random, Entities], Use]


def _spec(name: str, description: str, *arguments: str) -> ToolSpec:
    fields = {a: {"type": "string"} for a in arguments}
    return ToolSpec(name, description, {"type": "object", "properties": fields, "required": list(arguments)})


def _time(rng: random.Random, e: Entities) -> Use:
    town, hour = e.town(), f"{rng.randrange(24):02d}:{rng.randrange(60):02d}"
    asks = (
        "What time is it in {p}?",
        "time in {p}",
        "How late is it in {p} now?",
        "What's the local time in {p}?",
    )
    return Use(
        rng.choice(asks).format(p=town), f"I need the time in {town}.", {"location": town},
        {"location": town, "time": hour}, f"It is {hour} in {town}.", (hour, town),
    )  # fmt: skip


def _money(rng: random.Random, e: Entities) -> Use:
    amount, rate = str(rng.randint(2, 990)), f"{rng.randint(3, 9000) / 7:.2f}"
    one, two = rng.sample(("euros", "dollars", "pounds", "yen", "francs", "rupees", "pesos", "kroner"), 2)
    asks = (
        "How much are {a} {o} in {t}?",
        "Convert {a} {o} to {t}.",
        "{a} {o} in {t}?",
        "What do I get in {t} for {a} {o}?",
    )
    return Use(
        rng.choice(asks).format(a=amount, o=one, t=two), f"I need {amount} {one} in {two}.",
        {"amount": amount, "from": one, "to": two}, {"result": rate, "currency": two},
        f"{amount} {one} are {rate} {two}.", (rate,),
    )  # fmt: skip


def _train(rng: random.Random, e: Entities) -> Use:
    a, b, hour, track = e.town(), e.town(), e.hour(), str(rng.randint(1, 24))
    asks = (
        "When does the next train go from {a} to {b}?",
        "Next train from {a} to {b}?",
        "I need a train from {a} to {b}.",
    )
    return Use(
        rng.choice(asks).format(a=a, b=b), f"I need the next train from {a} to {b}.", {"from": a, "to": b},
        {"departure": hour, "platform": track}, f"The next train from {a} to {b} leaves at {hour} from platform {track}.",
        (hour, track),
    )  # fmt: skip


def _stock(rng: random.Random, e: Entities) -> Use:
    firm, price = e.company(), f"{rng.randint(2, 900)}.{rng.randrange(100):02d}"
    asks = (
        "What is the share price of {c}?",
        "How much is a share of {c}?",
        "{c} stock price",
        "Where does {c} trade now?",
    )
    return Use(
        rng.choice(asks).format(c=firm), f"I need the share price of {firm}.", {"company": firm},
        {"company": firm, "price": price, "currency": "USD"}, f"A share of {firm} costs {price} dollars.", (price, firm),
    )  # fmt: skip


def _call(rng: random.Random, e: Entities) -> Use:
    person, number = e.person().name, f"{rng.randint(100, 999)}-{rng.randint(1000, 9999)}"
    asks = (
        "What is {n}'s phone number?",
        "How can I call {n}?",
        "Give me the number of {n}.",
        "phone number of {n}?",
    )
    return Use(
        rng.choice(asks).format(n=person), f"I need the phone number of {person}.", {"name": person},
        {"name": person, "number": number}, f"The number of {person} is {number}.", (number,),
    )  # fmt: skip


def _price(rng: random.Random, e: Entities) -> Use:
    title, shop, fee = e.title(), e.surname(), e.value("fee")
    asks = ("How much does the book {t} cost?", "What's the price of the book {t}?", "price of {t}?")
    return Use(
        rng.choice(asks).format(t=title), f"I need the price of {title}.", {"title": title},
        {"title": title, "shop": shop, "price": fee}, f"{title} costs {fee} at {shop}.", (fee, shop),
    )  # fmt: skip


OTHERS: tuple[Other, ...] = (
    Other(_spec("get_time", "local time in a place.", "location"), _time),
    Other(_spec("convert_money", "converts money.", "amount", "from", "to"), _money),
    Other(_spec("next_train", "next train between two towns.", "from", "to"), _train),
    Other(_spec("share_price", "price of a company's share.", "company"), _stock),
    Other(_spec("book_price", "price of a book.", "title"), _price),
    Other(_spec("find_number", "phone number of a person.", "name"), _call),
)
"""The last one is for held-out cases alone."""
