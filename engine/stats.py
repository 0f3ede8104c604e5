"""How much was said, answered and retrieved, counted by the database.

This module knows nothing of who may see the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from engine.tables import ConversationRow, MessageRow, ReplyRow


@dataclass(frozen=True, slots=True)
class Stats:
    """Numbers of a conversation, or of all of them, whatever their epoch."""

    messages: int = 0
    replies: int = 0
    """Messages that have a reply; one that was retried counts once."""
    retrieved: int = 0
    """Replies for which the analyzer, or the caller, asked for passages."""
    first_at: datetime | None = None
    median_total_ms: float = 0.0
    """Of the replies' whole time; 0 when there is none."""


async def read_stats(session: AsyncSession, condition: ColumnElement[bool]) -> Stats:
    """Count the messages of the conversations that meet `condition`, a clause on ConversationRow."""
    current = and_(ReplyRow.message_pk == MessageRow.pk, ReplyRow.replaced_at.is_(None))
    of_conversation = MessageRow.conversation_pk == ConversationRow.pk
    counted = (
        select(
            func.count(),
            func.count(ReplyRow.pk),
            func.sum(case((ReplyRow.retrieve, 1), else_=0)),
            func.min(MessageRow.received_at),
            func.count(ReplyRow.total_ms),
        )
        .select_from(MessageRow)
        .join(ConversationRow, of_conversation)
        .outerjoin(ReplyRow, current)
        .where(condition)
    )
    messages, replies, retrieved, first_at, timed = (await session.execute(counted)).one()
    middle = (
        select(ReplyRow.total_ms)
        .join(MessageRow, current)
        .join(ConversationRow, of_conversation)
        .where(condition, ReplyRow.total_ms.is_not(None))
        .order_by(ReplyRow.total_ms)
        .offset(max(0, timed - 1) // 2)
        .limit(2 - timed % 2)
    )
    times = [ms for ms in await session.scalars(middle) if ms is not None]
    return Stats(messages, replies, retrieved or 0, first_at, sum(times) / max(1, len(times)))
