"""Dialogues with tool calls from the corpus, in the engine's own format.

A row of `tools_weather_sgd` or `tools_sgd` holds a long dialogue with several calls. Each call makes
one conversation: the turns before it without their calls, as stored history has them, the call, its
result and the answer. Dates are copied as the user said them, since the engine resolves them; a call
whose arguments nobody said is refused, and so is an answer with numbers that come from nowhere.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from engine.prompt import clean_text
from engine.tools.format import ToolSpec, call_text, observation_text, tool_system
from engine.tools.specs import WEATHER
from engine.tools.weather_text import day_text
from engine.types import Message
from trainer.corpus import Row, tidy
from trainer.skills import systems

FILES = ("tools_weather_sgd", "tools_sgd")
MAX_TURNS = 4  # before the question that is answered by a call
_CALL = re.compile(r"^<tool_call>(.*)</tool_call>$", re.DOTALL)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NUMBER = re.compile(r"\d+")
_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_WEEKDAY = r"(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
SAID_DATE = re.compile(
    rf"\b(?:{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?|\d{{1,2}}(?:st|nd|rd|th)? (?:of )?{_MONTH}"
    rf"|\d{{1,2}}(?:st|nd|rd|th) of this month|(?:next |this )?{_WEEKDAY}"
    r"|the day after tomorrow|tomorrow|today|later today|tonight)\b",
    re.IGNORECASE,
)


def conversations(row: Row, rng: random.Random, refused: Counter[str]) -> Iterator[tuple[Message, ...]]:
    """The conversations of one row, each with a trained call and a trained answer.

    Args:
        row: a row with a system message that lists its tools.
        rng: chooses the system message of each.
        refused: counts why calls were left out.
    """
    messages = row["messages"]
    specs = _specs(messages[0]["content"]) if messages and messages[0]["role"] == "system" else {}
    for i, message in enumerate(messages):
        match = _CALL.match(message["content"])
        if message["role"] != "assistant" or match is None:
            continue
        if (
            i + 2 >= len(messages)
            or messages[i - 1]["role"] != "user"
            or _CALL.match(messages[i + 2]["content"])
        ):
            refused["several calls in a row"] += 1
            continue
        history = _history(messages[1:i])
        call = json.loads(match[1])
        try:
            if call["name"] == "GetWeather":
                made = _weather(call, messages[i + 1]["content"], history)
            else:
                made = _other(call, messages[i + 1]["content"], history)
        except ValueError as exc:
            refused[str(exc)] += 1
            continue
        name, arguments, observation = made
        answer = tidy(clean_text(messages[i + 2]["content"]))
        told = observation_text(observation)
        known = f"{told} {' '.join(m.content for m in history)}"
        if not answer or any(n not in known for n in _NUMBER.findall(answer)):
            refused["the answer holds numbers that the result lacks"] += 1
            continue
        listed = [specs[n] for n in specs if n == call["name"]] or [WEATHER]
        others = [s for n, s in specs.items() if n != call["name"]]
        if others and rng.random() < 0.3:
            listed.append(rng.choice(others))
            rng.shuffle(listed)
        system = tool_system(systems.persona(rng, plain_share=0.6).system, listed)
        thought = f"I call {name}."
        if name == WEATHER.name:
            thought = f"I need the weather in {arguments['location']} ({arguments['date']})."
        yield (
            Message("system", system), *history,
            Message("assistant", call_text(thought, name, arguments), trained=True),
            Message("tool", told), Message("assistant", answer, trained=True),
        )  # fmt: skip


def _history(messages: Sequence[Row]) -> list[Message]:
    """The last turns as stored history has them: what was said, no calls and no results."""
    out: list[Message] = []
    for m in messages:
        if m["role"] == "tool" or _CALL.match(m["content"]):
            continue
        text = tidy(clean_text(m["content"]))
        if out and out[-1].role == m["role"]:
            out[-1] = Message(out[-1].role, f"{out[-1].content}\n{text}")
        elif text:
            out.append(Message("user" if m["role"] == "user" else "assistant", text))
    out = out[-MAX_TURNS - 1 :]
    return out[1:] if out and out[0].role == "assistant" else out


def _weather(
    call: Row, result: str, history: Sequence[Message]
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    found = json.loads(result)
    if not found:
        raise ValueError("the tool found nothing")
    seen, arguments = found[0], call["arguments"]
    said = "today"
    if "date" in arguments:
        dates = [d for m in history if m.role == "user" for d in SAID_DATE.findall(m.content)]
        if not dates:
            raise ValueError("nobody said the date")
        said = dates[-1]
    if not _said(arguments["city"], history):
        raise ValueError("nobody said an argument")
    observation = {
        "location": seen["city"], "date": day_text(date.fromisoformat(seen["date"])),
        "temperature": f"{seen['temperature']}°F", "rain": f"{seen['precipitation']}%",
        "humidity": f"{seen['humidity']}%", "wind": f"{seen['wind']} mph",
    }  # fmt: skip
    return WEATHER.name, {"location": arguments["city"], "date": said}, observation


def _other(call: Row, result: str, history: Sequence[Message]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Any other tool: the first of its results stands for all of them."""
    found = json.loads(result)
    if not isinstance(found, list) or not found:
        raise ValueError("the tool found nothing")
    if not all(_said(str(v), history) for v in call["arguments"].values()):
        raise ValueError("nobody said an argument")
    return _snake(call["name"]), call["arguments"], found[0]


def _said(value: str, history: Sequence[Message]) -> bool:
    """Whether somebody said this; small numbers and switches may be meant by other words."""
    short = value in ("True", "False") or (value.isdigit() and len(value) < 2)
    return short or any(value.lower() in m.content.lower() for m in history)


def _specs(system: str) -> dict[str, ToolSpec]:
    """The tools that a system message lists, by the name that the row uses."""
    out = {}
    for line in system.splitlines():
        if not line.startswith("{"):
            continue
        tool = json.loads(line)
        if tool["name"] == "GetWeather":
            out[tool["name"]] = WEATHER
            continue
        parameters = {n: {"type": "string"} for n in tool["parameters"]}
        needed = [n for n, told in tool["parameters"].items() if "(optional)" not in told]
        text = tool["description"].rstrip(".").lower() + "."
        schema = {"type": "object", "properties": parameters, "required": needed}
        out[tool["name"]] = ToolSpec(_snake(tool["name"]), text, schema)
    return out


def _snake(name: str) -> str:
    return _CAMEL.sub("_", name).lower()
