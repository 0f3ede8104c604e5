"""The ledger that ends every ingest command: what came in, what went out, and why the rest did not.

Counts always add up: `came_in == went_out + sum(dropped)`; `close` raises when they do not, since a
stage that loses rows silently is a bug.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Stage:
    """One stage's counts; `unit` says what is counted (rows, turns, pairs, documents)."""

    name: str
    unit: str = "rows"
    came_in: int = 0
    went_out: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """Reason -> how many."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """Reason -> the first few places, such as `chat.json message 17`."""

    def keep(self, count: int = 1) -> None:
        """Count what goes on to the next stage."""
        self.came_in += count
        self.went_out += count

    def drop(self, reason: str, where: str = "", count: int = 1) -> None:
        """Count what does not, with the reason and where it was; a count of 0 is nothing to tell."""
        if not count:
            return
        self.came_in += count
        self.dropped[reason] += count
        places = self.examples.setdefault(reason, [])
        if where and len(places) < 5:
            places.append(where)


@dataclass(slots=True)
class Ledger:
    """All stages of one command, in order."""

    stages: list[Stage] = field(default_factory=list)

    def stage(self, name: str, unit: str = "rows") -> Stage:
        """Begin a stage."""
        stage = Stage(name, unit)
        self.stages.append(stage)
        return stage

    def close(self) -> None:
        """Check that every stage's counts add up. Raises AssertionError: our own bug if not."""
        for stage in self.stages:
            lost = stage.came_in - stage.went_out - sum(stage.dropped.values())
            assert lost == 0, f"stage {stage.name} lost {lost} {stage.unit}"

    def as_json(self) -> list[dict[str, Any]]:
        """JSON-ready, one object a stage."""
        return [
            {
                "stage": s.name,
                "unit": s.unit,
                "in": s.came_in,
                "out": s.went_out,
                "dropped": dict(s.dropped),
                "examples": {k: list(v) for k, v in s.examples.items() if v},
            }
            for s in self.stages
        ]

    def as_text(self) -> str:
        """A small table for people."""
        lines = []
        for s in self.stages:
            lines.append(f"{s.name:<16} {s.came_in:>7} in  {s.went_out:>7} out  ({s.unit})")
            lines += [
                f"{'':<16} {count:>7} {reason}"
                + (f": {', '.join(s.examples[reason][:3])}" if s.examples[reason] else "")
                for reason, count in s.dropped.most_common()
            ]
        return "\n".join(lines)
