"""Dialogues on disk as JSON lines: a head line for each dialogue, then its utterances.

    {"dialogue": "interview", "recorded_at": "2024-05-01T00:00:00+00:00"}
    {"speaker": "Ada", "text": "Hello.", "start_s": 0.0, "end_s": 1.2}

Any importer may write it, and `ingest pairs` reads it. Knows nothing of other formats.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.errors import InputError
from ingest.dialogue import Dialogue, Utterance
from ingest.ledger import Stage
from ingest.outfiles import write_files

_FIELDS = tuple(f.name for f in fields(Utterance))


def write_dialogues(path: Path, dialogues: Iterable[Dialogue]) -> None:
    """Write them all, or leave the file as it was. Raises StorageError."""
    write_files({path: dialogues_text(dialogues)})


def dialogues_text(dialogues: Iterable[Dialogue]) -> str:
    """The file's text."""
    lines = []
    for dialogue in dialogues:
        when = dialogue.recorded_at.isoformat() if dialogue.recorded_at else None
        lines.append(json.dumps({"dialogue": dialogue.source, "recorded_at": when}, ensure_ascii=False))
        for said in dialogue.utterances:
            row = {name: getattr(said, name) for name in _FIELDS}
            row["at"] = said.at.isoformat() if said.at else None
            row = {k: v for k, v in row.items() if k in ("speaker", "text") or v not in (None, "")}
            lines.append(json.dumps(row, ensure_ascii=False))
    return "".join(line + "\n" for line in lines)


def is_dialogue_file(text: str) -> bool:
    """Whether the first line is a head line."""
    try:
        head = json.loads(text.lstrip().split("\n", 1)[0])
    except (ValueError, RecursionError):
        return False
    return isinstance(head, dict) and isinstance(head.get("dialogue"), str)


def parse_dialogues(text: str, where: str, stage: Stage) -> list[Dialogue]:
    """Dialogues of a file; counts its utterances.

    Raises:
        InputError: a line is malformed; names it.
    """
    out: list[Dialogue] = []
    said: list[Utterance] = []
    head: dict[str, Any] | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError("it is no object")
            if "dialogue" in row:
                if head:
                    out.append(_dialogue(head, said))
                head, said = row, []
                _when(head.get("recorded_at"))
            elif head is None:
                raise ValueError('the first line must be {"dialogue": name}')
            else:
                said.append(_utterance(row))
                stage.keep()
        except (ValueError, TypeError, KeyError, RecursionError) as exc:
            raise InputError(f"{where}:{number} is no line of a dialogue file: {exc}.") from exc
    if head is None:
        raise InputError(f"{where} holds no dialogue.")
    return [*out, _dialogue(head, said)]


def _dialogue(head: dict[str, Any], said: list[Utterance]) -> Dialogue:
    return Dialogue(str(head["dialogue"]), tuple(said), _when(head.get("recorded_at")))


def _when(value: object) -> datetime | None:
    return datetime.fromisoformat(str(value)) if value else None


def _utterance(row: dict[str, Any]) -> Utterance:
    unknown = set(row) - set(_FIELDS)
    if unknown:
        raise ValueError(f"unknown key {sorted(unknown)[0]!r}")
    for key in ("start_s", "end_s", "confidence"):
        if row.get(key) is not None and not (isinstance(row[key], int | float) and math.isfinite(row[key])):
            raise ValueError(f"{key} must be a number")
    if not isinstance(row["speaker"], str) or not isinstance(row["text"], str):
        raise ValueError("speaker and text must be text")
    return Utterance(**{**row, "at": _when(row.get("at"))})
