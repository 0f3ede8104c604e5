"""Erasing for good what people ask to have erased.

All that stays of a message is its row number and a digest of its ids: enough to know it again when
its platform delivers it once more, too little to tell who said what. This module does not know who
asked, and leaves emptying the write-ahead log to `engine.database`.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import ColumnElement, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from engine.feedback import forget_votes
from engine.storable import storable_id
from engine.tables import ConversationRow, ErasedRow, MessageRow, ReplyRow
from engine.types import Incoming, utc_now

ROWS_PER_STATEMENT = 500  # databases limit the parameters of a statement


def digest(platform: str, conversation: str, message_id: str) -> str:
    """SHA-256 in hex of what names a message."""
    joined = "\0".join(storable_id(part) for part in (platform, conversation, message_id))
    return hashlib.sha256(joined.encode()).hexdigest()


async def erased_pk(session: AsyncSession, incoming: Incoming) -> int | None:
    """The row that a message had before it was erased; None when it never was."""
    mark = digest(incoming.platform, incoming.conversation, incoming.message_id)
    return await session.scalar(select(ErasedRow.message_pk).where(ErasedRow.digest == mark))


async def was_erased(session: AsyncSession, message_pk: int) -> bool:
    """Whether the row was a message's that is erased."""
    query = select(ErasedRow.digest).where(ErasedRow.message_pk == message_pk)
    return await session.scalar(query) is not None


async def erase(session: AsyncSession, condition: ColumnElement[bool], *, conversations: bool) -> int:
    """Erase messages with all their replies.

    Args:
        session: an open transaction.
        condition: a clause on MessageRow and ConversationRow.
        conversations: also erase their conversations, where nothing else is left in them.

    Returns:
        how many messages were erased.
    """
    query = (
        select(MessageRow.pk, MessageRow.message_id, ConversationRow)
        .join(ConversationRow, MessageRow.conversation_pk == ConversationRow.pk)
        .where(condition)
    )
    found = (await session.execute(query)).all()
    for start in range(0, len(found), ROWS_PER_STATEMENT):
        part = found[start : start + ROWS_PER_STATEMENT]
        marks = [
            {"digest": digest(at.platform, at.name, message_id), "message_pk": pk, "erased_at": utc_now()}
            for pk, message_id, at in part
        ]
        pks = [pk for pk, _, _ in part]
        await session.execute(insert(ErasedRow), marks)
        replies = await session.scalars(select(ReplyRow.pk).where(ReplyRow.message_pk.in_(pks)))
        await forget_votes(session, replies.all())
        await session.execute(delete(ReplyRow).where(ReplyRow.message_pk.in_(pks)))
        await session.execute(delete(MessageRow).where(MessageRow.pk.in_(pks)))
    if conversations:
        for at in {at for _, _, at in found}:
            await _drop_if_empty(session, at)
    return len(found)


async def _drop_if_empty(session: AsyncSession, conversation: ConversationRow) -> None:
    left = select(MessageRow.pk).where(MessageRow.conversation_pk == conversation.pk).limit(1)
    if await session.scalar(left) is None:
        await session.delete(conversation)
