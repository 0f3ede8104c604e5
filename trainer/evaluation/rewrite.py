"""`eval rewrite`: does the standalone query name what the question left out?

The query is the one that the engine would search with, asked for whatever the analyzer decides.
Every string of `must_contain` must occur in it, whatever its case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.rows import Case
from trainer.evaluation.cases import RewriteRow, turns
from trainer.evaluation.metrics import plain, rate
from trainer.evaluation.outcome import Outcome
from trainer.evaluation.session import Session

ROW = RewriteRow
KEYS = ("hit_rate", "n")


async def answer(session: Session, index: int, row: RewriteRow) -> Outcome:
    """The rewritten query of one message."""
    query = await session.rewrite(turns(row.history), row.message)
    missing = [wanted for wanted in row.must_contain if plain(wanted) not in plain(query)]
    return Outcome(not missing, "fail" if missing else "pass", query, more={"missing": missing})


def summarize(cases: Sequence[Case[RewriteRow]], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """hit_rate and n."""
    return {"hit_rate": rate([o.right for o in outcomes]), "n": len(cases)}
