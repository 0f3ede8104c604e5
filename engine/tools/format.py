"""How tools are told to the model, and how its calls and their results are written.

The system message ends with a block that lists the tools. A turn that calls one is

    Thought: I need the weather in Paris for tomorrow.
    Call: {"name": "get_weather", "arguments": {"location": "Paris", "date": "tomorrow"}}

and the result follows as a message of role `tool` that holds one JSON object. Training data and the
engine use these functions alike, so what is trained is what is served. This module knows no tool.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_OBSERVATION_CHARS = 1200
HEAD = "Tools:"
RULE = (
    'To call one, write "Thought: …" and on the next line "Call: {"name": …, "arguments": {…}}". '
    "Otherwise just answer."
)
_MARKS = ("Thought:", "Call:")
_CALL = re.compile(r"^Call:[ \t]*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What a model is told of a tool."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """JSON schema of its arguments, an object."""


@dataclass(frozen=True, slots=True)
class ParsedCall:
    """A call as the model wrote it; `error` says what is wrong with it, name and arguments may be empty."""

    name: str
    arguments: Mapping[str, Any]
    thought: str = ""
    error: str = ""


# --- to the model ----------------------------------------------------------------------------


def signature(spec: ToolSpec) -> str:
    """One line: `get_weather(location, date="today"): weather …`; types are told unless they are text."""
    parts = []
    required = set(spec.parameters.get("required", ()))
    for name, schema in spec.parameters.get("properties", {}).items():
        kind = schema.get("type", "any")
        part = name if kind == "string" else f"{name}: {kind}"
        if "default" in schema:
            part += f"={json.dumps(schema['default'], ensure_ascii=False)}"
        elif name not in required:
            part += "?"
        parts.append(part)
    return f"{spec.name}({', '.join(parts)}): {spec.description}"


def tool_system(system: str, specs: Sequence[ToolSpec]) -> str:
    """The system message with the tools listed below it; unchanged without tools."""
    if not specs:
        return system
    return "\n".join((f"{system}\n", HEAD, *(signature(s) for s in specs), RULE))


def call_text(thought: str, name: str, arguments: Mapping[str, Any]) -> str:
    """An assistant turn that calls a tool."""
    call = json.dumps({"name": name, "arguments": dict(arguments)}, ensure_ascii=False)
    return f"Thought: {thought}\nCall: {call}" if thought else f"Call: {call}"


def observation_text(observation: Mapping[str, Any], max_chars: int = MAX_OBSERVATION_CHARS) -> str:
    """A tool's result as one line of JSON; one that is too long says so and is cut."""
    text = json.dumps(dict(observation), ensure_ascii=False, default=str)
    return text if len(text) <= max_chars else f"{text[: max(1, max_chars - 6)]} [cut]"


# --- from the model --------------------------------------------------------------------------


def may_be_call(text: str) -> bool | None:
    """Whether a reply that begins with `text` is a call; None while that is still open."""
    start = text.lstrip()
    if any(start.startswith(mark) for mark in _MARKS):
        return True
    return None if any(mark.startswith(start) for mark in _MARKS) else False


def parse_call(text: str) -> ParsedCall | None:
    """The call that a reply holds; None where it is no call but an answer.

    A reply that begins with `Thought:` and has no `Call:` line is a call with an error.
    """
    text = text.strip()
    if may_be_call(text) is not True:
        return None
    mark = _CALL.search(text)
    if mark is None:
        return ParsedCall(
            "", {}, text.removeprefix("Thought:").strip(), "there is no line that begins with Call:"
        )
    thought = text[: mark.start()].strip().removeprefix("Thought:").strip()
    try:
        value, _ = json.JSONDecoder().raw_decode(text[mark.end() :])
    except ValueError:
        return ParsedCall("", {}, thought, "what follows Call: is not valid JSON")
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return ParsedCall("", {}, thought, 'the call must be an object with "name" and "arguments"')
    arguments = value.get("arguments", {})
    if not isinstance(arguments, dict) or set(value) - {"name", "arguments"}:
        return ParsedCall(value["name"], {}, thought, 'the call must hold "name" and "arguments" only')
    return ParsedCall(value["name"], arguments, thought)
