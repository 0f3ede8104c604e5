"""Where the database is, how its connections are set up, and what its errors mean in plain words.

SQLite's writer begins every transaction with BEGIN IMMEDIATE, since a reader that turns into a
writer half-way fails at once, however long it was told to wait; its readers cannot write at all.
This module knows no tables and runs no transactions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from engine.errors import StorageError

Role = Literal["writer", "reader", "migration"]

UPGRADE_COMMAND = "understudy db upgrade"
NO_BEGIN = "understudy_no_begin"
"""Execution option: no transaction is begun, for the statements that refuse to run in one."""

_WAIT = "busy_timeout=15000"  # ms, for locks that other processes hold
_PRAGMAS: dict[Role, tuple[str, ...]] = {
    "reader": (_WAIT, "query_only=ON"),
    # secure_delete: what is erased gets overwritten, not just unlinked
    "writer": (_WAIT, "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"),
    # no foreign keys: a migration that rebuilds a table would drop the rows that point to it
    "migration": (_WAIT, "journal_mode=WAL", "synchronous=FULL"),
}
_OLD = f"its tables are missing or old; run `{UPGRADE_COMMAND}`"
_FULL = "the disk is full; free some space, nothing stored before is lost"
_READ_ONLY = "it is read-only; make the file and its folder writable"
_DAMAGED = "the file is damaged or no database; move it away or put a backup back"
_CAUSES = (
    ("disk is full", _FULL),
    ("no space left", _FULL),
    ("disk i/o error", "the disk cannot be written or read; check its free space and its health"),
    ("readonly", _READ_ONLY),
    ("read-only", _READ_ONLY),
    ("is locked", "another process holds it; stop that process or try again in a moment"),
    ("no such table", _OLD),
    ("no such column", _OLD),
    ('relation "', _OLD),  # PostgreSQL's words
    ('column "', _OLD),
    ("does not exist", "the database or its user does not exist; create it or correct [history] url"),
    ("unable to open", "it cannot be opened; check that its folder exists and may be written"),
    ("not a database", _DAMAGED),
    ("malformed", _DAMAGED),
    ("timeout", "it did not answer in time; check its load and try again"),
    ("connect", "it cannot be reached; check that the server runs and that [history] url is right"),
)


def storage_error(exc: BaseException, url: URL) -> StorageError:
    """One sentence on what is wrong and how to mend it; no password and no stored text is in it."""
    if isinstance(exc, DataError | IntegrityError):  # drivers quote the value: it may be somebody's message
        return StorageError(f"The database {shown(url)} refused a value ({type(exc).__name__}).")
    origin = getattr(exc, "orig", None) or exc
    said = f"{type(origin).__name__} {origin}"
    cause = next((words for needle, words in _CAUSES if needle in said.lower()), said)
    return StorageError(f"The database {shown(url)} failed: {cause.rstrip('.')}.")


@contextlib.contextmanager
def mapped(url: URL) -> Iterator[None]:
    """The one place where errors of the database and its driver become a StorageError."""
    try:
        yield
    except (SQLAlchemyError, OSError) as exc:
        raise storage_error(exc, url) from exc


def shown(url: URL) -> str:
    """The database as people know it: the file, or the URL without its password."""
    path = sqlite_path(url)
    return str(path) if path else url.render_as_string(hide_password=True)


def sqlite_path(url: URL) -> Path | None:
    """The file of an SQLite URL, None for any other database."""
    if url.get_backend_name() != "sqlite":
        return None
    return Path((url.database or "").removeprefix("file:"))


def parse_url(url: str) -> URL:
    """The parsed URL of a database that outlives the process.

    Raises:
        StorageError: it is no URL, has no async driver, or names a database in memory.
    """
    try:
        parsed = make_url(url)
        is_async = parsed.get_dialect().is_async
    except (SQLAlchemyError, ImportError, ValueError) as exc:
        raise StorageError(
            f"The database URL cannot be used: {exc}. Examples: sqlite+aiosqlite:///data/understudy.db, "
            "postgresql+asyncpg://user:password@host/name (pip install asyncpg)."
        ) from exc
    if not is_async:
        raise StorageError(
            f"The database URL names the driver {parsed.drivername}, which is not async; "
            "use sqlite+aiosqlite:// or postgresql+asyncpg://."
        )
    in_memory = parsed.query.get("mode") == "memory" or ":memory:" in (parsed.database or "")
    if parsed.get_backend_name() == "sqlite" and (not parsed.database or in_memory):
        raise StorageError("An SQLite database in memory is lost at the end; name a file in its URL.")
    return parsed


def open_engine(url: URL, role: Role, **options: Any) -> AsyncEngine:
    """An engine whose errors hide parameters (they are people's messages), SQLite set up for its role.

    Args:
        url: the database.
        role: what its connections do; an SQLite reader cannot write.
        options: handed to SQLAlchemy.

    Raises:
        StorageError: the driver is not installed.
    """
    try:
        engine = create_async_engine(url, hide_parameters=True, **options)
    except (SQLAlchemyError, ImportError) as exc:
        raise StorageError(f"The driver of {shown(url)} cannot be used: {exc}.") from exc
    if url.get_backend_name() == "sqlite":
        _set_up_sqlite(engine, role)
    return engine


def _set_up_sqlite(engine: AsyncEngine, role: Role) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        cursor = connection.cursor()
        for pragma in _PRAGMAS[role]:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        if not connection.get_execution_options().get(NO_BEGIN):
            connection.exec_driver_sql("BEGIN" if role == "reader" else "BEGIN IMMEDIATE")
