"""The tables of the history, and how the engine's values become rows and come back.

    conversations 1 ── n messages 1 ── n replies      erased (digests)      settings

A conversation has an epoch: `new` raises it, and turns of earlier epochs are kept but not read. A
message has at most one current reply; the ones that a retry replaced stay beside it.
This module knows nothing of connections, transactions or prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, TypeVar, cast

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from engine.storable import storable, storable_id, storable_json
from engine.types import (
    AdapterInfo,
    Attachment,
    Decision,
    Incoming,
    Passage,
    ReplyOptions,
    Result,
    ToolRecord,
    utc_now,
)

SCHEMA_REVISION = "0002"
"""The migration that these tables belong to; a database at another one is not opened."""

V = TypeVar("V")
State = Literal["received", "answered", "sent", "failed"]


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, stored in UTC and read back timezone-aware, also from SQLite, which has no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """A naive moment is taken as UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Always aware, always UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Constraints are named by rule, so that a migration can drop them on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        dict[str, Any]: JSON,
        list[Any]: JSON,
    }


class ConversationRow(Base):
    """A channel, thread, DM, topic or web session."""

    __tablename__ = "conversations"
    __table_args__ = (UniqueConstraint("platform", "name"), {"sqlite_autoincrement": True})

    pk: Mapped[int] = mapped_column(primary_key=True)
    platform: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    epoch: Mapped[int] = mapped_column(default=0)
    last_message_id: Mapped[str] = mapped_column(String(255), default="")


class MessageRow(Base):
    """A message of a person. Row numbers are never given twice: an erased one stays unused."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("conversation_pk", "message_id"),
        Index(None, "conversation_pk", "epoch"),
        {"sqlite_autoincrement": True},
    )

    pk: Mapped[int] = mapped_column(primary_key=True)
    conversation_pk: Mapped[int] = mapped_column(ForeignKey("conversations.pk"))
    epoch: Mapped[int]
    message_id: Mapped[str] = mapped_column(String(255))
    user_id: Mapped[str] = mapped_column(String(255), index=True)
    user_name: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    is_group: Mapped[bool]
    sent_at: Mapped[datetime]
    received_at: Mapped[datetime]
    attachments: Mapped[list[Any]]
    options: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16), default="received", index=True)
    failure: Mapped[str] = mapped_column(Text, default="")
    drafts: Mapped[list[Any]] = mapped_column(default=list)

    @classmethod
    def of(cls, conversation: ConversationRow, incoming: Incoming) -> MessageRow:
        """The row of a message that has just arrived."""
        return cls(
            conversation_pk=conversation.pk,
            epoch=conversation.epoch,
            message_id=storable_id(incoming.message_id),
            user_id=storable_id(incoming.user_id),
            user_name=storable(incoming.user_name),
            text=storable(incoming.text),
            is_group=incoming.is_group,
            sent_at=incoming.sent_at,
            received_at=utc_now(),
            attachments=storable_json([_fields(a) for a in incoming.attachments]),
            options=storable_json(_fields(incoming.options)),
        )

    def incoming(self, conversation: ConversationRow) -> Incoming:
        """The message as its adapter handed it in."""
        return Incoming(
            platform=conversation.platform,
            conversation=conversation.name,
            message_id=self.message_id,
            user_id=self.user_id,
            user_name=self.user_name,
            text=self.text,
            is_group=self.is_group,
            sent_at=self.sent_at,
            attachments=tuple(_made(Attachment, a) for a in self.attachments),
            options=_made(ReplyOptions, self.options),
        )


class ReplyRow(Base):
    """A reply with all that /why shows. Passage texts have a column of their own, never read as history."""

    __tablename__ = "replies"
    __table_args__ = (
        Index(
            "uq_replies_current",
            "message_pk",
            unique=True,
            sqlite_where=text("replaced_at IS NULL"),
            postgresql_where=text("replaced_at IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    pk: Mapped[int] = mapped_column(primary_key=True)
    message_pk: Mapped[int] = mapped_column(ForeignKey("messages.pk", ondelete="CASCADE"), index=True)
    text: Mapped[str] = mapped_column(Text)
    retrieve: Mapped[bool]
    probability: Mapped[float] = mapped_column(Double)
    query: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(String(16))
    sources: Mapped[list[Any]]
    passages: Mapped[list[Any]]
    adapters: Mapped[list[Any]]
    timings_ms: Mapped[dict[str, Any]]
    total_ms: Mapped[float | None] = mapped_column(Double)
    finish: Mapped[str] = mapped_column(String(16))
    note: Mapped[str] = mapped_column(Text)
    prompt_tokens: Mapped[int]
    new_tokens: Mapped[int]
    sent_ids: Mapped[list[Any]] = mapped_column(default=list)
    tools: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    created_at: Mapped[datetime]
    replaced_at: Mapped[datetime | None]

    @classmethod
    def of(cls, message_pk: int, result: Result) -> ReplyRow:
        """The row of a finished reply."""
        sources = [{k: v for k, v in _fields(p).items() if k != "text"} for p in result.sources]
        timings = storable_json(result.timings_ms)
        return cls(
            message_pk=message_pk,
            text=storable(result.reply),
            retrieve=result.decision.retrieve,
            probability=storable_json(float(result.decision.probability)),
            query=storable(result.decision.query),
            reason=result.decision.reason,
            sources=storable_json(sources),
            passages=storable_json([p.text for p in result.sources]),
            adapters=storable_json([_fields(a) for a in result.adapters]),
            timings_ms=timings,
            total_ms=timings.get("total"),
            finish=result.finish,
            note=storable(result.note),
            prompt_tokens=result.prompt_tokens,
            new_tokens=result.new_tokens,
            tools=storable_json([_fields(t) for t in result.tools]),
            created_at=utc_now(),
        )

    def result(self) -> Result:
        """The reply as the engine ended it."""
        return Result(
            reply=self.text,
            decision=Decision(self.retrieve, self.probability, self.query, cast(Any, self.reason)),
            sources=tuple(map(_passage, self.sources, self.passages)),
            adapters=tuple(_made(AdapterInfo, a) for a in self.adapters),
            timings_ms=self.timings_ms,
            finish=cast(Any, self.finish),
            note=self.note,
            message_pk=self.message_pk,
            reply_pk=self.pk,
            prompt_tokens=self.prompt_tokens,
            new_tokens=self.new_tokens,
            tools=tuple(_made(ToolRecord, t) for t in self.tools),
        )


class ErasedRow(Base):
    """The digest of an erased message, so that a second delivery of it is not answered again."""

    __tablename__ = "erased"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    message_pk: Mapped[int] = mapped_column(index=True)
    erased_at: Mapped[datetime]


class SettingRow(Base):
    """A setting that was changed while running; `scope` says for whom."""

    __tablename__ = "settings"

    scope: Mapped[str] = mapped_column(String(255), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


def _fields(value: Any) -> dict[str, Any]:
    """The fields of a slotted dataclass, one level deep."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _made(kind: type[V], fields: Mapping[str, Any]) -> V:
    """A value from stored fields; those that an older version had and this one has not are left out."""
    known = getattr(kind, "__dataclass_fields__", {})
    return kind(**{name: value for name, value in fields.items() if name in known})


def _passage(source: Mapping[str, Any], text: str) -> Passage:
    published = source["published_at"]
    moment = datetime.fromisoformat(published) if published else None
    return _made(Passage, {**source, "published_at": moment, "text": text})
