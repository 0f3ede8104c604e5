"""The four tests of a persona with a tool: engine, loop and HTTP are real, the model is scripted."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

import pytest
from weather_server import NOW, WeatherServer

from engine.config import Config
from engine.engine import Engine
from engine.fakes import ListRetriever, MemoryHistory, ScriptedGenerator
from engine.personas import load_persona
from engine.prompt import Renderer
from engine.tools.format import call_text
from engine.tools.open_meteo import OpenMeteo
from engine.tools.toolbox import ToolBox
from engine.tools.weather import WeatherTool
from engine.types import GenerationRequest, ReplyOptions, Result
from trainer.evaluation.cases import PersonaRow
from trainer.evaluation.metrics import matches

PERSONA = Path(__file__).parents[2] / "personas" / "mark-twain"
ROWS = [
    json.loads(line)
    for line in (PERSONA / "eval" / "twainbot.jsonl").read_text(encoding="utf-8").splitlines()
]
PLACE = re.compile(r"\b(?:for|in) ([A-Z]\w+(?: [A-Z]\w+)*) (?:on )?(this weekend|\w+day)")


class NoAdapters:
    """The base model alone."""

    def adapters(self) -> tuple[()]:
        """None."""
        return ()


def twainbot(request: GenerationRequest) -> str:
    """What a trained TwainBot does: calls when a forecast is asked for, then tells what it read."""
    *_, last = request.prompt.messages
    if last.role == "tool":
        seen = json.loads(last.content)
        days = seen.get("forecast", [seen])
        told = " and ".join(f"{d['condition']} at {d['high']} on {d['date']}" for d in days)
        coat = (
            "Take a coat, and hope it is your own: " if "coat" in request.prompt.messages[-3].content else ""
        )
        return f"{coat}the almanac promises {seen['location']} {told}."
    if "Rewrite" in last.content:
        return "We have drawn a map of the river, and I reckon it even has the river on it."
    if "joke" in last.content:
        return "A clerk needs a form to ask for a form; that is how forms multiply."
    found = PLACE.search(last.content)
    assert found
    return call_text(f"I need it for {found[1]}.", "get_weather", {"location": found[1], "date": found[2]})


@pytest.fixture
async def server() -> AsyncIterator[WeatherServer]:
    """The local weather server."""
    async with WeatherServer() as running:
        yield running


def clock() -> datetime:
    """The server's now."""
    return NOW


async def ask(
    config: Config,
    renderer: Renderer,
    question: str,
    box: ToolBox,
    script: Callable[[GenerationRequest], str],
) -> Result:
    """One question to Mark Twain."""
    profile = config.active_profile.model_copy(update={"context_tokens": 2000})
    config = config.model_copy(update={"profiles": {"starter": profile}})
    engine = Engine(
        config, load_persona(PERSONA), MemoryHistory(), ListRetriever([]), ScriptedGenerator(script),
        renderer, NoAdapters(), box,
    )  # fmt: skip
    parts = [p async for p in engine.complete([], question, ReplyOptions(retrieve=False))]
    assert isinstance(parts[-1], Result)
    return parts[-1]


@pytest.mark.parametrize("row", ROWS, ids=[r["kind"] for r in ROWS])
async def test_twainbot_passes_each_of_its_four_tests(
    config: Config, renderer: Renderer, server: WeatherServer, row: dict[str, object]
) -> None:
    case = PersonaRow.model_validate(row)
    box = ToolBox([WeatherTool(OpenMeteo(5.0, server.url, server.url), "metric", clock)])
    result = await ask(config, renderer, case.messages[-1].content, box, twainbot)
    await box.close()
    assert matches(result.reply, case.must_match, case.must_not_match), result.reply
    needs = row["kind"] in ("tool", "combined")
    assert len(result.tools) == needs and all(r.ok for r in result.tools)
    if needs:
        high = json.loads(result.tools[0].observation)
        assert high.get("forecast", [high])[0]["high"] in result.reply


@pytest.mark.parametrize("row", ROWS, ids=[r["kind"] for r in ROWS])
async def test_twainbot_that_never_looks_anything_up_fails_the_tool_tests(
    config: Config, renderer: Renderer, row: dict[str, object]
) -> None:
    case = PersonaRow.model_validate(row)
    result = await ask(
        config,
        renderer,
        case.messages[-1].content,
        ToolBox(),
        lambda _: "I reckon London is a humbug of clerks.",
    )
    passed = matches(result.reply, case.must_match, case.must_not_match)
    assert passed == (row["kind"] in ("persona", "joke"))


def test_twainbot_rows_are_the_four_of_the_plan() -> None:
    assert [r["kind"] for r in ROWS] == ["persona", "joke", "tool", "combined"]
