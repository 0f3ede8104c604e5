"""Migrations: up, down and up again, twice, at once from several processes, and equal to the tables."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from engine import database
from engine.connection import parse_url
from engine.database import alembic_config, migrate
from engine.errors import StorageError
from engine.history import SqlHistory
from engine.tables import SCHEMA_REVISION, Base
from engine.types import Incoming

ROOT = Path(__file__).resolve().parents[2]
TABLES = {"conversations", "messages", "replies", "erased", "settings", "alembic_version"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "deeper" / "understudy.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def tables(path: Path) -> set[str]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {name for (name,) in rows if not name.startswith("sqlite_")}


def test_migrate_creates_folder_file_and_tables(
    url: str, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    migrate(url)
    assert tables(path) == TABLES
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_migrate_twice_keeps_what_is_stored(url: str) -> None:
    await asyncio.to_thread(migrate, url)
    async with SqlHistory(url) as history:
        await history.receive(Incoming("discord", "dm1", "1", "u1", "Ann", "hi"))
    await asyncio.to_thread(migrate, url)
    async with SqlHistory(url) as history:
        assert len(await history.pending("discord")) == 1


async def test_migrate_inside_a_running_loop_works_too(url: str, path: Path) -> None:
    migrate(url)
    assert tables(path) == TABLES


async def test_migrate_by_three_processes_at_once_does_it_once(url: str, path: Path) -> None:
    code = "import sys; from engine.database import migrate; migrate(sys.argv[1])"
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, url, cwd=ROOT, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]
    errors = await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0] * 3, errors
    assert tables(path) == TABLES


def test_migrate_down_and_up_again_works(url: str, path: Path) -> None:
    migrate(url)
    command.downgrade(alembic_config(parse_url(url)), "base")
    assert tables(path) == {"alembic_version"}
    migrate(url)
    assert tables(path) == TABLES


async def test_migrate_makes_the_tables_that_the_code_has(url: str) -> None:
    await asyncio.to_thread(migrate, url)

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    engine = create_async_engine(url)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


def test_schema_revision_is_the_newest_migration(url: str) -> None:
    assert ScriptDirectory.from_config(alembic_config(parse_url(url))).get_heads() == [SCHEMA_REVISION]


def test_migrate_that_fails_half_way_leaves_nothing_behind(url: str, path: Path) -> None:
    """The last table of the first migration is already there, so its last step fails."""
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE settings (x)")
    with pytest.raises(StorageError, match="failed"):
        migrate(url)
    assert tables(path) == {"settings"}


def test_migrate_of_a_newer_database_says_so(url: str, path: Path) -> None:
    migrate(url)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match="newer version"):
        migrate(url)


def test_migrate_where_the_folder_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"understudy\.db failed"):
        migrate(f"sqlite+aiosqlite:///{tmp_path}/file/data/understudy.db")


def test_migrate_without_the_migrations_folder_says_so(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "MIGRATIONS", tmp_path / "migrations")
    with pytest.raises(StorageError, match="checkout"):
        migrate(url)


def test_alembic_command_of_the_checkout_reaches_a_named_database(url: str, path: Path) -> None:
    path.parent.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "-x", f"url={url}", "upgrade", "head"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert tables(path) == TABLES
