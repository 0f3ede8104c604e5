"""How one case came out, and the lines and breakdowns made of many.

This module knows nothing of models or of what makes a case right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from engine.rows import Case
from engine.types import Decision, Passage, Result

R = TypeVar("R", bound=BaseModel)
DIGITS = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was said to one case and what it is worth."""

    right: bool
    verdict: str
    generation: str = ""
    decision: Decision | None = None
    sources: tuple[Passage, ...] = ()
    finish: str = ""
    prompt_tokens: int = 0
    new_tokens: int = 0
    error: str = ""
    """Why the engine could not answer; such a case counts as wrong."""
    more: Mapping[str, Any] = field(default_factory=dict)


def replied(result: Result, right: bool, verdict: str = "", **more: Any) -> Outcome:
    """The outcome of a reply."""
    return Outcome(
        right,
        verdict or ("pass" if right else "fail"),
        result.reply,
        result.decision,
        result.sources,
        result.finish,
        result.prompt_tokens,
        result.new_tokens,
        more=more,
    )


def out_line(case: Case[R], outcome: Outcome) -> dict[str, Any]:
    """One line of `--out`: the row, what was generated, and all that is known about it."""
    decision = outcome.decision
    line: dict[str, Any] = {
        "line": case.line,
        "row": case.raw,
        "generation": outcome.generation,
        "verdict": outcome.verdict,
        "right": outcome.right,
        "decision": None
        if decision is None
        else {
            "retrieve": decision.retrieve,
            "probability": round(decision.probability, 6),
            "query": decision.query,
            "reason": decision.reason,
        },
        "sources": [source_line(p) for p in outcome.sources],
        "prompt_tokens": outcome.prompt_tokens,
        "new_tokens": outcome.new_tokens,
        "finish": outcome.finish,
    }
    if outcome.error:
        line["error"] = outcome.error
    return {**line, **outcome.more}


def source_line(passage: Passage) -> dict[str, Any]:
    """A passage as `--out` shows it."""
    return {
        "title": passage.title,
        "url": passage.url,
        "published_at": passage.published_at.isoformat() if passage.published_at else None,
        "text": passage.text,
        "similarity": round(passage.similarity, 4),
        "score": round(passage.score, 4),
        "found": passage.found,
    }


def by_kind(cases: Sequence[Case[R]], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """`{"by_kind": {kind: {"right": share, "n": count}}}`; empty where no row has a kind."""
    groups: dict[str, list[bool]] = {}
    for case, outcome in zip(cases, outcomes, strict=True):
        if case.kind:
            groups.setdefault(case.kind, []).append(outcome.right)
    if not groups:
        return {}
    shares = {
        kind: {"right": round(sum(hits) / len(hits), DIGITS), "n": len(hits)}
        for kind, hits in sorted(groups.items())
    }
    return {"by_kind": shares}


def rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Floats to four digits behind the point."""
    return {k: round(v, DIGITS) if isinstance(v, float) else v for k, v in values.items()}
