"""Reading case files: what a row may hold, and how bad ones are told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InputError
from engine.rows import read_rows
from trainer.evaluation import cases
from trainer.evaluation.options import Options, decoding_named, stack_strengths


def _file(tmp_path: Path, *rows: dict[str, Any] | str) -> Path:
    path = tmp_path / "cases.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_read_rows_blank_lines_and_unknown_keys_are_no_harm(tmp_path: Path) -> None:
    row = {"message": "hi", "retrieve": False, "history": [], "note": "mine", "kind": "talk"}
    found = read_rows(_file(tmp_path, row, "", "  ", row), cases.AnalyzerRow)
    assert [c.line for c in found] == [1, 4]
    assert found[0].raw["note"] == "mine" and found[0].kind == "talk"


def test_read_rows_several_bad_rows_are_all_named_by_line(tmp_path: Path) -> None:
    good = {"message": "hi", "retrieve": False}
    path = _file(tmp_path, good, {"message": "hi"}, "{oops", {"message": " ", "retrieve": True}, "[1]")
    with pytest.raises(InputError) as caught:
        read_rows(path, cases.AnalyzerRow)
    text = str(caught.value)
    assert "4 bad rows" in text
    for part in ("line 2: retrieve", "line 3: is no JSON", "line 4: message: must not be blank", "line 5"):
        assert part in text
    assert "line 1" not in text


def test_read_rows_word_for_a_boolean_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 1: retrieve"):
        read_rows(_file(tmp_path, {"message": "hi", "retrieve": "yes"}), cases.AnalyzerRow)


def test_read_rows_limit_checks_the_rest_all_the_same(tmp_path: Path) -> None:
    good = {"message": "hi", "retrieve": False}
    assert len(read_rows(_file(tmp_path, good, good, good), cases.AnalyzerRow, 2)) == 2
    with pytest.raises(InputError, match="line 3"):
        read_rows(_file(tmp_path, good, good, "{"), cases.AnalyzerRow, 2)


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_read_rows_empty_file_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="holds no rows"):
        read_rows(path, cases.AnalyzerRow)


def test_read_rows_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl cannot be read"):
        read_rows(tmp_path / "none.jsonl", cases.AnalyzerRow)


def test_grounded_row_bad_regex_is_told_with_its_text(tmp_path: Path) -> None:
    row = {"question": "q", "passages": [], "must_match": ["("]}
    with pytest.raises(InputError, match=r"line 1: must_match\.0: '\(' is no regular expression"):
        read_rows(_file(tmp_path, row), cases.GroundedRow)


def test_grounded_row_without_any_pattern_would_always_pass_and_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="would pass whatever"):
        read_rows(_file(tmp_path, {"question": "q", "passages": []}), cases.GroundedRow)


def test_passages_date_time_and_no_date_are_read() -> None:
    row = cases.GroundedRow.model_validate(
        {
            "question": "q",
            "must_match": ["x"],
            "passages": [
                {"title": "A", "text": "a", "published_at": "2026-11-20"},
                {"title": "B", "text": "b", "published_at": "2026-11-20T08:30:00+02:00"},
                {"title": "C", "text": "c", "published_at": None},
                {"title": "D", "text": "d"},
            ],
        }
    )
    a, b, c, d = cases.passages(row.passages)
    assert a.published_at == datetime(2026, 11, 20, tzinfo=UTC)
    assert b.published_at == datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
    assert c.published_at is None and d.published_at is None
    assert [p.title for p in (a, b, c, d)] == ["A", "B", "C", "D"]


def test_passages_bad_date_is_told(tmp_path: Path) -> None:
    row = {
        "question": "q",
        "must_match": ["x"],
        "passages": [{"title": "A", "text": "a", "published_at": "last May"}],
    }
    with pytest.raises(InputError, match=r"passages\.0\.published_at: 'last May' is no ISO date"):
        read_rows(_file(tmp_path, row), cases.GroundedRow)


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "assistant", "content": "hi"}],
        [
            {"role": "user", "content": "hi"},
            {"role": "system", "content": "x"},
            {"role": "user", "content": "a"},
        ],
        [{"role": "robot", "content": "hi"}],
    ],
)
def test_persona_row_that_does_not_end_with_a_user_is_refused(
    tmp_path: Path, messages: list[dict[str, str]]
) -> None:
    with pytest.raises(InputError, match="line 1"):
        read_rows(_file(tmp_path, {"messages": messages, "must_match": ["x"]}), cases.PersonaRow)


def test_stack_strengths_words_and_numbers() -> None:
    assert stack_strengths(["base"]) == {}
    assert stack_strengths(["identity"]) == {"identity": 1.0}
    assert stack_strengths(["both"]) == {"identity": 1.0, "style": 1.0}
    assert stack_strengths(["identity=0.5", "other=1"]) == {"identity": 0.5, "other": 1.0}
    for bad in (["loud"], ["identity=2"], ["=1"], ["identity=x"], ["base", "style"]):
        with pytest.raises(InputError, match="--stack"):
            stack_strengths(bad)


def test_decoding_unknown_name_lists_all() -> None:
    with pytest.raises(InputError, match="greedy, sample, context-aware"):
        decoding_named("beam")


def test_options_temperature_out_of_range_is_told() -> None:
    with pytest.raises(InputError, match="--temperature is 9"):
        Options(temperature=9.0)


def test_rows_null_where_a_list_or_text_may_be_absent_is_taken_as_empty(tmp_path: Path) -> None:
    row = {
        "question": "q",
        "passages": [{"title": None, "text": "a", "url": None, "published_at": None}],
        "must_match": ["x"],
        "must_not_match": None,
    }
    (found,) = read_rows(_file(tmp_path, row), cases.GroundedRow)
    assert found.row.must_not_match == () and cases.passages(found.row.passages)[0].title == "Document"
    (asked,) = read_rows(
        _file(tmp_path, {"message": "m", "retrieve": True, "history": None}), cases.AnalyzerRow
    )
    assert asked.row.history == ()


def test_retrieval_row_whole_numbers_as_ids_are_taken_as_text(tmp_path: Path) -> None:
    (found,) = read_rows(_file(tmp_path, {"query": "q", "relevant": [7, "x"]}), cases.RetrievalRow)
    assert found.row.relevant == ("7", "x")
