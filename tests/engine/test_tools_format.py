"""How tools are listed, and what is taken for a call."""

from __future__ import annotations

import json

import pytest

from engine.prompt import Renderer
from engine.tools.format import (
    ToolSpec,
    call_text,
    may_be_call,
    observation_text,
    parse_call,
    signature,
    tool_system,
)
from engine.tools.specs import WEATHER
from engine.types import Message

CALL = (
    'Thought: I need it.\nCall: {"name": "get_weather", "arguments": {"location": "Paris", "date": "today"}}'
)


def test_tool_system_lists_each_tool_on_a_line_below_the_persona() -> None:
    lines = tool_system("You are Ada.", [WEATHER]).splitlines()
    assert lines[0] == "You are Ada." and lines[2] == "Tools:"
    assert lines[3] == 'get_weather(location, date="today"): weather forecast for a place.'
    assert tool_system("You are Ada.", ()) == "You are Ada."


def test_signature_tells_types_other_than_text_and_what_may_be_left_out() -> None:
    fields = {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {"type": "number", "default": 2}}
    spec = ToolSpec("f", "does it.", {"properties": fields, "required": ["a"]})
    assert signature(spec) == "f(a: integer, b?, c: number=2): does it."


def test_parse_call_reads_what_call_text_wrote() -> None:
    arguments = {"location": 'Val d\'Or "Nord"', "date": "3 days\nfrom now"}
    call = parse_call(call_text("I need it.", "get_weather", arguments))
    assert call is not None and not call.error
    assert (call.name, call.arguments, call.thought) == ("get_weather", arguments, "I need it.")
    assert parse_call(CALL + " and then some") == parse_call(CALL)


@pytest.mark.parametrize(
    "text", ["It is sunny.", "", "Thoughts are free.", 'He said: "Call: me"', "Calling it a day."]
)
def test_parse_call_an_answer_is_no_call(text: str) -> None:
    assert parse_call(text) is None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Thought: I need it.", "no line that begins with Call:"),
        ('Call: {"name": "get_weather", "arguments": {"location": "Paris"', "not valid JSON"),
        ("Call: get_weather(Paris)", "not valid JSON"),
        ("Call: [1]", '"name" and "arguments"'),
        ('Call: {"name": 3, "arguments": {}}', '"name" and "arguments"'),
        ('Call: {"name": "f", "arguments": [1]}', '"name" and "arguments" only'),
        ('Call: {"name": "f", "arguments": {}, "then": "rm"}', '"name" and "arguments" only'),
    ],
)
def test_parse_call_malformed_says_what_is_wrong(text: str, error: str) -> None:
    call = parse_call(text)
    assert call is not None and error in call.error


def test_may_be_call_holds_back_only_while_it_is_open() -> None:
    assert [may_be_call(CALL[:n]) for n in range(1, 9)] == [None] * 7 + [True]
    assert may_be_call("Tho mas") is False and may_be_call("T") is None and may_be_call("It") is False
    assert may_be_call("  Call: {") is True


def test_observation_text_too_long_is_cut_and_says_so() -> None:
    text = observation_text({"a": "b" * 5000}, 300)
    assert len(text) == 300 and text.endswith("[cut]")
    assert json.loads(observation_text({"a": 1})) == {"a": 1}


def test_renderer_template_without_a_tool_role_tells_results_as_the_user(renderer: Renderer) -> None:
    class Strict:
        """A tokenizer whose template takes users and assistants in turn, and nobody else."""

        chat_template = "strict"
        all_special_tokens: tuple[str, ...] = ()

        def get_added_vocab(self) -> dict[str, int]:
            return {}

        def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
            return {"input_ids": list(text.encode())}

        def apply_chat_template(self, rows: list[dict[str, str]], **_: object) -> str:
            if [r["role"] for r in rows] != ["user", "assistant"] * (len(rows) // 2) + ["user"] * (
                len(rows) % 2
            ):
                raise ValueError("roles must alternate")
            return "".join(f"<{r['role']}>{r['content']}" for r in rows)

    messages = (
        Message("system", "You are Ada."), Message("user", "Weather?"),
        Message("assistant", "Call: {}"), Message("tool", '{"high": "3°C"}'),
    )  # fmt: skip
    shown = bytes(Renderer(Strict()).prompt(messages).ids).decode()
    assert shown == '<user>You are Ada.\n\nWeather?<assistant>Call: {}<user>Tool result: {"high": "3°C"}'
    ours = renderer.tokenizer.decode(renderer.prompt(messages).ids)
    assert "<|start_header_id|>tool<|end_header_id|>" in ours and "Tool result" not in ours
