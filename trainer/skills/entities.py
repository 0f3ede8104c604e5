"""Random names, numbers and dates. Held-out names never occur in training data and the other way round."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from trainer.skills import words as w
from trainer.skills.case import reserved


@dataclass(frozen=True, slots=True)
class Person:
    """A made-up person."""

    name: str
    pronoun: str
    """he or she."""

    @property
    def last(self) -> str:
        return self.name.split()[-1]


class Entities:
    """Draws entities from one random stream.

    Args:
        rng: the stream.
        held_out: draw only names that are kept for evaluation (True) or only the others (False).
        today: dates are drawn around this day.
    """

    def __init__(self, rng: random.Random, held_out: bool = False, today: date | None = None) -> None:
        self.rng = rng
        self.held_out = held_out
        self.today = today or date(2022, 1, 1) + timedelta(days=rng.randrange(2000))
        self.date_style = rng.randrange(4)

    # --- names ---------------------------------------------------------------------------

    def stem(self) -> str:
        """A place-like word such as Harlow or Marinford."""
        return self._kept(self._stem)

    def surname(self) -> str:
        """A family name: an ordinary one or a place-like word."""
        if self.rng.random() < 0.55:
            return self._kept(lambda: self.rng.choice(w.SURNAMES))
        return self.stem()

    def person(self) -> Person:
        """A first and a family name with the pronoun that fits."""
        woman = self.rng.random() < 0.5
        first = self.rng.choice(w.WOMEN if woman else w.MEN)
        return Person(f"{first} {self.surname()}", "she" if woman else "he")

    def town(self) -> str:
        """A town."""
        stem, roll = self.stem(), self.rng.random()
        if roll < 0.7:
            return stem
        return self.rng.choice(("Port {}", "New {}", "{} Bay", "East {}", "{} Springs", "Upper {}")).format(
            stem
        )

    def company(self) -> str:
        """A firm."""
        tail = self.rng.choice(w.FIRM_TAILS)
        return f"{self.surname() if self.rng.random() < 0.4 else self.stem()} {tail}"

    def title(self) -> str:
        """A title of a work or a ship: two or three ordinary words."""
        return self._kept(self._title)

    # --- values --------------------------------------------------------------------------

    def day(self, low: int, high: int) -> str:
        """A date `low` to `high` days from today, in this stream's style."""
        d = self.today + timedelta(days=self.rng.randint(low, high))
        month = w.MONTHS[d.month - 1]
        return (
            f"{d.day} {month} {d.year}",
            f"{month} {d.day}, {d.year}",
            f"{d.day} {month}",
            f"{w.WEEKDAYS[d.weekday()]}, {d.day} {month}",
        )[self.date_style]

    def count(self) -> str:
        """A number of people or things."""
        r = self.rng
        roll = r.random()
        if roll < 0.15:
            return r.choice(w.NUMBER_WORDS)
        if roll < 0.45:
            return str(r.randint(13, 99))
        if roll < 0.7:
            return str(r.randint(100, 999))
        if roll < 0.9:
            return f"{r.randint(1, 99)},{r.choice((0, r.randrange(1000))):03d}"
        return f"{r.randint(1, 9)}.{r.randint(1, 9)} million"

    def money(self) -> str:
        """An amount of money."""
        r = self.rng
        amount = r.choice(
            (
                f"{r.randint(1, 9)},{r.randint(1, 9)}00",
                f"{r.randint(1, 990)},{r.choice((0, 500, 250)):03d}",
                f"{r.randint(1, 900)} million",
                f"{r.randint(1, 9)}.{r.randint(1, 9)} million",
                f"{r.randint(1, 9)}.{r.randint(1, 9)} billion",
            )
        )
        return r.choice((f"${amount}", f"£{amount}", f"{amount} euros", f"${amount}", f"{amount} dollars"))

    def measure(self, units: str) -> str:
        """A number with one of the units named in `units`."""
        r = self.rng
        number = r.choice(
            (str(r.randint(2, 90)), str(r.randint(100, 999)), f"{r.randint(1, 30)}.{r.randint(1, 9)}")
        )
        return f"{number} {r.choice(units.split('/'))}"

    def hour(self) -> str:
        """A time of day."""
        r = self.rng
        return r.choice(
            (
                f"{r.randint(1, 12)} {r.choice(('am', 'pm'))}",
                f"{r.randint(1, 12)}:{r.choice(('15', '30', '45'))} {r.choice(('am', 'pm'))}",
                f"{r.randint(6, 23)}:{r.choice(('00', '15', '30', '45'))}",
            )
        )

    def value(self, kind: str) -> str:
        """A value of a named kind; see `KINDS`."""
        if kind.startswith("measure:"):
            return self.measure(kind.split(":", 1)[1])
        return KINDS[kind](self)

    # --- inside --------------------------------------------------------------------------

    def _kept(self, make: Callable[[], str]) -> str:
        while True:
            name = make()
            if reserved(name) is self.held_out:
                return name

    def _stem(self) -> str:
        r = self.rng
        middle = r.choice(w.MIDDLES) if r.random() < 0.4 else ""
        return r.choice(w.HEADS) + middle + r.choice(w.TAILS)

    def _title(self) -> str:
        r = self.rng
        a, n, m = r.choice(w.ADJECTIVES), r.choice(w.NOUNS), r.choice(w.NOUNS)
        return r.choice((f"The {a} {n}", f"{a} {n}", f"The {n} and the {m}", f"{n} of {m}s"))


def _fee(rng: random.Random) -> str:
    """A price that one person pays."""
    amount = rng.choice((str(rng.randint(2, 95)), str(rng.randint(10, 99) * 10), f"{rng.randint(2, 60)}.50"))
    return rng.choice((f"${amount}", f"£{amount}", f"{amount} euros", f"{amount} dollars"))


KINDS: dict[str, Callable[[Entities], str]] = {
    "past": lambda e: e.day(-25, 0),
    "future": lambda e: e.day(5, 240),
    "year": lambda e: str(e.rng.randint(1780, 2021)),
    "coming_year": lambda e: str(e.today.year + e.rng.randint(1, 9)),
    "count": Entities.count,
    "money": Entities.money,
    "hour": Entities.hour,
    "fee": lambda e: _fee(e.rng),
    "person": lambda e: e.person().name,
    "town": Entities.town,
    "company": Entities.company,
    "title": Entities.title,
    "percent": lambda e: f"{e.rng.randint(2, 96)} {e.rng.choice(('percent', 'per cent'))}",
    "age": lambda e: str(e.rng.randint(19, 94)),
    "score": lambda e: f"{e.rng.randint(1, 6)}-{e.rng.randint(0, 1)}",
    "country": lambda e: e.rng.choice(w.COUNTRIES),
    "colour": lambda e: e.rng.choice(w.COLOURS),
    "material": lambda e: e.rng.choice(w.MATERIALS),
    "cause": lambda e: e.rng.choice(w.CAUSES),
    "animal": lambda e: e.rng.choice(w.ANIMALS),
    "food": lambda e: e.rng.choice(w.FOODS),
    "job": lambda e: e.rng.choice(w.JOBS),
    "sport": lambda e: e.rng.choice(w.SPORTS),
    "weekday": lambda e: e.rng.choice(w.WEEKDAYS),
    "small": lambda e: e.rng.choice(w.NUMBER_WORDS),
    "street": lambda e: f"{e.stem()} {e.rng.choice(('Street', 'Road', 'Square', 'Lane', 'Avenue'))}",
}
