"""Every part over the real worker and a tiny model: keys, order, lines, decodings, stacks."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from eval_tiny import make_project

from bot.cli import main
from engine.config import Config, load_config
from engine.rows import Case
from engine.types import Turn
from trainer.evaluation.options import Options, chosen_config
from trainer.evaluation.part import PARTS, run_part
from trainer.evaluation.session import Session

ROWS: dict[str, dict[str, Any]] = {
    "analyzer": {"history": [], "message": "When does it open?", "retrieve": True},
    "rewrite": {
        "history": [
            {"role": "user", "content": "Who is Ada?"},
            {"role": "assistant", "content": "A person."},
        ],
        "message": "When was she born?",
        "must_contain": ["Ada"],
    },
    "grounded": {
        "question": "When?",
        "passages": [{"title": "Bridge", "text": "It opens on Monday.", "published_at": "2026-11-02"}],
        "must_match": ["Monday"],
        "must_not_match": [],
    },
    "conflicts": {
        "question": "When?",
        "passages": [{"title": "Bridge", "text": "On Monday.", "published_at": "2026-11-02"}],
        "fresh": ["Monday"],
        "stale": ["Friday"],
    },
    "persona": {"messages": [{"role": "user", "content": "Who are you?"}], "must_match": ["Ada"]},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("eval"))


@pytest.fixture
def config(project: Path) -> Config:
    return load_config(project)


def _with(config: Config, use: Callable[[Session], Awaitable[Any]], options: Options | None = None) -> Any:
    async def run() -> Any:
        async with Session(config, options or Options(), lambda _: None) as session:
            return await use(session)

    return asyncio.run(run())


def _cases(part: str, rows: list[dict[str, Any]]) -> list[Case[Any]]:
    return [Case(i, row, PARTS[part].row.model_validate(row)) for i, row in enumerate(rows, 1)]


# --- the command -----------------------------------------------------------------------------


@pytest.mark.parametrize("part", sorted(ROWS))
def test_eval_json_prints_one_object_with_the_named_keys(
    part: str, project: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cases, out = tmp_path / "cases.jsonl", tmp_path / "deep" / "out.jsonl"
    rows = [{**ROWS[part], "kind": "a"}, {**ROWS[part], "mine": 7}]
    cases.write_text("\n\n".join(json.dumps(r) for r in rows), encoding="utf-8")
    command = ["--config", str(project), "eval", part, "--cases", str(cases), "--json", "--out", str(out)]
    assert main(command) == 0
    printed = capfd.readouterr()
    report = json.loads(printed.out)
    assert report["n"] == 2 and report["errors"] == 0
    assert set(PARTS[part].keys) <= set(report)
    assert all(0 <= report[k] <= 1 for k in PARTS[part].keys if k != "n")
    assert "case" in printed.err
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["row"] for line in lines] == rows and [line["line"] for line in lines] == [1, 3]
    wanted = {"generation", "verdict", "decision", "sources", "prompt_tokens", "new_tokens", "finish"}
    assert all(wanted <= set(line) for line in lines)


def test_eval_limit_takes_the_first_cases(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text("\n".join([json.dumps(ROWS["analyzer"])] * 3), encoding="utf-8")
    main(["--config", str(project), "eval", "analyzer", "--cases", str(cases), "--json", "--limit", "2"])
    assert json.loads(capsys.readouterr().out)["n"] == 2


def test_eval_bad_rows_exit_one_with_an_error_object(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text('{"message": 1}\n', encoding="utf-8")
    assert main(["--config", str(project), "eval", "analyzer", "--cases", str(cases), "--json"]) == 1
    assert "line 1" in json.loads(capsys.readouterr().out)["error"]


def test_eval_unknown_decoding_lists_the_known(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text(json.dumps(ROWS["conflicts"]), encoding="utf-8")
    command = ["--config", str(project), "eval", "conflicts", "--cases", str(cases), "--decoding", "x"]
    assert main([*command, "--json"]) == 1
    assert "greedy, sample, context-aware" in json.loads(capsys.readouterr().out)["error"]


# --- what the engine is asked ----------------------------------------------------------------


def test_part_more_cases_than_the_queue_holds_keep_their_order(config: Config) -> None:
    rows = [{**ROWS["grounded"], "question": f"Number {i}?"} for i in range(14)]
    out = io.StringIO()
    report = _with(config, lambda s: run_part("grounded", s, _cases("grounded", rows), out))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["row"]["question"] for line in lines] == [r["question"] for r in rows]
    assert report["n"] == 14 and report["errors"] == 0


def test_grounded_reply_sees_all_passages_and_searches_the_question(config: Config) -> None:
    passages = [
        {"title": f"T{i}", "text": f"Text {i}.", "published_at": f"2026-11-0{i}"} for i in range(1, 6)
    ]
    out = io.StringIO()
    rows = [{**ROWS["grounded"], "passages": passages}]
    _with(config, lambda s: run_part("grounded", s, _cases("grounded", rows), out))
    line = json.loads(out.getvalue())
    assert [p["title"] for p in line["sources"]] == ["T5", "T4", "T3", "T2", "T1"]  # newest first
    assert line["decision"]["query"] == "When?" and line["decision"]["retrieve"] is True


def test_persona_system_message_replaces_the_personas_and_nothing_is_retrieved(config: Config) -> None:
    async def use(session: Session) -> tuple[Any, Any, Any]:
        row = PARTS["persona"].row
        plain = await PARTS["persona"].answer(session, 0, row.model_validate(ROWS["persona"]))
        other = {"messages": [{"role": "system", "content": "You are the long-named Zelda."}]}
        other["messages"] += ROWS["persona"]["messages"]
        told = await PARTS["persona"].answer(session, 0, row.model_validate({**ROWS["persona"], **other}))
        return plain, told, session.renderer.count("You are the long-named Zelda.")

    plain, told, _ = _with(config, use)
    assert plain.decision.retrieve is False and plain.sources == ()
    assert told.prompt_tokens > plain.prompt_tokens


def test_message_the_engine_refuses_counts_as_wrong_and_says_why(config: Config) -> None:
    rows = [ROWS["persona"], {**ROWS["persona"], "messages": [{"role": "user", "content": "word " * 3000}]}]
    out = io.StringIO()
    report = _with(config, lambda s: run_part("persona", s, _cases("persona", rows), out))
    second = json.loads(out.getvalue().splitlines()[1])
    assert report["errors"] == 1 and second["verdict"] == "error" and "too long" in second["error"]


def test_analyzer_refused_case_is_never_counted_right(config: Config) -> None:
    rows = [{"message": "\u200b", "retrieve": gold} for gold in (True, False)]
    report = _with(config, lambda s: run_part("analyzer", s, _cases("analyzer", rows)))
    assert report["n"] == 2 and report["accuracy"] in (0.0, 0.5)


def test_session_greedy_repeats_itself_and_sampling_follows_the_seed(config: Config) -> None:
    async def say(session: Session) -> list[str]:
        return [(await session.reply(i, "Tell me more.")).reply for i in (0, 0, 1, 2, 3)]

    greedy = _with(config, say)
    assert len(set(greedy)) == 1
    drawn = _with(config, say, Options(decoding="sample", temperature=2.0, seed=5))
    assert drawn[0] == drawn[1] and len(set(drawn)) > 1


def test_session_stack_changes_the_reply_and_base_is_the_bare_model(config: Config) -> None:
    async def use(session: Session) -> dict[str, Any]:
        return {
            str(s): (await session.having(strengths=s).reply(0, "Tell me more.")).reply
            for s in (None, {}, {"identity": 1.0}, {"style": 1.0}, {"identity": 1.0, "style": 1.0})
        }

    said = _with(config, use)
    replies = list(said.values())
    assert replies[0] == replies[4] and len(set(replies[1:])) == 4


def test_session_dials_adapters_as_the_profile_says(config: Config) -> None:
    profile = config.active_profile.model_copy(update={"strengths": {"style": 0.5}})
    dialled = config.model_copy(update={"profiles": {**config.profiles, config.profile: profile}})

    async def use(session: Session) -> dict[str, float]:
        return {a.name: a.strength for a in session.worker.adapters()}

    assert _with(dialled, use) == {"identity": 1.0, "style": 0.5}


def test_session_rewrite_without_history_is_the_message_and_with_it_generated(config: Config) -> None:
    async def use(session: Session) -> tuple[str, str]:
        turns = [Turn("user", "Who is Ada?"), Turn("assistant", "A person.")]
        return await session.rewrite((), " When  was she born? "), await session.rewrite(turns, "When?")

    alone, rewritten = _with(config, use)
    assert alone == "When was she born?" and rewritten != "When?"


def test_chosen_config_model_profile_and_persona_replace_the_configured(
    config: Config, tmp_path: Path
) -> None:
    changed = chosen_config(config, model=str(tmp_path), persona=tmp_path)
    assert changed.model_ref == str(tmp_path) and changed.persona_path == tmp_path
    assert changed.active_profile.context_tokens == config.active_profile.context_tokens


def test_eval_without_an_adapter_that_stack_names_is_an_error(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text(json.dumps(ROWS["persona"]), encoding="utf-8")
    command = ["--config", str(project), "eval", "persona", "--cases", str(cases), "--stack", "lost=1"]
    assert main([*command, "--json"]) == 1
    assert "lost" in json.loads(capsys.readouterr().out)["error"]
