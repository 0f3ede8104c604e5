"""Documents into pairs: every answer is the document's own text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.cli import main
from engine.errors import InputError
from trainer.documents_set import GAP, build_documents_set

FERRY = """---
title: "The Lantern Ferry"
source: "ferry.pdf"
---

# The Lantern Ferry

The Lantern Ferry is a small boat that crosses the Ash River every evening. It was built in 1911.

## Tickets

A return ticket costs 4 dollars. Children under six travel free. The booth closes at nine.
"""


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, object]]:
    (tmp_path / "ferry.md").write_text(FERRY, "utf-8")
    report = build_documents_set([tmp_path / "ferry.md"], tmp_path / "pairs.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text("utf-8").splitlines()]
    assert report["pairs"] == len(rows) == sum(report["kinds"].values())
    return rows


def of(rows: list[dict[str, object]], kind: str) -> list[tuple[object, object]]:
    return [(row["instruction"], row["response"]) for row in rows if row["kind"] == kind]


def test_pairs_answers_are_sentences_of_the_document_with_its_source(rows: list[dict[str, object]]) -> None:
    flat = " ".join(FERRY.split())
    assert all(str(row["response"]) in flat and row["source"] == "ferry.pdf" for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)


def test_pairs_heading_asks_about_its_section(rows: list[dict[str, object]]) -> None:
    (pair,) = of(rows, "heading")
    assert pair[0] == ["What does The Lantern Ferry say about Tickets?"] and "4 dollars" in str(pair[1])


def test_pairs_definition_asks_what_the_subject_is(rows: list[dict[str, object]]) -> None:
    # "It was built …" has no subject that a question could name.
    assert [question for question, _ in of(rows, "definition")] == [["What is the Lantern Ferry?"]]


def test_pairs_cloze_hides_a_number_or_name_that_the_answer_holds(rows: list[dict[str, object]]) -> None:
    asked = {str(answer): str(question) for question, answer in of(rows, "cloze")}
    assert f"costs {GAP} dollars" in asked["A return ticket costs 4 dollars."]
    assert "1911" not in asked["It was built in 1911."]


def test_pairs_continuation_goes_on_where_the_question_ends(rows: list[dict[str, object]]) -> None:
    flat = " ".join(FERRY.split())
    for question, answer in of(rows, "continuation"):
        begin = str(question[0]).partition(": ")[2]  # type: ignore[index]
        assert f"{begin} {answer}" in flat


def test_train_documents_command_refuses_bad_file_by_name_and_makes_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ferry.md").write_text(FERRY, "utf-8")
    (tmp_path / "in" / "latin.md").write_bytes(b"\xff\xfe\xfa no text")
    status = main(["train", "documents", str(tmp_path / "in"), "--out", str(tmp_path / "p.jsonl"), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert status == 1 and report["documents"] == 1 and "latin.md" in report["refused"][0]
    assert report["pairs"] == len((tmp_path / "p.jsonl").read_text("utf-8").splitlines())


def test_build_documents_set_nothing_usable_says_what_is_needed(tmp_path: Path) -> None:
    (tmp_path / "short.md").write_text("Too short.", "utf-8")
    with pytest.raises(InputError, match="whole sentences"):
        build_documents_set([tmp_path], tmp_path / "pairs.jsonl")
    assert not (tmp_path / "pairs.jsonl").exists()
