"""Made-up places, days and weather for the tool cases, and the sentence that tells them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from engine.tools.weather_text import WMO, day_text, entry, forecast, span_text
from trainer.skills import tools_lines as t
from trainer.skills import words as w
from trainer.skills.case import reserved
from trainer.skills.entities import Entities
from trainer.skills.tools_places import CITIES, NICKNAMES

EXTRA = (
    "few clouds",
    "broken clouds",
    "clear sky",
    "light showers",
    "strong wind",
    "hot sun",
    "haze",
    "mist",
)
WET = ("rain", "drizzle", "shower", "thunder")


# --- where -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """A place: its name, as the user types it, as the call names it, and as the tool answers."""

    name: str
    said: str
    called: str
    full: str


def place(rng: random.Random, held_out: bool = False, other: Place | None = None) -> Place:
    """A real city or a made-up town; never one of the name of `other`."""
    while True:
        made = _place(rng, held_out)
        if other is None or other.name != made.name:
            return made


def _place(rng: random.Random, held_out: bool) -> Place:
    roll = rng.random()
    if roll < 0.04 and not held_out:
        short = rng.choice(tuple(NICKNAMES))
        name = NICKNAMES[short]
        return Place(name, short, name, f"{name}, United States")
    if roll < 0.45:
        name, region = rng.choice([c for c in CITIES if reserved(c[0]) is held_out])
    else:
        name, region = Entities(rng, held_out).town(), rng.choice(w.COUNTRIES)
    full = f"{name}, {region}"
    if rng.random() < 0.12:  # the user names the region too
        called = f"{name}, {region.split(', ')[0]}"
        return Place(name, called, called, full)
    said = name.lower() if rng.random() < 0.15 else name
    return Place(name, said, name, full)


# --- when ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Day:
    """A day: inside a sentence, at its start, and as the call names it."""

    said: str
    start: str
    argument: str
    span: int = 1
    """How many entries the forecast has."""
    dates: tuple[str, ...] = ()
    """What the tool writes as their dates."""


def day(rng: random.Random) -> Day:
    """A day as people name it; sometimes none, which means today."""
    today = date(2022, 1, 1) + timedelta(days=rng.randrange(2200))
    roll = rng.random()
    if roll < 0.2:
        return _day("", "Today", "today", today)
    if roll < 0.3:
        return _day(*_same(rng.choice(("today", "today", "now", "tonight", "this afternoon"))), today)
    if roll < 0.5:
        said = rng.choice(("tomorrow", "tomorrow", "tomorrow", "tomorrow morning", "tomorrow night"))
        return _day(*_same(said), today + timedelta(days=1))
    if roll < 0.66:
        ahead = today + timedelta(days=rng.randint(1, 7))
        name = w.WEEKDAYS[ahead.weekday()]
        form = rng.choice(("on {n}", "on {n}", "on {n}", "this {n}", "next {n}"))
        if form == "on {n}":
            return _day(f"on {name}", f"On {name}", name, ahead)
        return _day(*_same(form.format(n=name)), ahead)
    if roll < 0.74:
        n = rng.randint(2, 9)
        said = rng.choice((f"in {n} days", f"in {n} days", "the day after tomorrow"))
        return _day(*_same(said), today + timedelta(days=2 if "after" in said else n))
    if roll < 0.82:
        ahead = today + timedelta(days=rng.randint(0, 14))
        iso = ahead.isoformat()
        return _day(f"on {iso}", f"On {iso}", iso, ahead)
    if roll < 0.9:
        ahead = today + timedelta(days=rng.randint(0, 14))
        month = w.MONTHS[ahead.month - 1]
        text = rng.choice(
            (f"{ahead.day} {month}", f"{month} {ahead.day}", f"{month} {ahead.day}{_ordinal(ahead.day)}")
        )
        return _day(f"on {text}", f"On {text}", text, ahead)
    if roll < 0.96:
        saturday = today + timedelta(days=(5 - today.weekday()) % 7)
        said = rng.choice(("this weekend", "this weekend", "at the weekend", "on the weekend"))
        argument = said if said == "this weekend" else "weekend"
        return _day(said, said[0].upper() + said[1:], argument, saturday, saturday + timedelta(days=1))
    monday = today + timedelta(days=7 - today.weekday())
    return Day("next week", "Next week", "next week", 1, (span_text(monday, monday + timedelta(days=6)),))


def day_more(rng: random.Random, before: Day) -> Day:
    """Another day than `before`, named."""
    while True:
        other = day(rng)
        if other.said and other.argument != before.argument:
            return other


def _same(said: str) -> tuple[str, str, str]:
    return said, said[0].upper() + said[1:], said


def _day(said: str, start: str, argument: str, *dates: date) -> Day:
    return Day(said, start, argument, len(dates), tuple(map(day_text, dates)))


def _ordinal(n: int) -> str:
    return "th" if 10 < n < 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")


def words_of(text: str, where: str, when: Day) -> str:
    """A question with its place and day filled in, without the gaps that an unsaid day leaves."""
    out = " ".join(text.format(p=where, d=when.said).split())
    for mark in "?.,:":
        out = out.replace(f" {mark}", mark)
    return out


# --- weather ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Weather:
    """One forecast entry, or two; the first is the one that is told first."""

    condition: str
    high: int
    low: int
    rain: int
    wind: int
    metric: bool
    more: tuple[Weather, ...] = ()

    @classmethod
    def draw(cls, rng: random.Random, span: int = 1, metric: bool | None = None) -> Weather:
        """Weather that might be: no snow in the heat, no clear sky in the rain."""
        metric = rng.random() < 0.7 if metric is None else metric
        high = round(min(46.0, max(-28.0, rng.gauss(15, 13))))
        low = high - rng.randint(1, 13)
        known = [*WMO.values(), *EXTRA]
        snowy = [c for c in known if "snow" in c or "freezing" in c]
        fit = [
            c
            for c in known
            if (c in snowy) <= (low <= 1)
            and (high < 27 or c != "strong wind")
            and (high > 25 or "hot" not in c)
        ]
        if high < -2:
            fit = [c for c in fit if c in snowy or not any(x in c for x in WET)]
        condition = rng.choice(fit)
        falls = any(x in condition for x in (*WET, "snow"))
        rain = rng.randint(45, 100) if falls else rng.randint(0, 35)
        if not metric:
            high, low = round(high * 1.8 + 32), round(low * 1.8 + 32)
        wind = rng.randint(30, 90) if "wind" in condition else rng.randint(1, 45)
        more = tuple(cls.draw(rng, 1, metric) for _ in range(span - 1))
        return cls(condition, high, low, rain, wind, metric, more)

    @property
    def hi(self) -> str:
        return self._degrees(self.high)

    @property
    def lo(self) -> str:
        return self._degrees(self.low)

    def _degrees(self, n: int) -> str:
        return f"{n}°{'C' if self.metric else 'F'}"

    @property
    def blow(self) -> str:
        return f"{self.wind} {'km/h' if self.metric else 'mph'}"

    def entry(self, when: str) -> dict[str, str]:
        """As the tool writes it."""
        return entry(when, self.condition, self.hi, self.lo, f"{self.rain}%", self.blow)

    def observation(self, where: Place, when: Day) -> dict[str, Any]:
        """The tool's whole result."""
        pairs = zip((self, *self.more), when.dates, strict=False)
        return forecast(where.full, [x.entry(d) for x, d in pairs])

    def told(self, text: str) -> tuple[str, ...]:
        """Which of this weather's values a text holds: what its answer must hold."""
        values = [v for x in (self, *self.more) for k, v in x.entry("").items() if v and k != "condition"]
        return tuple(v for v in dict.fromkeys(values) if v in text)


def answer(rng: random.Random, kind: str, weather: Weather, where: Place, when: Day, wry: bool) -> str:
    """The final answer, with its quip where the persona has one."""
    if weather.more:
        text = _weekend(rng, weather, where, when)
    else:
        form = rng.choice(_forms(kind, weather))
        filled = form.format(
            p=where.called, d=when.said, D=when.start, c=weather.condition, hi=weather.hi, lo=weather.lo,
            r=f"{weather.rain}%", w=weather.blow,
        )  # fmt: skip
        text = " ".join(filled.split())
        for mark in ".,:;":
            text = text.replace(f" {mark}", mark)
    if wry:
        if rng.random() < 0.4:
            return rng.choice(t.WRY) + text
        text = f"{text} {rng.choice(t.QUIPS[_mood(weather)])}"
    return text


def _weekend(rng: random.Random, weather: Weather, where: Place, when: Day) -> str:
    first, second = when.dates[0].split()[0], when.dates[1].split()[0]
    other = weather.more[0]
    return rng.choice(
        (
            f"{where.called} gets {weather.condition} on {first}, up to {weather.hi}, and {other.condition} on {second}, up to {other.hi}.",
            f"On {first} expect {weather.condition} and {weather.hi} in {where.called}, on {second} {other.condition} and {other.hi}.",
        )
    )


def _forms(kind: str, x: Weather) -> tuple[str, ...]:
    wet, snowy = any(v in x.condition for v in WET), "snow" in x.condition
    if kind == "rain":
        return t.RAIN_YES if x.rain >= 60 else t.RAIN_MAYBE if x.rain >= 30 else t.RAIN_NO
    if kind == "coat":
        return t.COAT_YES if x.low < (10 if x.metric else 50) else t.COAT_NO
    if kind == "snow":
        return t.SNOW_YES if snowy else t.SNOW_NO
    if kind == "outdoors":
        return t.OUT_NO if wet or snowy or x.rain >= 50 or x.high < (8 if x.metric else 46) else t.OUT_YES
    return {"heat": t.HEAT, "wind": t.WIND}.get(kind, t.GENERAL)


def _mood(x: Weather) -> str:
    if "snow" in x.condition:
        return "snow"
    if any(v in x.condition for v in WET):
        return "wet"
    celsius = x.high if x.metric else (x.high - 32) / 1.8
    return "hot" if celsius >= 28 else "cold" if celsius < 4 else "fair"
