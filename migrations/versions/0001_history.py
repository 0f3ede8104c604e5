"""Conversations, messages, replies, erased messages and settings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: None = None
depends_on: None = None

MOMENT = sa.DateTime(timezone=True)
ID = sa.String(255)


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "conversations",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("platform", ID, nullable=False),
        sa.Column("name", ID, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("last_message_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="pk_conversations"),
        sa.UniqueConstraint("platform", "name", name="uq_conversations_platform_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "messages",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("conversation_pk", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("message_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("is_group", sa.Boolean(), nullable=False),
        sa.Column("sent_at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("attachments", sa.JSON(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("drafts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("pk", name="pk_messages"),
        sa.UniqueConstraint("conversation_pk", "message_id", name="uq_messages_conversation_pk_message_id"),
        sa.ForeignKeyConstraint(
            ["conversation_pk"], ["conversations.pk"], name="fk_messages_conversation_pk"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_messages_conversation_pk_epoch", "messages", ["conversation_pk", "epoch"])
    op.create_index("ix_messages_user_id", "messages", ["user_id"])
    op.create_index("ix_messages_state", "messages", ["state"])
    op.create_table(
        "replies",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("message_pk", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("retrieve", sa.Boolean(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("sources", sa.JSON(), nullable=False),
        sa.Column("passages", sa.JSON(), nullable=False),
        sa.Column("adapters", sa.JSON(), nullable=False),
        sa.Column("timings_ms", sa.JSON(), nullable=False),
        sa.Column("total_ms", sa.Double(), nullable=True),
        sa.Column("finish", sa.String(16), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("new_tokens", sa.Integer(), nullable=False),
        sa.Column("sent_ids", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("replaced_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("pk", name="pk_replies"),
        sa.ForeignKeyConstraint(
            ["message_pk"], ["messages.pk"], name="fk_replies_message_pk", ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_replies_message_pk", "replies", ["message_pk"])
    op.create_index(
        "uq_replies_current",
        "replies",
        ["message_pk"],
        unique=True,
        sqlite_where=sa.text("replaced_at IS NULL"),
        postgresql_where=sa.text("replaced_at IS NULL"),
    )
    op.create_table(
        "erased",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("message_pk", sa.Integer(), nullable=False),
        sa.Column("erased_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_erased"),
    )
    op.create_index("ix_erased_message_pk", "erased", ["message_pk"])
    op.create_table(
        "settings",
        sa.Column("scope", ID, nullable=False),
        sa.Column("name", ID, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "name", name="pk_settings"),
    )


def downgrade() -> None:
    """Back to the one before."""
    for table in ("settings", "erased", "replies", "messages", "conversations"):
        op.drop_table(table)
