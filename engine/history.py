"""The durable history: what was received, what was answered, what reached its platform.

A message goes received → answered → sent, or failed. Whatever a stopped process left received or
answered is found by `pending`. `turns` reads exchanges that are complete: a message that has no
reply, or whose reply could not be delivered, is no context for the next one.
This module knows nothing of prompts, models or platforms, and nothing of SQLite (`engine.database`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sqlalchemy import ColumnElement, Update, and_, delete, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from engine.database import Database
from engine.erasure import erase, erased_pk, was_erased
from engine.errors import StorageError
from engine.feedback import Ballot, Shown, cast_vote, forget_voter, shown_reply
from engine.stats import Stats, read_stats
from engine.storable import split_key, storable, storable_id
from engine.tables import ConversationRow, MessageRow, ReplyRow, SettingRow, State
from engine.types import Incoming, Receipt, Result, Turn, utc_now

log = logging.getLogger(__name__)

_OF_CONVERSATION = MessageRow.conversation_pk == ConversationRow.pk
_OF_EPOCH = and_(_OF_CONVERSATION, MessageRow.epoch == ConversationRow.epoch)
_CURRENT = and_(ReplyRow.message_pk == MessageRow.pk, ReplyRow.replaced_at.is_(None))


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A message that a stopped process left without a reply, or a reply that was not fully sent."""

    message_pk: int
    incoming: Incoming
    drafts: tuple[str, ...] = ()
    """Platform ids of messages that already show a part of the reply."""
    reply: str | None = None
    """The stored reply when it was generated but not sent."""


class SqlHistory:
    """History in a database that SQLAlchemy reaches; implements `engine.types.History` and more.

    Every method raises StorageError when the database fails; what was stored before stays.

    Args:
        url: an SQLAlchemy async URL; its schema must be up to date (`engine.database.migrate`).
    """

    def __init__(self, url: str) -> None:
        self._db = Database(url)

    async def start(self) -> None:
        """Connect and check that the schema is this version's."""
        await self._db.start()

    async def close(self) -> None:
        """Finish what is being written and disconnect. Idempotent."""
        await self._db.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    # --- what the engine needs -------------------------------------------------------------

    async def receive(self, incoming: Incoming) -> Receipt:
        """Store a message durably, once, however often and from wherever it is delivered.

        Returns:
            its row, and fresh=False when it was received before, also if it was erased since.
        """

        async def work(session: AsyncSession) -> Receipt:
            known = await _known_pk(session, incoming)
            if known is not None:
                return Receipt(known, fresh=False)
            conversation = await _conversation(session, incoming.key)
            if conversation is None:
                platform, name = split_key(incoming.key)
                conversation = ConversationRow(platform=platform, name=name)
                session.add(conversation)
                await session.flush()
            row = MessageRow.of(conversation, incoming)
            session.add(row)
            conversation.last_message_id = row.message_id
            await session.flush()
            return Receipt(row.pk, fresh=True)

        return await self._db.write(work)

    async def turns(self, key: str, limit: int, before_pk: int | None = None) -> Sequence[Turn]:
        """The last turns of a conversation since `new`, oldest first, each reply after its message.

        Args:
            key: `Incoming.key` of the conversation.
            limit: number of turns; an exchange is two.
            before_pk: only what came before this message.
        """
        if limit <= 0:
            return []
        message = (MessageRow.text, MessageRow.user_id, MessageRow.user_name, MessageRow.sent_at)
        rows = await self._db.rows(
            select(*message, ReplyRow.text, ReplyRow.created_at)
            .join(ConversationRow, _OF_EPOCH)
            .join(ReplyRow, _CURRENT)
            .where(
                _is(key),
                MessageRow.state != "failed",
                true() if before_pk is None else MessageRow.pk < before_pk,
            )
            .order_by(MessageRow.pk.desc())
            .limit((limit + 1) // 2)
        )
        turns: list[Turn] = []
        for said, user_id, user_name, sent_at, reply, replied_at in reversed(rows):
            turns.append(Turn("user", said, user_id, user_name, sent_at))
            turns.append(Turn("assistant", reply, at=replied_at))
        return turns[-limit:]

    async def answer(self, message_pk: int, result: Result) -> int:
        """Store the reply to a message durably and return its row.

        An earlier reply to the same message is kept beside it, but is no longer read as history. The
        reply to a message that was erased while it was being answered is not stored; its row is 0.

        Raises:
            StorageError: there never was such a message, or the database failed.
        """

        async def work(session: AsyncSession) -> int:
            if not await _move(session, message_pk, "answered"):
                return 0
            await session.execute(_update_current(message_pk).values(replaced_at=utc_now()))
            row = ReplyRow.of(message_pk, result)
            session.add(row)
            await session.flush()
            return row.pk

        return await self._db.write(work)

    # --- delivery --------------------------------------------------------------------------

    async def drafted(self, message_pk: int, ids: Sequence[str]) -> None:
        """Record the platform messages that show a part of the reply, in place of those before."""

        async def work(session: AsyncSession) -> None:
            if message := await _message(session, message_pk):
                message.drafts = [storable(i) for i in ids]

        await self._db.write(work)

    async def sent(self, message_pk: int, ids: Sequence[str]) -> None:
        """Record that the whole reply is on the platform, in the messages `ids`."""

        async def work(session: AsyncSession) -> None:
            if message := await _move(session, message_pk, "sent"):
                message.drafts = []
                sent_ids = [storable(i) for i in ids]
                await session.execute(_update_current(message_pk).values(sent_ids=sent_ids))

        await self._db.write(work)

    async def failed(self, message_pk: int, reason: str) -> None:
        """Record that a message cannot be answered or its reply not delivered: it is not tried again.

        A message whose reply is on the platform stays sent: it was a retry that failed.
        """

        async def work(session: AsyncSession) -> None:
            if message := await _message(session, message_pk):
                message.state = "sent" if message.state == "sent" else "failed"
                message.failure = storable(reason)

        await self._db.write(work)

    async def pending(self, platform: str) -> list[Unfinished]:
        """What was received but not answered, or answered but not sent, oldest first, since `new`."""
        rows = await self._db.rows(
            select(MessageRow, ConversationRow, ReplyRow.text)
            .join(ConversationRow, _OF_EPOCH)
            .outerjoin(ReplyRow, _CURRENT)
            .where(ConversationRow.platform == storable_id(platform))
            .where(MessageRow.state.in_(("received", "answered")))
            .order_by(MessageRow.pk)
        )
        return [Unfinished(row.pk, row.incoming(at), tuple(row.drafts), reply) for row, at, reply in rows]

    async def last_seen(self, platform: str) -> dict[str, str]:
        """For each conversation of a platform, the id of the message received last."""
        rows = await self._db.rows(
            select(ConversationRow.name, ConversationRow.last_message_id)
            .where(ConversationRow.platform == storable_id(platform))
            .where(ConversationRow.last_message_id != "")
        )
        return dict(map(tuple, rows))

    # --- commands --------------------------------------------------------------------------

    async def last(self, key: str) -> tuple[Incoming, Result, int] | None:
        """The message answered last since `new`, its reply with all that /why shows, and its row."""
        rows = await self._db.rows(
            select(MessageRow, ConversationRow, ReplyRow)
            .join(ConversationRow, _OF_EPOCH)
            .join(ReplyRow, _CURRENT)
            .where(_is(key))
            .order_by(MessageRow.pk.desc())
            .limit(1)
        )
        return next(((row.incoming(at), reply.result(), row.pk) for row, at, reply in rows), None)

    async def new(self, key: str) -> None:
        """Begin afresh: earlier turns are kept, but neither read nor answered any more."""

        async def work(session: AsyncSession) -> None:
            if conversation := await _conversation(session, key):
                conversation.epoch += 1

        await self._db.write(work)

    async def reset(self, key: str) -> int:
        """Erase a conversation's messages and replies for good; returns how many messages that was."""
        return await self._erase(_is(key))

    async def forget_user(self, platform: str, user_id: str) -> int:
        """Erase a user's messages, the replies to them and their votes; returns how many messages.

        Conversations in which nobody else spoke (a DM's key is its user's) are erased with them.
        """
        theirs = and_(
            ConversationRow.platform == storable_id(platform), MessageRow.user_id == storable_id(user_id)
        )
        erased = await self._erase(theirs, conversations=True)

        async def work(session: AsyncSession) -> None:
            await forget_voter(session, platform, user_id)

        await self._db.write(work)
        return erased

    async def stats(self, key: str | None = None) -> Stats:
        """Numbers of one conversation, of all conversations when `key` is None."""

        async def work(session: AsyncSession) -> Stats:
            return await read_stats(session, true() if key is None else _is(key))

        return await self._db.read(work)

    async def _erase(self, condition: ColumnElement[bool], *, conversations: bool = False) -> int:
        async def work(session: AsyncSession) -> int:
            return await erase(session, condition, conversations=conversations)

        erased = await self._db.write(work)
        if erased:
            await self._db.scrub()
        log.info("%d messages erased", erased)
        return erased

    # --- settings --------------------------------------------------------------------------

    async def get_setting(self, scope: str, name: str) -> str | None:
        """A setting that was changed while running, None where it was not."""
        return (await self.settings(name)).get(storable_id(scope))

    async def set_setting(self, scope: str, name: str, value: str | None) -> None:
        """Set a setting durably for a scope (a conversation, a user, "global"), or remove it with None."""
        scope, name = storable_id(scope), storable_id(name)

        async def work(session: AsyncSession) -> None:
            await session.execute(
                delete(SettingRow).where(SettingRow.scope == scope, SettingRow.name == name)
            )
            if value is not None:
                session.add(SettingRow(scope=scope, name=name, value=storable(value)))

        await self._db.write(work)

    async def settings(self, name: str) -> dict[str, str]:
        """The values of one setting by scope."""
        rows = await self._db.rows(
            select(SettingRow.scope, SettingRow.value).where(SettingRow.name == storable_id(name))
        )
        return dict(map(tuple, rows))

    # --- feedback --------------------------------------------------------------------------

    async def shown(self, ballot: Ballot) -> Shown | None:
        """The reply that somebody's thumb is about; None when it is no reply of this history."""

        async def work(session: AsyncSession) -> Shown | None:
            return await shown_reply(session, ballot)

        return await self._db.read(work)

    async def vote(self, reply_pk: int, ballot: Ballot) -> None:
        """Count a person's thumb for a reply, once a person, or take it back."""

        async def work(session: AsyncSession) -> None:
            await cast_vote(session, reply_pk, ballot)

        await self._db.write(work)


# --- inside a transaction ------------------------------------------------------------------


def _is(key: str) -> ColumnElement[bool]:
    platform, name = split_key(key)
    return and_(ConversationRow.platform == platform, ConversationRow.name == name)


def _update_current(message_pk: int) -> Update:
    return update(ReplyRow).where(ReplyRow.message_pk == message_pk, ReplyRow.replaced_at.is_(None))


async def _conversation(session: AsyncSession, key: str) -> ConversationRow | None:
    return await session.scalar(select(ConversationRow).where(_is(key)).with_for_update())


async def _known_pk(session: AsyncSession, incoming: Incoming) -> int | None:
    """The row that a message has or, erased, had."""
    known = await session.scalar(
        select(MessageRow.pk)
        .join(ConversationRow, _OF_CONVERSATION)
        .where(_is(incoming.key), MessageRow.message_id == storable_id(incoming.message_id))
    )
    return await erased_pk(session, incoming) if known is None else known


async def _message(session: AsyncSession, message_pk: int) -> MessageRow | None:
    """The message, None when it was erased."""
    message = await session.get(MessageRow, message_pk, with_for_update=True)
    if message is None:
        if not await was_erased(session, message_pk):
            raise StorageError(f"There is no message {message_pk} in the history; it must be received first.")
        log.info("message %d was erased meanwhile", message_pk)
    return message


async def _move(session: AsyncSession, message_pk: int, state: State) -> MessageRow | None:
    """The message in its new state, None when it was erased."""
    message = await _message(session, message_pk)
    if message is not None:
        message.state, message.failure = state, ""
    return message
