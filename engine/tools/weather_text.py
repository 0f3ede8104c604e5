"""How a forecast is written for the model: names of weather, days, and the JSON object.

The trainer writes its made-up forecasts with the same functions. This module fetches nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip

WMO: dict[int, str] = {
    0: "clear skies", 1: "mostly clear skies", 2: "scattered clouds", 3: "overcast skies",
    45: "fog", 48: "freezing fog",
    51: "light drizzle", 53: "drizzle", 55: "heavy drizzle", 56: "freezing drizzle", 57: "freezing drizzle",
    61: "light rain", 63: "rain", 65: "heavy rain", 66: "freezing rain", 67: "freezing rain",
    71: "light snow", 73: "snow", 75: "heavy snow", 77: "snow grains",
    80: "light showers", 81: "showers", 82: "heavy showers", 85: "snow showers", 86: "heavy snow showers",
    95: "thunderstorms", 96: "thunderstorms with hail", 99: "thunderstorms with hail",
}  # fmt: skip
"""WMO code 4677 as Open-Meteo gives it; noun phrases that fit behind "expect …"."""


def condition(code: int | None) -> str:
    """The name of a WMO code; "unknown weather" for one that the table lacks."""
    return "unknown weather" if code is None else WMO.get(code, "unknown weather")


def day_text(day: date) -> str:
    """`Monday 13 April`."""
    return f"{_DAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]}"


def span_text(first: date, last: date) -> str:
    """`13 April to 19 April`."""
    return f"{first.day} {_MONTHS[first.month - 1]} to {last.day} {_MONTHS[last.month - 1]}"


def entry(when: str, condition: str, high: str, low: str, rain: str, wind: str) -> dict[str, str]:
    """One day, or a span that is told as one; values carry their units."""
    return {"date": when, "condition": condition, "high": high, "low": low, "rain": rain, "wind": wind}


def forecast(location: str, entries: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The whole result: flat for one entry, a list without winds for several."""
    if len(entries) == 1:
        return {"location": location, **entries[0]}
    days = [{k: v for k, v in e.items() if k != "wind"} for e in entries]
    return {"location": location, "forecast": days}
