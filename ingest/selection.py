"""Which rows stay: a person's decisions, no repetitions, no more of a source than its cap.

Each step counts itself in the ledger. Knows nothing of dialogues or files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ingest.ledger import Ledger
from ingest.neardup import near_duplicates
from ingest.rows import PairOptions, Row, word_count
from ingest.speakers import stage_named

LONG_REPLY_WORDS = 12
"""A reply this long is a repetition whatever it answers."""


def undecided(rows: Iterable[Row], decisions: Mapping[str, str], ledger: Ledger) -> list[Row]:
    """Without what a person rejected."""
    stage = stage_named(ledger, "decisions", "pairs")
    kept = []
    for row in rows:
        if decisions.get(row.id) == "reject":
            stage.drop("rejected by a person", row.id)
        else:
            stage.keep()
            kept.append(row)
    return kept


def once(
    rows: Sequence[Row], options: PairOptions, decisions: Mapping[str, str], ledger: Ledger
) -> list[Row]:
    """Without exact and near repetitions. What a person accepted stands first and is never dropped."""
    stage = stage_named(ledger, "near-duplicates", "pairs")
    order = sorted(range(len(rows)), key=lambda i: decisions.get(rows[i].id) != "accept")
    near: list[int | None] = [None] * len(order)
    if options.near_duplicate <= 1:
        near = near_duplicates([_told(rows[i]) for i in order], options.near_duplicate)
    kept: set[int] = set()
    ids: set[str] = set()
    for i, twin in zip(order, near, strict=True):
        row = rows[i]
        if row.id in ids:
            stage.drop("the same pair again", row.id)
        elif twin is not None and decisions.get(row.id) != "accept":
            stage.drop("near-duplicate", f"{row.id} of {rows[order[twin]].id}")
        else:
            stage.keep()
            ids.add(row.id)
            kept.add(i)
    return [row for i, row in enumerate(rows) if i in kept]


def _told(row: Row) -> str:
    """A long reply repeated is a repetition whatever was asked; a short one only to the same question."""
    if word_count(row.response) >= LONG_REPLY_WORDS:
        return row.response
    return f"{row.instruction[-1]}\n{row.response}"


def capped(
    rows: Sequence[Row], options: PairOptions, decisions: Mapping[str, str], ledger: Ledger
) -> list[Row]:
    """At most `cap` of a source: what a person accepted, then evenly over its time."""
    stage = stage_named(ledger, "cap", "pairs")
    groups: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        groups[row.source].append(i)
    kept: set[int] = set()
    for own in groups.values():
        accepted = [i for i in own if decisions.get(rows[i].id) == "accept"]
        rest = [i for i in own if decisions.get(rows[i].id) != "accept"]
        room = len(rest) if options.cap is None else max(0, min(len(rest), options.cap - len(accepted)))
        kept.update(accepted, (rest[k * len(rest) // room] for k in range(room)))
    out = []
    for i, row in enumerate(rows):
        if i in kept:
            stage.keep()
            out.append(row)
        else:
            stage.drop("over the cap of its source", row.id)
    return out
