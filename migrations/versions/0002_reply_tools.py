"""Tool calls of a reply."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """To this revision."""
    op.add_column("replies", sa.Column("tools", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """Back to the one before."""
    op.drop_column("replies", "tools")
