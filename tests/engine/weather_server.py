"""A local server that speaks the documented JSON of Open-Meteo and of OpenWeatherMap."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)  # a Saturday
KEY = "k3y-of-the-test"

PLACES: list[dict[str, Any]] = [
    {
        "id": i, "name": name, "latitude": lat, "longitude": lon, "elevation": 10.0, "feature_code": code,
        "country_code": cc, "country": country, "admin1": admin, "population": people, "timezone": "UTC",
    }
    for i, (name, lat, lon, code, cc, country, admin, people) in enumerate(
        (
            ("London", 51.5, -0.12, "PPLC", "GB", "United Kingdom", "England", 8_961_989),
            ("London", 42.98, -81.23, "PPLA2", "CA", "Canada", "Ontario", 422_324),
            ("New York", 40.71, -74.0, "PPL", "US", "United States", "New York", 8_804_190),
            ("Springfield", 37.21, -93.29, "PPLA2", "US", "United States", "Missouri", 166_810),
            ("Springfield", 42.1, -72.58, "PPLA2", "US", "United States", "Massachusetts", 153_703),
            ("Springfield", 39.8, -89.64, "PPLA", "US", "United States", "Illinois", 116_565),
            ("Portland", 45.52, -122.67, "PPLA2", "US", "United States", "Oregon", 632_309),
            ("Portland", 43.66, -70.25, "PPLA2", "US", "United States", "Maine", 66_881),
            ("Zürich", 47.36, 8.55, "PPLA", "CH", "Switzerland", "Zurich", 341_730),
            ("Suva", -18.14, 178.44, "PPLC", "FJ", "Fiji", "Central", 77_366),
        )
    )
]  # fmt: skip
OFFSETS_S = {"Suva": 12 * 3600, "New York": -5 * 3600}


class WeatherServer:
    """Both services on one port; set the fields to make it fail."""

    def __init__(self) -> None:
        self.status = 200
        self.delay_s = 0.0
        self.body: str | None = None
        self.requests: list[tuple[str, dict[str, str]]] = []
        app = web.Application(middlewares=[self._trouble])
        app.router.add_get("/v1/search", self._search)
        app.router.add_get("/v1/forecast", self._forecast)
        app.router.add_get("/geo/1.0/direct", self._direct)
        app.router.add_get("/data/2.5/forecast", self._steps)
        self._server = TestServer(app)
        self.url = ""

    async def __aenter__(self) -> WeatherServer:
        await self._server.start_server()
        self.url = str(self._server.make_url("")).rstrip("/")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    @property
    def _trouble(self) -> Any:
        @web.middleware
        async def trouble(request: web.Request, handler: Any) -> web.StreamResponse:
            self.requests.append((request.path, dict(request.query)))
            await asyncio.sleep(self.delay_s)
            if self.body is not None:
                return web.Response(status=self.status, text=self.body, content_type="application/json")
            if self.status != 200:
                return web.json_response(
                    {"error": True, "reason": "by order of the test"}, status=self.status
                )
            return await handler(request)

        return trouble

    # --- Open-Meteo ------------------------------------------------------------------------

    async def _search(self, request: web.Request) -> web.Response:
        name = request.query.get("name", "").lower()
        found = [p for p in PLACES if len(name) > 1 and _fold(p["name"]).startswith(_fold(name)[:5])]
        body: dict[str, Any] = {"generationtime_ms": 0.5}
        if found:
            body["results"] = found  # the real service leaves the key out when there is none
        return web.json_response(body)

    async def _forecast(self, request: web.Request) -> web.Response:
        query = request.query
        if "latitude" not in query or "longitude" not in query:
            return web.json_response({"error": True, "reason": "Parameter 'latitude' is missing"}, status=400)
        place = _at(float(query["latitude"]))
        offset_s = OFFSETS_S.get(place["name"], 0)
        today = (NOW + timedelta(seconds=offset_s)).date()
        n = int(query.get("forecast_days", "7"))
        fahrenheit = query.get("temperature_unit") == "fahrenheit"
        daily: dict[str, list[Any]] = {"time": [(today + timedelta(days=i)).isoformat() for i in range(n)]}
        highs = [10.4 + i for i in range(n)]
        lows = [2.6 + i for i in range(n)]
        scale = (lambda c: round(c * 1.8 + 32, 1)) if fahrenheit else (lambda c: c)
        known: dict[str, list[Any]] = {
            "weather_code": [(61, 3, 0, 71)[i % 4] for i in range(n)],
            "temperature_2m_max": [scale(t) for t in highs[:-1]] + [None],
            "temperature_2m_min": [scale(t) for t in lows[:-1]] + [None],
            "precipitation_probability_max": [(80 + 5 * i) % 100 for i in range(n)],
            "wind_speed_10m_max": [20.2 + i for i in range(n)],
        }
        for name in query["daily"].split(","):
            daily[name] = known[name]
        return web.json_response(
            {"latitude": place["latitude"], "longitude": place["longitude"], "utc_offset_seconds": offset_s,
             "timezone": "Etc/Test", "daily_units": {"time": "iso8601"}, "daily": daily}
        )  # fmt: skip

    # --- OpenWeatherMap --------------------------------------------------------------------

    async def _direct(self, request: web.Request) -> web.Response:
        if request.query.get("appid") != KEY:
            return web.json_response({"cod": 401, "message": "Invalid API key."}, status=401)
        name = _fold(request.query["q"])
        return web.json_response(
            [
                {"name": p["name"], "lat": p["latitude"], "lon": p["longitude"], "country": p["country_code"],
                 "state": p["admin1"]}
                for p in PLACES if _fold(p["name"]) == name
            ]
        )  # fmt: skip

    async def _steps(self, request: web.Request) -> web.Response:
        if request.query.get("appid") != KEY:
            return web.json_response({"cod": 401, "message": "Invalid API key."}, status=401)
        steps = []
        for i in range(40):
            moment = NOW + timedelta(hours=3 * i)
            steps.append(
                {
                    "dt": int(moment.timestamp()),
                    "main": {
                        "temp": 10.0,
                        "temp_min": 5.0 + i / 10,
                        "temp_max": 12.0 + i / 10,
                        "humidity": 70,
                    },
                    "weather": [{"id": 500, "main": "Rain", "description": "light rain", "icon": "10d"}],
                    "wind": {"speed": 5.0, "deg": 200},
                    "pop": 0.35,
                    "dt_txt": moment.strftime("%Y-%m-%d %H:%M:%S"),
                }
            )
        return web.json_response(
            {"cod": "200", "cnt": 40, "list": steps, "city": {"name": "x", "timezone": 0}}
        )


def day(n: int) -> date:
    """`n` days after the server's today."""
    return NOW.date() + timedelta(days=n)


def _fold(name: str) -> str:
    return name.lower().replace("ü", "u")


def _at(latitude: float) -> dict[str, Any]:
    return min(PLACES, key=lambda p: abs(p["latitude"] - latitude))
