"""The days that people name, seen from Saturday 21 November 2026."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest

from engine.errors import ToolError
from engine.tools.dates import resolve

TODAY = date(2026, 11, 21)  # a Saturday


def nov(*days: int) -> tuple[date, date]:
    """First and last day of November."""
    return date(2026, 11, days[0]), date(2026, 11, days[-1])


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("today", nov(21)), ("", nov(21)), ("now", nov(21)), ("Tonight", nov(21)),
        ("this afternoon", nov(21)), ("tomorrow", nov(22)), ("tomorrow morning", nov(22)),
        ("Tomorrow night", nov(22)), ("the day after tomorrow", nov(23)), ("day after tomorrow", nov(23)),
        ("in 3 days", nov(24)), ("in three days", nov(24)), ("in a week", nov(28)), ("Saturday", nov(21)),
        ("Sunday", nov(22)), ("on Friday", nov(27)), ("this Friday", nov(27)), ("next Monday", nov(23)),
        ("next Saturday", nov(28)), ("tue", nov(24)), ("Friday night", nov(27)), ("2026-11-25", nov(25)),
        ("25 November", nov(25)), ("November 25th", nov(25)), ("Nov 25, 2026", nov(25)),
        ("25th of November", nov(25)), ("the 25th", nov(25)), ("25th of this month", nov(25)),
        ("Wednesday 25 November", nov(25)), ("this weekend", nov(21, 22)), ("weekend", nov(21, 22)),
        ("at the weekend", nov(21, 22)), ("next weekend", nov(28, 29)), ("this week", nov(21, 22)),
        ("next week", nov(23, 29)), ("3 March", (date(2027, 3, 3), date(2027, 3, 3))),
        ("the 3rd", (date(2026, 12, 3), date(2026, 12, 3))),
    ],
)  # fmt: skip
def test_resolve_what_people_say_is_the_right_day(text: str, span: tuple[date, date]) -> None:
    assert resolve(text, TODAY) == span


def test_resolve_weekend_on_a_sunday_is_that_sunday_alone() -> None:
    assert resolve("this weekend", date(2026, 11, 22)) == nov(22)


@pytest.mark.parametrize("text", ["yesterday", "2026-11-20", "1999-01-01", "20th of this month"])
def test_resolve_a_day_that_is_over_says_so(text: str) -> None:
    with pytest.raises(ToolError, match="is in the past"):
        resolve(text, TODAY)


@pytest.mark.parametrize(
    "text", ["someday", "2026-02-31", "31 February", "11/12", "in many days", "never", "ju 3", "x" * 60]
)
def test_resolve_no_day_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ToolError, match="YYYY-MM-DD"):
        resolve(text, TODAY)


def test_resolve_leap_day_that_is_over_is_no_day_of_the_next_year() -> None:
    with pytest.raises(ToolError, match="YYYY-MM-DD"):
        resolve("29 February", date(2028, 3, 1))


def test_resolve_whatever_it_is_given_answers_or_raises_its_own_error() -> None:
    rng = random.Random(0)
    words = (
        "in on next this the a 3 31 99 0 days week weekend friday may march of month morning 2026 -".split()
    )
    for _ in range(3000):
        text = " ".join(rng.choices(words, k=rng.randint(1, 4)))
        try:
            first, last = resolve(text, TODAY)
        except ToolError:
            continue
        assert TODAY <= first <= last <= TODAY + timedelta(days=800), text
