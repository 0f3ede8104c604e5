"""`eval conflicts`: where passages differ from each other or from memory, does the fresh fact win?

fresh: the reply names one of `fresh`. stale: it names one of `stale` and none of `fresh`. Anything
else is neither. Strings are compared as `metrics.contains` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.rows import Case
from trainer.evaluation.cases import ConflictRow, passages
from trainer.evaluation.metrics import freshness, rate
from trainer.evaluation.outcome import Outcome, replied
from trainer.evaluation.session import Session

ROW = ConflictRow
KEYS = ("fresh_rate", "stale_rate", "n")


async def answer(session: Session, index: int, row: ConflictRow) -> Outcome:
    """The reply to one question."""
    result = await session.reply(index, row.question, passages=passages(row.passages))
    verdict = freshness(result.reply, row.fresh, row.stale)
    return replied(result, verdict == "fresh", verdict)


def summarize(cases: Sequence[Case[ConflictRow]], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """fresh_rate, stale_rate and n."""
    return {
        "fresh_rate": rate([o.verdict == "fresh" for o in outcomes]),
        "stale_rate": rate([o.verdict == "stale" for o in outcomes]),
        "n": len(cases),
    }
