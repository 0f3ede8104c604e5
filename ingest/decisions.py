"""What a person decided about rows: a JSON-lines file that later runs obey.

    {"id": "0f3a…", "decision": "reject", "reason": "wrong speaker"}

The last line about a row counts. Knows nothing of the rows themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InputError
from engine.prompt import clean_text
from ingest.decoding import read_text
from ingest.outfiles import write_files

CHOICES = ("accept", "reject")
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Decision:
    """One row's."""

    id: str
    decision: str
    reason: str = ""


def load_decisions(path: Path) -> dict[str, Decision]:
    """Decisions by id; a file that does not exist holds none.

    Raises:
        InputError: a line is malformed; a decision must not be lost silently.
    """
    return parse_decisions(read_text(path), path.name) if path.exists() else {}


def parse_decisions(text: str, where: str) -> dict[str, Decision]:
    """The same from the file's text."""
    out: dict[str, Decision] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            made = Decision(str(row["id"]), str(row["decision"]), str(row.get("reason") or ""))
            _check(made)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
            raise InputError(
                f"{where}:{number} is no decision: {exc}. "
                'A line is {"id": …, "decision": "accept"} or "reject".'
            ) from exc
        out.pop(made.id, None)
        out[made.id] = made
    return out


def _check(made: Decision) -> None:
    if not _ID.fullmatch(made.id):
        raise ValueError(f"{made.id!r} is no row's id (16 hex digits)")
    if made.decision not in (*CHOICES, "clear"):
        raise ValueError(f"{made.decision!r} is neither accept, reject nor clear")


def save_decisions(
    path: Path, made: Iterable[Decision], known: Mapping[str, Decision]
) -> dict[str, Decision]:
    """Add decisions to the known ones and write the file; `clear` takes one back.

    Raises:
        InputError: an id or a choice is malformed.
        StorageError: the file cannot be written.
    """
    out = dict(known)
    for decision in made:
        try:
            _check(decision)
        except ValueError as exc:
            raise InputError(f"{exc}.") from exc
        out.pop(decision.id, None)
        if decision.decision != "clear":
            out[decision.id] = decision
    out = {key: value for key, value in out.items() if value.decision != "clear"}
    lines = []
    for decision in out.values():
        row = {"id": decision.id, "decision": decision.decision}
        if reason := " ".join(clean_text(decision.reason).split()):
            row["reason"] = reason
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    write_files({path: "".join(lines)})
    return out
