"""How alembic reaches the database: the URL of `understudy db upgrade`, of `-x url=…`, or of config.toml.

Every upgrade is one transaction, begun with the write lock, so that two processes that start at once
upgrade one after the other and a failed step leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import context
from sqlalchemy import URL, Connection, NullPool, text

from engine.config import load_config
from engine.connection import open_engine, parse_url
from engine.tables import Base

POSTGRES_LOCK = 7_235_901_442  # any constant: processes that upgrade wait for one another on it


def database_url() -> URL:
    """The database to upgrade."""
    given = context.config.attributes.get("url")
    if isinstance(given, URL):
        return given
    url = context.get_x_argument(as_dictionary=True).get("url")
    return parse_url(url or load_config(Path("config.toml")).history_url)


def upgrade(connection: Connection) -> None:
    """Run the migrations on an open transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": POSTGRES_LOCK})
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def main() -> None:
    """Connect, upgrade, disconnect."""
    engine = open_engine(database_url(), "migration", poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()


if context.is_offline_mode():
    raise SystemExit("Migrations run against a database; --sql is not supported.")
asyncio.run(main())
