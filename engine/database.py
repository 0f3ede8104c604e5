"""Transactions and migrations of one database.

SQLite gets one writer connection and a few readers beside it. Other databases are used by URL with
one pool and their own concurrency. This module does not know what the tables mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import URL, Executable, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from engine.connection import NO_BEGIN, UPGRADE_COMMAND, mapped, open_engine, parse_url, shown, sqlite_path
from engine.errors import StorageError
from engine.tables import SCHEMA_REVISION

if TYPE_CHECKING:
    from alembic.config import Config

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[AsyncSession], Awaitable[T]]

MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"
READERS = 4
CONFLICT_TRIES = 4
SLOW_MS = 500.0
_UNLOCKED: AbstractAsyncContextManager[None] = contextlib.nullcontext()
_upgrade_lock = threading.Lock()  # alembic keeps the running migration in module globals


class Database:
    """Runs reads and writes as transactions that a cancelled caller never tears.

    Args:
        url: an SQLAlchemy async URL.

    Raises:
        StorageError: the URL cannot be used.
    """

    def __init__(self, url: str) -> None:
        self._url = parse_url(url)
        self._sqlite = self._url.get_backend_name() == "sqlite"
        self._lock = asyncio.Lock()  # SQLite has one writer; waiting here is fair and has no timeout
        self._writer: AsyncEngine | None = None
        self._reader: AsyncEngine | None = None
        self._running: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Connect and check the schema. Raises StorageError."""
        if self._writer is not None:
            return
        path = sqlite_path(self._url)
        if path is not None and not path.exists():  # SQLite would create an empty one
            raise StorageError(f"There is no database at {path} yet; run `{UPGRADE_COMMAND}`.")
        if self._sqlite:
            self._writer = open_engine(self._url, "writer", pool_size=1, max_overflow=0)
            self._reader = open_engine(
                self._url, "reader", pool_size=READERS, max_overflow=0, pool_timeout=None
            )
        else:
            self._writer = self._reader = open_engine(self._url, "writer", pool_pre_ping=True)
        try:
            await self.read(self._check_schema)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Wait for running transactions and disconnect. Idempotent."""
        engines = [engine for engine in (self._reader, self._writer) if engine is not None]
        self._reader = self._writer = None
        if self._running:
            await asyncio.wait(set(self._running))
        for engine in engines:
            await engine.dispose()

    async def read(self, work: Work[T]) -> T:
        """Run `work` in a transaction that sees one state of the database. Raises StorageError."""
        return await self._finish(self._transaction(self._open(self._reader), work, _UNLOCKED))

    async def rows(self, query: Executable) -> Sequence[Any]:
        """All rows of one query, each a tuple of its columns. Raises StorageError."""

        async def work(session: AsyncSession) -> Sequence[Any]:
            return (await session.execute(query)).all()

        return await self.read(work)

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction and commit it durably before returning.

        `work` may run again when another process wrote the same row first, so it must do nothing
        but use its session. A cancelled caller returns at once; the transaction still ends.

        Raises:
            StorageError: nothing of `work` was stored.
        """
        lock = self._lock if self._sqlite else _UNLOCKED
        return await self._finish(self._transaction(self._open(self._writer), work, lock))

    async def scrub(self) -> None:
        """Empty SQLite's write-ahead log, where erased text would linger. Raises StorageError."""
        if self._sqlite:
            await self._finish(self._checkpoint(self._open(self._writer)))

    def _open(self, engine: AsyncEngine | None) -> AsyncEngine:
        if engine is None:
            raise StorageError("The history is not open: it was closed, or start() was never called.")
        return engine

    async def _finish(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Let it end even when the caller is cancelled: a connection is never left half-way."""
        task = asyncio.create_task(coroutine)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_log_unseen)
            raise

    async def _transaction(
        self, engine: AsyncEngine, work: Work[T], lock: AbstractAsyncContextManager[Any]
    ) -> T:
        started = time.monotonic()
        with mapped(self._url):
            for attempt in itertools.count(1):
                try:
                    async with lock, AsyncSession(engine, expire_on_commit=False) as session, session.begin():
                        result = await work(session)
                    break
                except IntegrityError:  # another process was first: look again
                    if attempt == CONFLICT_TRIES:
                        raise
        ms = (time.monotonic() - started) * 1000
        log.log(logging.INFO if ms > SLOW_MS else logging.DEBUG, "transaction %.1f ms, waiting included", ms)
        return result

    async def _checkpoint(self, engine: AsyncEngine) -> None:
        with mapped(self._url):
            async with self._lock, engine.connect() as connection:
                await connection.execution_options(**{NO_BEGIN: True})
                busy = (await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")).scalar()
        if busy:
            log.warning(
                "the write-ahead log is in use and could not be emptied; it will be at the next close"
            )

    async def _check_schema(self, session: AsyncSession) -> None:
        found = await session.scalar(text("SELECT version_num FROM alembic_version"))
        if found == SCHEMA_REVISION:
            return
        if found is not None and found > SCHEMA_REVISION:
            raise StorageError(
                f"The database {shown(self._url)} was made by a newer version (its schema is {found}, this "
                f"version knows {SCHEMA_REVISION}); update Understudy."
            )
        raise StorageError(
            f"The database {shown(self._url)} has schema {found or 'none'}, this version needs "
            f"{SCHEMA_REVISION}; run `{UPGRADE_COMMAND}`."
        )


def _log_unseen(task: asyncio.Task[Any]) -> None:
    """Nobody waits any more for this transaction, so its error is told here."""
    if not task.cancelled() and (exc := task.exception()) is not None:
        log.error("a transaction of a cancelled caller failed: %s", exc)


# --- migrations ----------------------------------------------------------------------------


def migrate(url: str) -> None:
    """Create the database if need be and bring its schema up to date; once more does no harm.

    It blocks; from asyncio, call it by `asyncio.to_thread`. Two processes that do this at the same
    time wait for one another.

    Args:
        url: an SQLAlchemy async URL; the folder of an SQLite file is created.

    Raises:
        StorageError: the migrations are not there, or the database cannot be written.
    """
    parsed = parse_url(url)
    # alembic's env.py runs a loop of its own, and the caller's thread may have one already
    with ThreadPoolExecutor(1, thread_name_prefix="migrate") as pool:
        pool.submit(_upgrade, parsed).result()


def _upgrade(url: URL) -> None:
    from alembic import command
    from alembic.util import CommandError

    path = sqlite_path(url)
    with mapped(url), _upgrade_lock:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            command.upgrade(alembic_config(url), "head")
        except CommandError as exc:
            raise StorageError(
                f"The database {shown(url)} cannot be upgraded: {exc}. If it was made by a newer version, "
                "update Understudy."
            ) from exc


def alembic_config(url: URL) -> Config:
    """Alembic's configuration for this database, whatever the current folder is.

    Raises:
        StorageError: the migrations folder is not there.
    """
    from alembic.config import Config

    if not (MIGRATIONS / "env.py").is_file():
        raise StorageError(
            f"The migrations are not at {MIGRATIONS}; run from a checkout of Understudy (pip install -e .)."
        )
    config = Config(attributes={"url": url})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
