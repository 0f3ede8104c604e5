"""The evaluation cases that ship with personas can be read, and their documents exist."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.rows import read_rows
from trainer.evaluation.part import PARTS

PERSONAS = Path(__file__).parents[2] / "personas"
FILES = sorted(PERSONAS.glob("*/eval/*.jsonl"))


@pytest.mark.parametrize(
    "path", [f for f in FILES if f.stem in PARTS], ids=lambda p: f"{p.parts[-3]}-{p.stem}"
)
def test_persona_cases_are_rows_of_their_part(path: Path) -> None:
    assert read_rows(path, PARTS[path.stem].row, None)


def test_mark_twain_retrieval_cases_name_documents_that_are_there() -> None:
    folder = PERSONAS / "mark-twain" / "eval"
    known = {json.loads(line)["id"] for line in (folder / "documents.jsonl").read_text("utf-8").splitlines()}
    for line in (folder / "retrieval.jsonl").read_text("utf-8").splitlines():
        assert set(json.loads(line)["relevant"]) <= known
