"""`get_weather(location, date)`: the forecast of a place for a day or a few.

Where forecasts come from is the service's business (`open_meteo`, `openweather`); this module
chooses the place, resolves the day where the place is, and writes the result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from engine.errors import ToolError
from engine.tools.dates import resolve
from engine.tools.format import ToolSpec
from engine.tools.places import Spot, choose, split_location
from engine.tools.specs import DOWN_ERROR, TIMEOUT_ERROR, WEATHER, WeatherArguments, far_error
from engine.tools.weather_text import day_text, entry, forecast, span_text
from engine.types import utc_now

Units = Literal["metric", "imperial"]
WHO = "the weather service"
LISTED_DAYS = 2  # more are told as one


@dataclass(frozen=True, slots=True)
class DayForecast:
    """One day's weather in the service's units."""

    condition: str
    high: float  # degrees
    low: float
    rain: float | None  # percent
    wind: float | None  # km/h or mph


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a service knows of a place's coming days."""

    utc_offset_s: int
    days: Mapping[date, DayForecast]


class WeatherService(Protocol):
    """A source of forecasts. Both calls raise ToolError."""

    async def places(self, name: str) -> Sequence[Spot]:
        """Places of that name, the likeliest first."""

    async def forecast(self, spot: Spot, units: Units) -> Forecast:
        """The days from today on, as far as it goes."""

    async def close(self) -> None:
        """Drop the connections."""


class WeatherTool:
    """The tool over a service.

    Args:
        now: the clock, for tests.
    """

    def __init__(
        self, service: WeatherService, units: Units = "metric", now: Callable[[], datetime] = utc_now
    ) -> None:
        self._service = service
        self._units = units
        self._now = now

    @property
    def spec(self) -> ToolSpec:
        """As the model sees it."""
        return WEATHER

    @property
    def arguments(self) -> type[BaseModel]:
        """Location and date."""
        return WeatherArguments

    @property
    def late(self) -> str:
        """What is said when time is up."""
        return TIMEOUT_ERROR

    async def run(self, arguments: BaseModel) -> Mapping[str, Any]:
        """The forecast as the model reads it. Raises ToolError."""
        assert isinstance(arguments, WeatherArguments)  # the toolbox checked them
        name, _ = split_location(arguments.location)
        spot = choose(arguments.location, await self._service.places(name))
        known = await self._service.forecast(spot, self._units)
        if not known.days:
            raise ToolError(DOWN_ERROR)
        today = (self._now() + timedelta(seconds=known.utc_offset_s)).date()
        first, last = resolve(arguments.date, today)
        span = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        told = {day: known.days[day] for day in span if day in known.days}
        if not told:
            reach = (max(known.days) - today).days + 1
            raise ToolError(far_error(arguments.date, reach))
        return forecast(spot.full, self._entries(told))

    async def close(self) -> None:
        """Close the service."""
        await self._service.close()

    def _entries(self, told: Mapping[date, DayForecast]) -> list[dict[str, str]]:
        if len(told) <= LISTED_DAYS:
            return [self._entry(day_text(day), [weather]) for day, weather in told.items()]
        return [self._entry(span_text(min(told), max(told)), list(told.values()))]

    def _entry(self, when: str, days: Sequence[DayForecast]) -> dict[str, str]:
        """One entry for the days: the commonest condition and the extremes."""
        degrees, speed = ("°C", "km/h") if self._units == "metric" else ("°F", "mph")
        rain = max((d.rain for d in days if d.rain is not None), default=None)
        wind = max((d.wind for d in days if d.wind is not None), default=None)
        return entry(
            when,
            Counter(d.condition for d in days).most_common(1)[0][0],
            f"{round(max(d.high for d in days))}{degrees}",
            f"{round(min(d.low for d in days))}{degrees}",
            "unknown" if rain is None else f"{round(rain)}%",
            "unknown" if wind is None else f"{round(wind)} {speed}",
        )
