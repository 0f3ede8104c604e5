"""`eval persona`: does the persona say what it should, in a conversation of its own?

Nothing is retrieved, so that only persona and adapters speak. The turns before the last are the
history; a leading system message takes the place of the persona's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.rows import Case
from trainer.evaluation.cases import PersonaRow, turns
from trainer.evaluation.metrics import matches, rate
from trainer.evaluation.outcome import Outcome, replied
from trainer.evaluation.session import Session

ROW = PersonaRow
KEYS = ("pass_rate", "n")


async def answer(session: Session, index: int, row: PersonaRow) -> Outcome:
    """The reply to one conversation."""
    first = row.messages[0]
    result = await session.reply(
        index,
        row.messages[-1].content,
        turns=turns(row.messages[:-1]),
        system=first.content if first.role == "system" else None,
    )
    return replied(result, matches(result.reply, row.must_match, row.must_not_match))


def summarize(cases: Sequence[Case[PersonaRow]], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """pass_rate and n."""
    return {"pass_rate": rate([o.right for o in outcomes]), "n": len(cases)}
