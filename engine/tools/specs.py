"""The weather tool as the model sees it; the trainer writes its data from the same lines."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from engine.tools.format import ToolSpec


class WeatherArguments(BaseModel):
    """What `get_weather` may be called with; anything else is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    location: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    date: Annotated[str, Field(max_length=60)] = "today"


WEATHER = ToolSpec("get_weather", "weather forecast for a place.", WeatherArguments.model_json_schema())

TIMEOUT_ERROR = "the weather service did not answer in time"
DOWN_ERROR = "the weather service is out of order"


def place_error(location: str) -> str:
    """What the weather tool says of a place that it does not know."""
    return f"no place named {location} was found"


def several_error(location: str) -> str:
    """What it says when several places have the name."""
    return f"several places are named {location}"


def far_error(date: str, days: int) -> str:
    """What it says of a day that no forecast reaches."""
    return f"{date} is too far away; the forecast reaches {days} days"


def past_error(date: str) -> str:
    """What it says of a day that is over."""
    return f"{date} is in the past"
