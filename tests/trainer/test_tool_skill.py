"""Generated and converted tool use: the engine's own format, answers that hold, held-out material apart."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from bot.cli import main
from engine.errors import ToolError
from engine.prompt import Renderer
from engine.tools.dates import resolve
from engine.tools.format import may_be_call, parse_call, tool_system
from engine.tools.specs import WEATHER, WeatherArguments
from engine.tools.weather_text import WMO
from trainer.corpus_tools import conversations
from trainer.pairs import Ledger, pair_messages, read_pairs
from trainer.skills import tools, tools_lines
from trainer.skills.case import Case, reserved
from trainer.skills.tools_more import OTHERS
from trainer.skills.tools_places import CITIES
from trainer.skills.tools_weather import Day, Weather, answer, day, place

ROOT = Path(__file__).parents[2]


def cases(n: int, held_out: bool = False, seed: int = 1) -> list[Case]:
    """The first cases of a seed."""
    rng = random.Random(seed)
    return [tools.generate(rng, held_out) for _ in range(n)]


@pytest.mark.parametrize("held_out", [False, True])
def test_tool_cases_are_clean_and_their_answers_hold(held_out: bool) -> None:
    for case in cases(600, held_out):
        roles = [m.role for m in case.messages]
        assert roles[0] == "system" and roles[-1] == "assistant" and case.messages[-1].trained
        assert all(a != b for a, b in pairwise(roles))
        for message in case.messages:
            assert message.content and message.content == message.content.strip()
            assert "  " not in message.content.replace("\n  ", "")
            if message.role == "user" or (message.role == "assistant" and not may_be_call(message.content)):
                assert not re.search(r"[{}|]", message.content), message.content
        for wanted in case.expect:
            assert wanted.lower() in case.answer.lower(), (case.kind, wanted, case.answer)


def test_tool_calls_parse_and_pass_the_tools_own_checks() -> None:
    seen = 0
    for case in cases(600):
        for before, message in pairwise(case.messages):
            if message.role != "assistant" or not message.trained or not may_be_call(message.content):
                continue
            call = parse_call(message.content)
            assert call is not None and not call.error and before.role in ("user", "tool")
            assert f"\n{call.name}(" in case.messages[0].content  # it was listed
            if call.name == WEATHER.name:
                seen += 1
                arguments = WeatherArguments.model_validate(dict(call.arguments))
                said = " ".join(m.content for m in case.messages if m.role == "user").lower()
                place_said = arguments.location.lower() in said or arguments.location in (
                    "San Francisco",
                    "New York",
                    "Los Angeles",
                )
                assert place_said and (arguments.date == "today" or arguments.date.lower() in said), case
    assert seen > 250


def test_tool_case_dates_are_days_that_the_engine_can_resolve() -> None:
    rng = random.Random(3)
    for _ in range(800):
        drawn = day(rng)
        try:
            resolve(drawn.argument, date(2026, 11, 21))
        except ToolError as exc:
            assert "in the past" in str(exc) or re.search("29.*Feb|Feb.*29", drawn.argument), drawn


def test_tool_case_numbers_in_answers_come_from_the_result() -> None:
    for case in cases(600):
        if case.messages[-2].role != "tool":
            continue
        known = " ".join(m.content for m in case.messages[:-1])
        assert all(n in known for n in re.findall(r"\d+", case.answer)), case.answer


def test_tool_verdicts_fit_the_weather() -> None:
    rng = random.Random(5)
    where, when = place(rng), Day("tomorrow", "Tomorrow", "tomorrow", 1, ("Sunday 22 November",))
    warm = Weather("clear skies", 24, 15, 5, 8, True)
    cold = Weather("snow", -2, -9, 90, 8, True)
    assert answer(rng, "coat", cold, where, when, False).startswith(("Yes", "You will want"))
    assert answer(rng, "coat", warm, where, when, False).startswith(("No", "You won't"))
    assert answer(rng, "rain", warm, where, when, False).startswith(("No", "Hardly"))
    assert answer(rng, "snow", cold, where, when, False).startswith("Yes")
    assert answer(rng, "outdoors", cold, where, when, False).startswith(("Better not", "I would stay"))


def test_tool_cases_held_out_places_and_questions_never_meet_training() -> None:
    kept = {city for city, _ in CITIES if reserved(city)}
    assert len(kept) > 8
    last = [
        asks[-1].split("{p}")[0] for asks in tools_lines.ASKS.values() if len(asks[-1].split("{p}")[0]) > 12
    ]
    assert len(last) >= 4
    other = OTHERS[-1].spec.name
    for case in cases(800):
        text = "\n".join(m.content for m in case.messages)
        assert not any(start in text for start in last), text
        calls = [c for m in case.messages if m.role == "assistant" and (c := parse_call(m.content))]
        assert other not in {c.name for c in calls}
        assert not kept & {str(c.arguments.get("location")).split(",")[0] for c in calls}
    held = cases(400, held_out=True)
    assert any(c.kind == "call" for c in held) and any(
        start in m.content for c in held for m in c.messages for start in last
    )


def test_tool_cases_history_before_the_question_holds_no_calls() -> None:
    for case in cases(400):
        roles = [m.role for m in case.messages]
        first = roles.index("tool") if "tool" in roles else len(roles)
        for message in case.messages[: first - 1]:
            assert (
                message.role != "assistant"
                or not may_be_call(message.content)
                or message is case.messages[-1]
            )


def test_tool_cases_fit_the_starters_window() -> None:
    from transformers import AutoTokenizer

    renderer = Renderer(AutoTokenizer.from_pretrained(ROOT / "models" / "starter"))
    lengths = sorted(len(renderer.render(c.messages).ids) for c in cases(300))
    assert lengths[len(lengths) // 2] < 360 and lengths[int(0.97 * len(lengths))] <= 512


def test_generate_same_seed_makes_same_tool_cases() -> None:
    assert cases(40) == cases(40) and cases(40) != cases(40, seed=2)


def test_conditions_read_well_behind_expect() -> None:
    assert all(name == name.lower() and not name.startswith(("a ", "it ")) for name in WMO.values())


# --- corpus ----------------------------------------------------------------------------------

LISTED = (
    "You are a helpful assistant. You can call these tools:\n"
    '{"name": "GetWeather", "description": "Get the weather", '
    '"parameters": {"city": "City", "date": "Date (optional)"}}\n'
    '{"name": "FindBus", "description": "Find a bus", '
    '"parameters": {"to": "Where", "class": "Class (optional)"}}\n'
    "To call a tool, reply with <tool_call>{}</tool_call>."
)


def dialogue(*turns: str) -> dict[str, object]:
    """A corpus row; turns alternate, `!` begins a call and `=` a result."""
    messages = [{"role": "system", "content": LISTED}]
    for text in turns:
        if text[0] == "!":
            messages.append({"role": "assistant", "content": f"<tool_call>{text[1:]}</tool_call>"})
        elif text[0] == "=":
            messages.append({"role": "tool", "content": text[1:]})
        else:
            role = "user" if messages[-1]["role"] in ("system", "assistant") else "assistant"
            messages.append({"role": role, "content": text})
    return {"source": "sgd", "messages": messages}


SEEN = (
    '=[{"city": "Dixon", "date": "2019-03-07", "humidity": "16", "precipitation": "1", '
    '"temperature": "80", "wind": "7"}]'
)
CALL = '!{"name": "GetWeather", "arguments": {"city": "Dixon", "date": "2019-03-07"}}'


def test_conversations_weather_dialogue_becomes_our_format() -> None:
    row = dialogue(
        "weather on March 7th?", "In which city?", "In Dixon.", CALL, SEEN, "It will be 80 degrees."
    )
    refused: Counter[str] = Counter()
    (made,) = conversations(row, random.Random(0), refused)
    assert [m.role for m in made] == ["system", "user", "assistant", "user", "assistant", "tool", "assistant"]
    call = parse_call(made[4].content)
    assert call is not None and call.arguments == {"location": "Dixon", "date": "March 7th"}
    assert (
        json.loads(made[5].content)["temperature"] == "80°F"
        and json.loads(made[5].content)["date"] == "Thursday 7 March"
    )
    assert [m.trained for m in made] == [False, False, False, False, True, False, True]
    assert "get_weather(location" in made[0].content and not refused


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (dialogue("weather in Dixon?", CALL, SEEN, "80 degrees."), "nobody said the date"),
        (dialogue("weather on March 7th?", CALL, SEEN, "80 degrees."), "nobody said an argument"),
        (dialogue("Dixon on March 7th?", CALL, SEEN, "91 degrees."), "numbers that the result lacks"),
        (dialogue("Dixon on March 7th?", CALL, "=[]", "Nothing found."), "found nothing"),
    ],
)  # fmt: skip
def test_conversations_what_cannot_be_learned_is_refused_with_its_reason(
    row: dict[str, object], why: str
) -> None:
    refused: Counter[str] = Counter()
    assert list(conversations(row, random.Random(0), refused)) == []
    assert [why in reason for reason in refused] == [True] and sum(refused.values()) == 1


def test_conversations_later_call_is_asked_without_the_earlier_one() -> None:
    row = dialogue(
        "Dixon on March 7th?", CALL, SEEN, "80 degrees.", "Find me a bus to Dixon.",
        '!{"name": "FindBus", "arguments": {"to": "Dixon"}}', '=[{"to": "Dixon", "leaves": "9:30"}]',
        "It leaves at 9:30.",
    )  # fmt: skip
    _, second = conversations(row, random.Random(0), Counter())
    assert not any("get_weather" in m.content for m in second[1:]) and "80 degrees." in second[2].content
    assert "find_bus(to, class?): find a bus." in second[0].content
    call = parse_call(second[-3].content)
    assert call is not None and call.name == "find_bus"


# --- the written set -------------------------------------------------------------------------


def test_tools_data_command_writes_rows_that_the_trainer_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], renderer: Renderer
) -> None:
    out = tmp_path / "tools.jsonl"
    twain = ROOT / "personas" / "mark-twain"
    assert (
        main(
            [
                "train",
                "tools-data",
                "--out",
                str(out),
                "--count",
                "150",
                "--seed",
                "4",
                "--persona",
                str(twain),
                "--json",
            ]
        )
        == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert (
        report["rows"] == 150 == report["calls"] + report["answers"]
        and min(report["calls"], report["answers"]) > 40
    )
    ledger = Ledger()
    pairs = read_pairs(out, ledger)
    assert len(pairs) == 150 and ledger.refused == []
    for pair in pairs:
        messages = pair_messages(pair, "another persona")
        assert (
            messages[0].content.startswith("You are Mark Twain")
            and "get_weather(location" in messages[0].content
        )
        assert (
            not any(word in messages[-1].content for word in ("condition", '"high"'))
            or "Call:" in messages[-1].content
        )
    called = next(p for p in pairs if p.response.startswith("Thought:"))
    rendered = renderer.render(pair_messages(called, ""), final_only=True)
    trained = renderer.tokenizer.decode([i for i, m in zip(rendered.ids, rendered.mask, strict=True) if m])
    assert trained.startswith("Thought:") and called.response in trained


def test_tools_data_same_seed_writes_the_same_file(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert (
            main(["train", "tools-data", "--out", str(tmp_path / name), "--count", "60", "--seed", seed]) == 0
        )
    a, b, c = (Path(tmp_path / n).read_bytes() for n in "abc")
    assert a == b and a != c


def test_tools_data_without_a_persona_heads_rows_with_many(tmp_path: Path) -> None:
    assert main(["train", "tools-data", "--out", str(tmp_path / "x"), "--count", "100"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "x").read_text(encoding="utf-8").splitlines()]
    assert len({r["messages"][0]["content"] for r in rows}) > 30 and len({r["id"] for r in rows}) == 100


def test_tools_data_bad_count_says_what_is_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "tools-data", "--out", str(tmp_path / "x"), "--count", "0"]) == 1
    assert "allowed: 1 to" in capsys.readouterr().err


def test_tool_system_of_the_generator_is_what_the_engine_writes() -> None:
    case = next(c for c in cases(50) if c.kind == "general" and "Tools:" in c.messages[0].content)
    head = case.messages[0].content
    if head.count("): ") == 1:
        assert head == tool_system(head.split("\n\nTools:")[0], [WEATHER])
    assert "\n\nTools:\n" in head
