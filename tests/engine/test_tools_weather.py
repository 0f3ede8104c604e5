"""get_weather over real HTTP against a local server that speaks both services' JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from weather_server import KEY, NOW, WeatherServer

from engine.config import ToolsConfig
from engine.errors import ConfigError
from engine.secrets import Secret
from engine.tools.build import make_toolbox
from engine.tools.format import ParsedCall
from engine.tools.open_meteo import OpenMeteo
from engine.tools.openweather import OpenWeather
from engine.tools.toolbox import ToolBox
from engine.tools.weather import Units, WeatherTool
from engine.types import ToolRecord


@pytest.fixture
async def server() -> AsyncIterator[WeatherServer]:
    """The local weather server."""
    async with WeatherServer() as running:
        yield running


def clock() -> datetime:
    """The server's now."""
    return NOW


async def look(
    server: WeatherServer, location: str, date: str | None = None, *, units: Units = "metric", key: str = "",
    timeout_s: float = 5.0,
) -> ToolRecord:  # fmt: skip
    """One call through the toolbox."""
    service: Any = (
        OpenWeather(Secret(key), timeout_s, server.url)
        if key
        else OpenMeteo(timeout_s, server.url, server.url)
    )
    box = ToolBox([WeatherTool(service, units, clock)], timeout_s)
    arguments = {"location": location} if date is None else {"location": location, "date": date}
    try:
        return await box.call(ParsedCall("get_weather", arguments))
    finally:
        await box.close()


async def test_weather_today_is_the_services_first_day(server: WeatherServer) -> None:
    record = await look(server, "London")
    assert record.ok and record.ms > 0
    assert json.loads(record.observation) == {
        "location": "London, United Kingdom", "date": "Saturday 21 November", "condition": "light rain",
        "high": "10°C", "low": "3°C", "rain": "80%", "wind": "20 km/h",
    }  # fmt: skip
    paths = [path for path, _ in server.requests]
    assert paths == ["/v1/search", "/v1/forecast"] and server.requests[1][1]["timezone"] == "auto"


async def test_weather_imperial_asks_for_and_tells_imperial_units(server: WeatherServer) -> None:
    seen = json.loads((await look(server, "new york", "tomorrow", units="imperial")).observation)
    assert seen["location"] == "New York, New York, United States"
    assert (seen["high"], seen["low"], seen["wind"]) == ("52°F", "38°F", "21 mph")
    assert server.requests[1][1]["wind_speed_unit"] == "mph"


async def test_weather_weekend_lists_both_days_and_a_week_is_told_as_one(server: WeatherServer) -> None:
    weekend = json.loads((await look(server, "London", "this weekend")).observation)
    assert [d["date"] for d in weekend["forecast"]] == ["Saturday 21 November", "Sunday 22 November"]
    week = json.loads((await look(server, "London", "next week")).observation)
    assert week["date"] == "23 November to 29 November"
    assert (week["high"], week["low"]) == ("18°C", "5°C")


async def test_weather_today_is_the_day_at_the_place(server: WeatherServer) -> None:
    """When it is Saturday noon in UTC, it is Sunday in Suva."""
    seen = json.loads((await look(server, "Suva", "today")).observation)
    assert seen["date"] == "Sunday 22 November"


async def test_weather_name_without_accent_is_found(server: WeatherServer) -> None:
    assert json.loads((await look(server, "zurich")).observation)["location"] == "Zürich, Switzerland"


async def test_weather_much_bigger_place_is_meant_and_a_region_chooses_the_other(
    server: WeatherServer,
) -> None:
    assert "Oregon" in (await look(server, "Portland")).observation
    assert "Maine" in (await look(server, "Portland, Maine")).observation
    assert "Maine" in (await look(server, "Portland, ME, USA")).observation
    assert "Canada" in (await look(server, "London, Canada")).observation


async def test_weather_several_places_are_listed(server: WeatherServer) -> None:
    record = await look(server, "Springfield")
    seen = json.loads(record.observation)
    assert not record.ok and seen["error"] == "several places are named Springfield"
    assert seen["places"] == [
        f"Springfield, {s}, United States" for s in ("Missouri", "Massachusetts", "Illinois")
    ]
    assert "Illinois" in (await look(server, "Springfield, Illinois")).observation


@pytest.mark.parametrize("location", ["Atlantis", "London, France", "Lonquimay", "x"])
async def test_weather_unknown_place_says_so(server: WeatherServer, location: str) -> None:
    record = await look(server, location)
    assert record.error == f"no place named {location} was found" and not record.refused


@pytest.mark.parametrize(
    ("date", "error"),
    [
        ("yesterday", "yesterday is in the past"),
        ("2027-06-01", "2027-06-01 is too far away; the forecast reaches 15 days"),
        ("someday", "someday is not a day"),
    ],
)
async def test_weather_day_without_a_forecast_says_so(server: WeatherServer, date: str, error: str) -> None:
    assert (await look(server, "London", date)).error.startswith(error)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, None, "is out of order"), (429, None, "is too busy"), (200, "<html>", "is out of order"),
        (200, '{"results": [{"name": 3}]}', "is out of order"), (302, None, "is out of order"),
        (200, '"' + "x" * 1_100_000 + '"', "sent too much"),
    ],
)  # fmt: skip
async def test_weather_service_in_trouble_says_so(
    server: WeatherServer, status: int, body: str | None, error: str
) -> None:
    server.status, server.body = status, body
    record = await look(server, "London")
    assert not record.ok and record.error == f"the weather service {error}"
    assert json.loads(record.observation) == {"error": record.error}


async def test_weather_slow_service_is_given_up(server: WeatherServer) -> None:
    server.delay_s = 5.0
    record = await look(server, "London", timeout_s=0.2)
    assert record.error == "the weather service did not answer in time" and record.ms < 2000


async def test_weather_nobody_listens_says_so(server: WeatherServer) -> None:
    box = ToolBox([WeatherTool(OpenMeteo(2.0, "http://127.0.0.1:9", "http://127.0.0.1:9"))])
    record = await box.call(ParsedCall("get_weather", {"location": "London"}))
    await box.close()
    assert record.error == "the weather service cannot be reached"


@pytest.mark.parametrize(
    "arguments",
    [{}, {"location": ""}, {"location": 7}, {"location": "x" * 101}, {"location": "Paris", "when": "now"},
     {"location": "Paris", "date": None}],
)  # fmt: skip
async def test_weather_bad_arguments_reach_no_service(
    server: WeatherServer, arguments: dict[str, Any]
) -> None:
    box = ToolBox([WeatherTool(OpenMeteo(2.0, server.url, server.url))])
    record = await box.call(ParsedCall("get_weather", arguments))
    await box.close()
    assert record.refused and not record.ok and record.error and server.requests == []


async def test_openweathermap_steps_are_summed_up_by_local_day(server: WeatherServer) -> None:
    seen = json.loads((await look(server, "London", "tomorrow", key=KEY)).observation)
    assert seen == {
        "location": "London, United Kingdom", "date": "Sunday 22 November", "condition": "light rain",
        "high": "13°C", "low": "5°C", "rain": "35%", "wind": "18 km/h",
    }  # fmt: skip


async def test_openweathermap_wrong_key_says_so_and_is_never_logged(
    server: WeatherServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpx")  # the command quiets it, in whatever test ran before
    record = await look(server, "London", key="s3cret-key")
    assert record.error == "the weather service refused the key of this bot"
    ours = "\n".join(r.getMessage() for r in caplog.records if r.name != "aiohttp.access")  # the server's
    assert "HTTP Request" in ours and "appid=…" in ours
    assert "s3cret-key" not in ours + record.observation


def test_make_toolbox_nothing_is_offered_unless_asked_for() -> None:
    assert not make_toolbox(ToolsConfig(), [], {})
    assert [s.name for s in make_toolbox(ToolsConfig(), ["get_weather"], {}).specs] == ["get_weather"]
    assert make_toolbox(ToolsConfig(use=["get_weather"]), [], {})


def test_make_toolbox_unknown_tool_or_missing_key_says_what_is_allowed() -> None:
    with pytest.raises(ConfigError, match='"launch"; allowed: get_weather'):
        make_toolbox(ToolsConfig(use=["launch"]), [], {})
    with pytest.raises(ConfigError, match="OPENWEATHERMAP_API_KEY"):
        make_toolbox(ToolsConfig(use=["get_weather"], weather="openweathermap"), [], {})


@pytest.mark.parametrize(
    ("weather", "key", "paths"),
    [
        ("auto", "", "/v1"), ("auto", KEY, "/geo /data"), ("open-meteo", KEY, "/v1"),
        ("openweathermap", KEY, "/geo /data"),
    ],
)  # fmt: skip
async def test_make_toolbox_key_chooses_the_service(
    server: WeatherServer, weather: Any, key: str, paths: str
) -> None:
    urls: Any = dict.fromkeys(("geocoding_url", "forecast_url", "openweathermap_url"), server.url)
    config = ToolsConfig(use=["get_weather"], weather=weather, **urls)
    box = make_toolbox(config, [], {"OPENWEATHERMAP_API_KEY": key})
    await box.call(ParsedCall("get_weather", {"location": "London", "date": "2026-11-22"}))
    await box.close()
    assert {"/" + path.split("/")[1] for path, _ in server.requests} == set(paths.split())
