"""The review of a pairs file: each row checked again, on its own and against the others.

Rows are read strictly: what the trainer would refuse is listed with its line. Knows nothing of HTML.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from engine.errors import InputError
from engine.prompt import clean_text
from ingest.decisions import Decision
from ingest.decoding import read_text
from ingest.ledger import Ledger
from ingest.neardup import near_duplicates
from ingest.pii import PLACEHOLDER, Scrubber
from ingest.pii_patterns import PatternChecker
from ingest.pseudonyms import Placeholders
from ingest.rows import word_count

FLAGS = (
    "personal data found",
    "personal data replaced",
    "low confidence",
    "too short",
    "non-alternating",
    "near-duplicate",
    "same id twice",
)
_KEYS = {"instruction", "response", "source", "id"}


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """When a row is flagged."""

    min_words: int = 5
    min_confidence: float = 0.6
    near_duplicate: float = 0.7


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A row as it is shown."""

    id: str
    source: str
    instruction: tuple[str, ...]
    response: str
    line: int
    flags: tuple[str, ...] = ()
    confidence: float | None = None
    side: str = ""
    decision: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything that the sheet shows."""

    name: str
    rows: tuple[AuditRow, ...]
    unreadable: tuple[str, ...]
    timelines: Mapping[str, tuple[tuple[str, float, float], ...]] = field(default_factory=dict)

    def flag_counts(self) -> dict[str, int]:
        """Flag -> rows."""
        counts = Counter(flag for row in self.rows for flag in row.flags)
        return {flag: counts[flag] for flag in FLAGS if counts[flag]}


def audit_pairs(
    pairs: Path,
    meta: Path,
    decisions: Mapping[str, Decision],
    ledger: Ledger,
    options: AuditOptions | None = None,
) -> Audit:
    """Read and check a pairs file.

    Args:
        meta: the side notes of `ingest pairs`; may be missing.
        ledger: gets the stage `rows`.

    Raises:
        InputError: a file cannot be read, holds no row, or the check for personal data failed.
    """
    options = options or AuditOptions()
    rows, unreadable = _read_rows(pairs, ledger)
    notes, timelines = _read_meta(meta)
    near = near_duplicates([f"{r.instruction[-1]}\n{r.response}" for r in rows], options.near_duplicate)
    twice = {key for key, count in Counter(row.id for row in rows).items() if count > 1}
    scrubber = Scrubber([PatternChecker()])
    out = []
    for row, twin in zip(rows, near, strict=True):
        note = notes.get(row.id, {})
        confidence = _float(note.get("confidence"))
        flags = _flags(row, confidence, options, scrubber)
        flags += ["near-duplicate"] * (twin is not None) + ["same id twice"] * (row.id in twice)
        made = decisions.get(row.id)
        out.append(
            AuditRow(
                row.id,
                row.source,
                row.instruction,
                row.response,
                row.line,
                tuple(flags),
                confidence,
                str(note.get("side") or ""),
                made.decision if made else "",
                made.reason if made else "",
            )
        )
    return Audit(pairs.name, tuple(out), tuple(unreadable), timelines)


def row_ids(pairs: Path) -> set[str]:
    """Ids of a pairs file's readable rows. Raises InputError: there are none."""
    return {row.id for row in _read_rows(pairs, Ledger())[0]}


def _flags(row: AuditRow, confidence: float | None, options: AuditOptions, scrubber: Scrubber) -> list[str]:
    texts = (*row.instruction, row.response)
    flags = []
    try:
        found = any(scrubber.clean(text, Placeholders())[1] for text in texts)
    except Exception as exc:
        raise InputError(
            f"The check for personal data failed on line {row.line} ({type(exc).__name__}); "
            "no sheet was written."
        ) from exc
    if found:
        flags.append("personal data found")
    if any(PLACEHOLDER.search(text) for text in texts):
        flags.append("personal data replaced")
    if confidence is not None and confidence < options.min_confidence:
        flags.append("low confidence")
    if word_count(row.response) < options.min_words:
        flags.append("too short")
    # the trainer takes roles backwards from the last turn: an even count begins with the persona
    repeated = any(a.strip() == b.strip() for a, b in pairwise(texts))
    if len(row.instruction) % 2 == 0 or repeated:
        flags.append("non-alternating")
    return flags


def _read_rows(path: Path, ledger: Ledger) -> tuple[list[AuditRow], list[str]]:
    stage = ledger.stage("rows", "rows")
    rows, unreadable = [], []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(_row(json.loads(line), number))
            stage.keep()
        except (ValueError, TypeError, RecursionError) as exc:
            unreadable.append(f"{path.name}:{number}: {exc}")
            stage.drop("unreadable", f"{path.name}:{number}")
    if not rows:
        raise InputError(f"{path} holds no usable row. First problem: {(unreadable or ['empty file'])[0]}")
    return rows, unreadable


def _row(row: Any, number: int) -> AuditRow:
    if not isinstance(row, dict) or set(row) != _KEYS:
        raise ValueError(f"the keys must be {', '.join(sorted(_KEYS))}")
    instruction = row["instruction"]
    if (
        not isinstance(instruction, list)
        or not instruction
        or not all(isinstance(t, str) for t in instruction)
    ):
        raise ValueError("instruction must be a list of one or more texts")
    if not all(isinstance(row[key], str) for key in ("response", "source", "id")):
        raise ValueError("response, source and id must be texts")
    if not all(clean_text(text) for text in (*instruction, row["response"])):
        raise ValueError("a turn is empty")
    if not re.fullmatch(r"[0-9a-f]{16}", row["id"]):
        raise ValueError("id must be 16 hex digits")
    return AuditRow(row["id"], row["source"], tuple(instruction), row["response"], number)


def _read_meta(
    path: Path,
) -> tuple[dict[str, dict[str, Any]], dict[str, tuple[tuple[str, float, float], ...]]]:
    notes: dict[str, dict[str, Any]] = {}
    timelines: dict[str, tuple[tuple[str, float, float], ...]] = {}
    if not path.exists():
        return notes, timelines
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if "timeline" in row:
                timelines[str(row["timeline"])] = _spans(row["spans"])
            else:
                notes[str(row["id"])] = row
        except (ValueError, TypeError, KeyError, RecursionError) as exc:
            raise InputError(f"{path.name}:{number} is no side note of ingest pairs: {exc}.") from exc
    return notes, timelines


def _spans(spans: Sequence[Sequence[Any]]) -> tuple[tuple[str, float, float], ...]:
    out = []
    for speaker, start, end in spans:
        if not (math.isfinite(float(start)) and math.isfinite(float(end))):
            raise ValueError("a time is not finite")
        out.append((str(speaker), float(start), float(end)))
    return tuple(out)


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
