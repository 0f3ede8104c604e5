"""`eval grounded`: is the reply what the passages say, or that they do not say?

The passages take the place of what the index found, in the row's order; the persona's prompt, its
adapters and the sampler are those of service. All of `must_match` must be found in the reply and
none of `must_not_match`, whatever the case of letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.rows import Case
from trainer.evaluation.cases import GroundedRow, passages
from trainer.evaluation.metrics import matches, rate
from trainer.evaluation.outcome import Outcome, replied
from trainer.evaluation.session import Session

ROW = GroundedRow
KEYS = ("pass_rate", "n")


async def answer(session: Session, index: int, row: GroundedRow) -> Outcome:
    """The reply to one question."""
    result = await session.reply(index, row.question, passages=passages(row.passages))
    return replied(result, matches(result.reply, row.must_match, row.must_not_match))


def summarize(cases: Sequence[Case[GroundedRow]], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """pass_rate and n."""
    return {"pass_rate": rate([o.right for o in outcomes]), "n": len(cases)}
