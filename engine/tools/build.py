"""The tools that config.toml and persona.toml ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.config import ToolsConfig
from engine.errors import ConfigError
from engine.secrets import first_secret
from engine.tools.open_meteo import OpenMeteo
from engine.tools.openweather import KEY_NAMES, OpenWeather
from engine.tools.specs import WEATHER
from engine.tools.toolbox import Tool, ToolBox
from engine.tools.weather import WeatherService, WeatherTool

KNOWN = (WEATHER.name,)


def make_toolbox(config: ToolsConfig, wanted: Sequence[str], env: Mapping[str, str]) -> ToolBox:
    """The persona's tools, `[tools] use` before what persona.toml lists.

    Args:
        wanted: the `tools` of persona.toml.
        env: where keys are.

    Raises:
        ConfigError: a tool is unknown, or its service needs a key that is not set.
    """
    names = list(dict.fromkeys(config.use or wanted))
    for name in names:
        if name not in KNOWN:
            raise ConfigError(f'tools lists "{name}"; allowed: {", ".join(KNOWN)}.')
    tools: list[Tool] = [WeatherTool(_service(config, env), config.units)] if WEATHER.name in names else []
    return ToolBox(tools, config.timeout_s, config.max_result_chars)


def _service(config: ToolsConfig, env: Mapping[str, str]) -> WeatherService:
    key = first_secret(env, KEY_NAMES)
    if config.weather == "openweathermap" and not key:
        raise ConfigError(
            f'[tools] weather is "openweathermap"; set {KEY_NAMES[0]} in .env, or use "open-meteo".'
        )
    if key and config.weather != "open-meteo":
        return OpenWeather(key, config.timeout_s, config.openweathermap_url)
    return OpenMeteo(config.timeout_s, config.geocoding_url, config.forecast_url)
