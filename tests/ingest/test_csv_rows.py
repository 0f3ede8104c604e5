"""Tables of posts: columns by name, HTML cleaned, encodings and delimiters found, every row counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import InputError
from ingest.csv_rows import CsvOptions, clean_cell, csv_pairs
from ingest.jsonl import Row
from ingest.ledger import Stage


def read(tmp_path: Path, body: str | bytes, **options: Any) -> tuple[list[Row], Stage]:
    path = tmp_path / "posts.csv"
    path.write_bytes(body.encode() if isinstance(body, str) else body)
    stage = Stage("rows")
    rows = list(csv_pairs(path, CsvOptions(**{"text": "text", **options}), stage))
    assert stage.came_in == stage.went_out + sum(stage.dropped.values())
    return rows, stage


def test_csv_rows_become_pairs_and_bad_ones_are_counted(tmp_path: Path) -> None:
    body = (
        'id,text,topic\n1,"Hello, <b>big</b>\nworld &amp; all",sea\n2,hello there,sun\n3,Hello   THERE,x\n'
        "4,,x\n5,one,x\n6,too,many,cells\n7,RT @bob: not mine at all,x\n"
    )
    rows, stage = read(tmp_path, body, templates=("Write about {topic}.",), source="me")
    assert [row["instruction"] for row in rows] == [["Write about sea."], ["Write about sun."]]
    assert rows[0]["response"].split() == ["Hello,", "big", "world", "&", "all"]
    assert list(rows[0]) == ["instruction", "response", "source", "id"] and rows[0]["source"] == "me"
    assert dict(stage.dropped) == {
        "same text as an earlier row": 1,
        "no text": 1,
        "shorter than 2 words": 1,
        "another number of cells than the header": 1,
        "somebody else's post": 1,
    }


@pytest.mark.parametrize(
    "body",
    [
        "text;who\nSchöne Grüße, alle;a\n".encode("cp1252"),
        "text\twho\nSchöne Grüße, alle\ta\n".encode("utf-16"),
        "\ufefftext|who\r\nSchöne Grüße, alle|a\r\n".encode(),
    ],
)
def test_csv_encoding_and_delimiter_are_found(tmp_path: Path, body: bytes) -> None:
    rows, _ = read(tmp_path, body)
    assert rows[0]["response"] == "Schöne Grüße, alle"


def test_csv_missing_column_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'text'; it has: a, b"):
        read(tmp_path, "a,b\n1,2\n")
    with pytest.raises(InputError, match="no column 'mood'"):
        read(tmp_path, "text,b\n1,2\n", templates=("In {mood}.",))
    with pytest.raises(InputError, match="more than once"):
        read(tmp_path, "text,text\n1,2\n")


def test_csv_prompt_column_and_its_gaps(tmp_path: Path) -> None:
    rows, stage = read(tmp_path, "q,text\nHow?,like this\n,no question here\n", prompt="q")
    assert [(row["instruction"], row["response"]) for row in rows] == [(["How?"], "like this")]
    assert dict(stage.dropped) == {"no prompt": 1}


def test_csv_template_cannot_reach_into_objects(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column 'text\.__class__'"):
        read(tmp_path, "text\nhello you\n", templates=("{text.__class__}",))
    with pytest.raises(InputError, match="brace"):
        read(tmp_path, "text\nhello you\n", templates=("{text",))


def test_csv_empty_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty"):
        read(tmp_path, " \n")
    with pytest.raises(InputError, match="no text table"):
        read(tmp_path, b"text\x00\x01\n")


def test_clean_cell_hearts_and_comparisons_stay() -> None:
    assert clean_cell("I <3 you & a < b") == "I <3 you & a < b"
    assert clean_cell("a<br>b<script>x()</script>&quot;").split() == ["a", "b", '"']
