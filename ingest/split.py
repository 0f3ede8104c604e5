"""Train and held-out rows: 85/15 by source and time, no turn on both sides.

Within a large source the end of it is held out, and the windows that would reach over the cut are
left out. Small sources go to one side whole, the latest to the held-out side. Knows nothing of texts
or files.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

from ingest.ledger import Ledger
from ingest.rows import Row
from ingest.speakers import stage_named

SMALL = 30
"""A source with fewer rows is not cut: the windows over the cut would cost too much of it."""
_SLACK = 0.05


@dataclass(frozen=True, slots=True)
class Split:
    """The two sides; what is in neither reached over a cut."""

    train: tuple[Row, ...]
    held_out: tuple[Row, ...]


def split_rows(rows: Sequence[Row], ledger: Ledger, held_share: float = 0.15) -> Split:
    """Split rows so that no turn of a held-out window is in a trained one.

    Args:
        ledger: gets the stage `split`.
        held_share: held-out part, 0 to 0.5; 0 trains on everything.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.source].append(row)
    held: set[str] = set()
    lost: set[str] = set()
    small = []
    for own in groups.values():
        own.sort(key=lambda r: (r.last_turn, r.first_turn, r.id))
        if held_share <= 0:
            continue
        if len(own) < SMALL and len(groups) > 1:
            small.append(own)
        else:
            _cut(own, held_share, held, lost)
    _whole_sources(small, held_share, held, train_elsewhere=len(small) < len(groups))
    stage = stage_named(ledger, "split", "pairs")
    for row in rows:
        if row.id in lost:
            stage.drop("reaches over the cut between train and held out", row.id)
        else:
            stage.keep()
    kept = [row for row in rows if row.id not in lost]
    return Split(tuple(r for r in kept if r.id not in held), tuple(r for r in kept if r.id in held))


def _cut(rows: Sequence[Row], share: float, held: set[str], lost: set[str]) -> None:
    """Hold out the end of a source, at the cut near the wanted share that costs least."""
    count = len(rows)
    best: tuple[float, float, int] | None = None
    begins = count * [0]  # first turn that rows from here on take
    low = rows[-1].first_turn
    for i in range(count - 1, -1, -1):
        low = begins[i] = min(low, rows[i].first_turn)
    trained_to = 0  # rows before `trained_to` end before the held-out part begins
    for at in range(1, count):
        while trained_to < at and rows[trained_to].last_turn < begins[at]:
            trained_to += 1
        if not trained_to:
            continue
        part = (count - at) / (count - at + trained_to)
        off = abs(part - share)
        candidate = (float(at - trained_to) if off <= _SLACK else count + off, off, at)
        best = min(best or candidate, candidate)
    if best is None:
        return  # too short to cut: all of it is trained
    at = best[2]
    held.update(row.id for row in rows[at:])
    lost.update(row.id for row in rows[:at] if row.last_turn >= begins[at])


def _whole_sources(groups: list[list[Row]], share: float, held: set[str], train_elsewhere: bool) -> None:
    """Hold out whole sources, the latest first, up to the wanted share of their rows."""
    wanted = share * sum(len(own) for own in groups)
    order = sorted(groups, key=_latest_first)
    taken = 0
    for position, own in enumerate(order):
        last_for_train = position == len(order) - 1 and not train_elsewhere
        if last_for_train or taken + len(own) - wanted > wanted - taken:
            continue
        taken += len(own)
        held.update(row.id for row in own)
    if groups and not taken and not train_elsewhere:  # every source is larger than the share
        held.update(row.id for row in min(order, key=len))


def _latest_first(own: Sequence[Row]) -> tuple[float, str]:
    at = own[0].recorded_at
    moment = 0.0 if at is None else (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return (-moment, hashlib.sha256(own[0].source.encode("utf-8", "replace")).hexdigest())
