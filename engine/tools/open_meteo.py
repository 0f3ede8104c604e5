"""Forecasts of Open-Meteo, which asks for no key (free for non-commercial use, data CC BY 4.0)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.errors import ToolError
from engine.tools.fetch import JsonService
from engine.tools.places import Spot
from engine.tools.specs import DOWN_ERROR
from engine.tools.weather import WHO, DayForecast, Forecast, Units
from engine.tools.weather_text import condition

GEOCODING_URL = "https://geocoding-api.open-meteo.com"
FORECAST_URL = "https://api.open-meteo.com"
REACH_DAYS = 16
DAILY = (
    "weather_code", "temperature_2m_max", "temperature_2m_min", "precipitation_probability_max",
    "wind_speed_10m_max",
)  # fmt: skip


class _Found(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: str
    latitude: float
    longitude: float
    country: str = ""
    country_code: str = ""
    admin1: str = ""
    population: int = 0
    feature_code: str = ""


class _Search(BaseModel):
    model_config = ConfigDict(extra="ignore")
    results: list[_Found] = []  # left out when nothing was found


class _Daily(BaseModel):
    model_config = ConfigDict(extra="ignore")
    time: list[date]
    weather_code: list[int | None]
    temperature_2m_max: list[float | None]
    temperature_2m_min: list[float | None]
    precipitation_probability_max: list[float | None]
    wind_speed_10m_max: list[float | None]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")
    utc_offset_seconds: int
    daily: _Daily


class OpenMeteo:
    """The service.

    Args:
        timeout_s: of one request.
        geocoding_url, forecast_url: other servers that speak its API, such as one of your own.
    """

    def __init__(
        self, timeout_s: float, geocoding_url: str = GEOCODING_URL, forecast_url: str = FORECAST_URL
    ) -> None:
        self._http = JsonService(WHO, timeout_s)
        self._geocoding_url = (geocoding_url or GEOCODING_URL).rstrip("/")
        self._forecast_url = (forecast_url or FORECAST_URL).rstrip("/")

    async def places(self, name: str) -> Sequence[Spot]:
        """Places of that name. Raises ToolError."""
        params: dict[str, str | float | int] = {
            "name": name, "count": 10, "language": "en", "format": "json",
        }  # fmt: skip
        data = await self._http.get(f"{self._geocoding_url}/v1/search", params)
        try:
            found = _Search.model_validate(data).results
        except ValidationError as exc:
            raise ToolError(DOWN_ERROR) from exc
        return [
            Spot(
                f.name, f.latitude, f.longitude, f.admin1, f.country, f.country_code, f.population,
                f.feature_code == "PPLC",
            )
            for f in found
        ]  # fmt: skip

    async def forecast(self, spot: Spot, units: Units) -> Forecast:
        """Sixteen days in the place's own time zone. Raises ToolError."""
        params: dict[str, str | float | int] = {
            "latitude": spot.latitude,
            "longitude": spot.longitude,
            "daily": ",".join(DAILY),
            "timezone": "auto",
            "forecast_days": REACH_DAYS,
        }
        if units == "imperial":
            params |= {"temperature_unit": "fahrenheit", "wind_speed_unit": "mph"}
        data = await self._http.get(f"{self._forecast_url}/v1/forecast", params)
        try:
            answer = _Answer.model_validate(data)
            rows = zip(*(getattr(answer.daily, name) for name in ("time", *DAILY)), strict=True)
            days = {
                day: DayForecast(condition(code), high, low, rain, wind)
                for day, code, high, low, rain, wind in rows
                if high is not None and low is not None  # the last days may lack values
            }
        except ValueError as exc:  # ValidationError is one
            raise ToolError(DOWN_ERROR) from exc
        return Forecast(answer.utc_offset_seconds, days)

    async def close(self) -> None:
        """Drop the connections."""
        await self._http.close()
