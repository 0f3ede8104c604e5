"""Forecasts of OpenWeatherMap, for those who have a key: five days in steps of three hours.

The key travels as a parameter, which is the only way its documentation names; the log of httpx is
therefore filtered, and no error holds an address.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.errors import ToolError
from engine.secrets import Secret
from engine.tools.countries import country_name
from engine.tools.fetch import JsonService
from engine.tools.places import Spot
from engine.tools.specs import DOWN_ERROR
from engine.tools.weather import WHO, DayForecast, Forecast, Units

URL = "https://api.openweathermap.org"
KEY_NAMES = ("OPENWEATHERMAP_API_KEY",)
_KEY = re.compile(r"(appid=)[^&\s\"']+")
KMH = 3.6  # a metre per second


class HideKey(logging.Filter):
    """Blanks the key in the addresses that httpx logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true; the record's arguments are rewritten."""
        text = record.getMessage()
        if "appid=" in text:
            record.msg, record.args = _KEY.sub(r"\1…", text), None
        return True


class _Found(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: str
    lat: float
    lon: float
    country: str = ""
    state: str = ""


class _Main(BaseModel):
    model_config = ConfigDict(extra="ignore")
    temp_min: float
    temp_max: float


class _Weather(BaseModel):
    model_config = ConfigDict(extra="ignore")
    description: str


class _Wind(BaseModel):
    model_config = ConfigDict(extra="ignore")
    speed: float | None = None


class _Step(BaseModel):
    model_config = ConfigDict(extra="ignore")
    dt: int
    main: _Main
    weather: list[_Weather]
    wind: _Wind = _Wind()
    pop: float | None = None


class _City(BaseModel):
    model_config = ConfigDict(extra="ignore")
    timezone: int


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")
    list: list[_Step]
    city: _City


class OpenWeather:
    """The service.

    Args:
        key: its API key.
        timeout_s: of one request.
        url: another server that speaks its API.
    """

    def __init__(self, key: Secret, timeout_s: float, url: str = URL) -> None:
        self._key = key
        self._http = JsonService(WHO, timeout_s)
        self._url = (url or URL).rstrip("/")
        logger = logging.getLogger("httpx")
        if not any(isinstance(f, HideKey) for f in logger.filters):
            logger.addFilter(HideKey())

    async def places(self, name: str) -> Sequence[Spot]:
        """Places of that name; it knows no populations. Raises ToolError."""
        params: dict[str, str | float | int] = {"q": name, "limit": 5, "appid": self._key.reveal()}
        data = await self._http.get(f"{self._url}/geo/1.0/direct", params)
        try:
            found = [_Found.model_validate(row) for row in data]
        except (ValidationError, TypeError):
            raise ToolError(DOWN_ERROR) from None
        return [Spot(f.name, f.lat, f.lon, f.state, country_name(f.country), f.country) for f in found]

    async def forecast(self, spot: Spot, units: Units) -> Forecast:
        """Five days, each summed up from its steps. Raises ToolError."""
        params = {"lat": spot.latitude, "lon": spot.longitude, "units": units, "appid": self._key.reveal()}
        data = await self._http.get(f"{self._url}/data/2.5/forecast", params)
        try:
            answer = _Answer.model_validate(data)
        except ValidationError:
            raise ToolError(DOWN_ERROR) from None
        offset = timedelta(seconds=answer.city.timezone)
        steps: dict[date, list[_Step]] = defaultdict(list)
        for step in answer.list:
            steps[(datetime.fromtimestamp(step.dt, UTC) + offset).date()].append(step)
        days = {day: _summed(group, units) for day, group in steps.items()}
        return Forecast(answer.city.timezone, days)

    async def close(self) -> None:
        """Drop the connections."""
        await self._http.close()


def _summed(steps: Sequence[_Step], units: Units) -> DayForecast:
    """A day: the commonest condition and the extremes; metric winds come in metres a second."""
    names = Counter(s.weather[0].description for s in steps if s.weather)
    pops = [s.pop for s in steps if s.pop is not None]
    winds = [s.wind.speed for s in steps if s.wind.speed is not None]
    return DayForecast(
        names.most_common(1)[0][0] if names else "unknown weather",
        max(s.main.temp_max for s in steps),
        min(s.main.temp_min for s in steps),
        max(pops) * 100 if pops else None,
        max(winds) * (KMH if units == "metric" else 1) if winds else None,
    )
