"""`eval analyzer`: does the engine decide RETRIEVE where a message asks for facts?

Read from the two labels' probabilities on the unmodified base model, against the configured
threshold, as in service. Positive is RETRIEVE.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.rows import Case
from trainer.evaluation.cases import AnalyzerRow, turns
from trainer.evaluation.metrics import classification
from trainer.evaluation.outcome import Outcome
from trainer.evaluation.session import Session

ROW = AnalyzerRow
KEYS = ("accuracy", "precision", "recall", "f1", "n")


async def answer(session: Session, index: int, row: AnalyzerRow) -> Outcome:
    """The verdict on one message."""
    decision = await session.decide(turns(row.history), row.message)
    right = decision.retrieve == row.retrieve
    said = "RETRIEVE" if decision.retrieve else "NO_RETRIEVE"
    return Outcome(right, "pass" if right else "fail", said, decision)


def summarize(cases: Sequence[Case[AnalyzerRow]], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """accuracy, precision, recall, f1, n. A message that cannot be decided counts as decided wrong."""
    gold = [case.row.retrieve for case in cases]
    said = [g if o.right else not g for g, o in zip(gold, outcomes, strict=True)]
    return {**classification(gold, said), "n": len(cases)}
