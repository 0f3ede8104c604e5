"""The days that people name, from "today" to "next week", as calendar days."""

from __future__ import annotations

import re
from datetime import date, timedelta

from engine.errors import ToolError
from engine.tools.specs import past_error

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_NUMBERS = {w: n for n, w in enumerate("zero one two three four five six seven eight nine ten".split())}
_NUMBERS |= {"a": 1, "an": 1, "a couple of": 2}
_PART = re.compile(r"\s*\b(early |late )?(in the )?(morning|noon|afternoon|evening|night)$")
_LEAD = re.compile(r"^(on|at|for|over|during|by|the coming|coming)\s+")
_IN = re.compile(r"^in (\d{1,3}|a couple of|[a-z]+) (day|week)s?$")
_ORDINAL = re.compile(r"(?<=\d)(st|nd|rd|th)\b")


def resolve(text: str, today: date) -> tuple[date, date]:
    """First and last day that `text` names, seen from `today`.

    "Friday" and "this Friday" is the next one, today included; "next Friday" is the one of the week
    after this; a date without a year is the next such date.

    Raises:
        ToolError: it names no day that can be told, or one that is over.
    """
    words = _plain(text)
    span = _relative(words, today) or _weekday(words, today) or _date(words, today)
    if span is None:
        raise ToolError(
            f"{text} is not a day that can be looked up; use today, tomorrow, a weekday or YYYY-MM-DD"
        )
    if span[1] < today:
        raise ToolError(past_error(text))
    return max(span[0], today), span[1]


def _plain(text: str) -> str:
    words = " ".join(text.lower().replace(",", " ").strip(" .?!").split())
    while True:
        cut = _LEAD.sub("", words)
        if cut not in ("this morning", "this afternoon", "this evening", "tonight"):
            cut = _PART.sub("", cut) or cut
        if cut == words:
            return words
        words = cut


def _relative(words: str, today: date) -> tuple[date, date] | None:
    if words in (
        "",
        "today",
        "now",
        "right now",
        "tonight",
        "later today",
        "this",
        "currently",
        "later",
        "noon",
    ) or (
        words
        in ("this morning", "this afternoon", "this evening", "morning", "afternoon", "evening", "night")
    ):
        return today, today
    if words in ("tomorrow", "the next day", "next day"):
        return _one(today + timedelta(days=1))
    if words.removeprefix("the ") == "day after tomorrow":
        return _one(today + timedelta(days=2))
    if words == "yesterday":
        return _one(today - timedelta(days=1))
    monday = today - timedelta(days=today.weekday())
    if words in ("weekend", "this weekend", "the weekend"):
        return max(today, monday + timedelta(days=5)), monday + timedelta(days=6)
    if words in ("next weekend", "the next weekend"):
        return monday + timedelta(days=12), monday + timedelta(days=13)
    if words in ("this week", "the week", "week"):
        return today, monday + timedelta(days=6)
    if words in ("next week", "the next week"):
        return monday + timedelta(days=7), monday + timedelta(days=13)
    if found := _IN.match(words):
        n = int(found[1]) if found[1].isdigit() else _NUMBERS.get(found[1])
        return None if n is None else _one(today + timedelta(days=n * (7 if found[2] == "week" else 1)))
    return None


def _weekday(words: str, today: date) -> tuple[date, date] | None:
    found = re.match(r"^(this |next |the next )?([a-z]{3,9})$", words)
    if not found:
        return None
    days = [
        i for i, d in enumerate(_DAYS) if d == found[2] or (len(found[2]) <= 5 and d.startswith(found[2]))
    ]
    if len(days) != 1:
        return None
    if found[1] and "next" in found[1]:
        return _one(today + timedelta(days=7 - today.weekday() + days[0]))
    return _one(today + timedelta(days=(days[0] - today.weekday()) % 7))


def _date(words: str, today: date) -> tuple[date, date] | None:
    words = _ORDINAL.sub("", words)
    try:
        if found := re.match(r"^(\d{4})-(\d{1,2})-(\d{1,2})$", words):
            return _one(date(int(found[1]), int(found[2]), int(found[3])))
        if found := re.match(r"^(?:the )?(\d{1,2})(?: of (?:this|the) month)?$", words):
            day = date(today.year, today.month, int(found[1]))
            return _one(day if day >= today or "of" in words else _month_later(day))
        found = re.match(r"^(?P<m>[a-z]{3,9}) (?:the )?(?P<d>\d{1,2})(?: (?P<y>\d{4}))?$", words) or re.match(
            r"^(?:[a-z]+day )?(?:the )?(?P<d>\d{1,2}) (?:of )?(?P<m>[a-z]{3,9})(?: (?P<y>\d{4}))?$", words
        )
        if not found:
            return None
        months = [i for i, m in enumerate(_MONTHS, 1) if m.startswith(found["m"])]
        if len(months) != 1:
            return None
        day = date(int(found["y"] or today.year), months[0], int(found["d"]))
        return _one(day if found["y"] or day >= today else day.replace(year=day.year + 1))
    except ValueError:  # no such day
        return None


def _month_later(day: date) -> date:
    year, month = (day.year, day.month + 1) if day.month < 12 else (day.year + 1, 1)
    return date(year, month, day.day)


def _one(day: date) -> tuple[date, date]:
    return day, day
