"""Faults below the history: killed processes, full and read-only disks, locks, cancelled callers."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from engine import connection
from engine.connection import parse_url, shown
from engine.database import Database, migrate
from engine.errors import StorageError
from engine.history import SqlHistory
from engine.tables import ReplyRow
from engine.types import Decision, Incoming, Result

ROOT = Path(__file__).resolve().parents[2]
REPLY = Result("a reply", Decision(False, 0.1), (), (), {"total": 10.0})


def said(message: str) -> Incoming:
    return Incoming("discord", "dm1", message, "u1", "Ann", message)


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("database") / "empty.db"
    migrate(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture
def path(empty_database: Path, tmp_path: Path) -> Path:
    """A migrated SQLite file."""
    return Path(shutil.copy(empty_database, tmp_path / "understudy.db"))


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
async def history(url: str) -> AsyncIterator[SqlHistory]:
    async with SqlHistory(url) as opened:
        yield opened


# --- kill -9 -------------------------------------------------------------------------------

SERVICE = """
import asyncio, sys
from engine.history import SqlHistory
from engine.types import Decision, Incoming, Result

async def main(url, answered):
    history = SqlHistory(url)
    await history.start()
    incoming = Incoming("discord", "dm1", "42", "u1", "Ann", "are you there?")
    receipt = await history.receive(incoming)
    assert receipt.fresh
    await history.drafted(receipt.message_pk, ["d1"])
    if answered:
        await history.answer(receipt.message_pk, Result("yes", Decision(False, 0.1), (), (), {}))
    print("stored", flush=True)
    await asyncio.sleep(60)

asyncio.run(main(sys.argv[1], sys.argv[2] == "answered"))
"""


@pytest.mark.parametrize(("stage", "reply"), [("received", None), ("answered", "yes")])
async def test_history_process_killed_leaves_what_was_not_sent(
    url: str, stage: str, reply: str | None
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, url, stage, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"stored\n"
    process.send_signal(signal.SIGKILL)
    await process.wait()
    async with SqlHistory(url) as restarted:
        pending = await restarted.pending("discord")
        assert [(p.incoming.text, p.drafts, p.reply) for p in pending] == [("are you there?", ("d1",), reply)]
        again = await restarted.receive(pending[0].incoming)
        assert not again.fresh and again.message_pk == pending[0].message_pk
        await restarted.answer(again.message_pk, REPLY)
        await restarted.sent(again.message_pk, ["d1"])
        assert await restarted.pending("discord") == []


# --- full, read-only, damaged, locked ------------------------------------------------------


async def limit_pages(history: SqlHistory, pages: int) -> None:
    """Let the writer's file grow no further, as on a full disk."""

    async def work(session: AsyncSession) -> None:
        await session.execute(text(f"PRAGMA max_page_count={pages}"))

    await history._db.write(work)


async def test_write_on_a_full_disk_says_so_and_loses_nothing(history: SqlHistory) -> None:
    pk = (await history.receive(said("one"))).message_pk
    await limit_pages(history, 1)  # below the present size means: the present size
    with pytest.raises(StorageError, match="disk is full; free some space"):
        await history.receive(said("x" * 1_000_000))
    with pytest.raises(StorageError, match="disk is full"):
        await history.answer(pk, Result("y" * 1_000_000, Decision(False, 0.1), (), (), {}))
    assert [(p.message_pk, p.reply) for p in await history.pending("discord")] == [(pk, None)]
    await limit_pages(history, 1_000_000)
    await history.answer(pk, REPLY)
    assert (await history.receive(said("x" * 1_000_000))).fresh
    assert [turn.text for turn in await history.turns("discord:dm1", 4)] == ["one", "a reply"]


async def test_write_to_a_read_only_file_says_so_and_reads_go_on(url: str, path: Path) -> None:
    async with SqlHistory(url) as history:
        pk = (await history.receive(said("one"))).message_pk
        await history.answer(pk, REPLY)
    async with SqlHistory(f"sqlite+aiosqlite:///file:{path}?mode=ro&uri=true") as history:
        with pytest.raises(StorageError, match="read-only; make the file and its folder writable"):
            await history.receive(said("two"))
        with pytest.raises(StorageError, match="read-only"):
            await history.sent(pk, ["d1"])
        assert [turn.text for turn in await history.turns("discord:dm1", 4)] == ["one", "a reply"]
        assert len(await history.pending("discord")) == 1


async def test_reader_connection_cannot_write(history: SqlHistory) -> None:
    async def work(session: AsyncSession) -> None:
        await session.execute(text("DELETE FROM messages"))

    with pytest.raises(StorageError, match="read-only"):
        await history._db.read(work)


async def test_write_that_breaks_a_rule_is_refused_without_quoting_it(history: SqlHistory) -> None:
    """A reply to no message, as a race with an erasure could leave it: foreign keys are on."""

    async def work(session: AsyncSession) -> None:
        session.add(ReplyRow.of(77, REPLY))

    with pytest.raises(StorageError, match="refused a value") as failure:
        await history._db.write(work)
    assert REPLY.reply not in str(failure.value)


def test_start_on_a_file_that_is_no_database_says_so(path: Path, url: str) -> None:
    path.write_bytes(b"not a database, and long enough to be looked at" * 100)
    with pytest.raises(StorageError, match="damaged or no database"):
        asyncio.run(SqlHistory(url).start())


async def test_start_without_a_file_names_the_command_and_creates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    with pytest.raises(StorageError, match="understudy db upgrade"):
        await SqlHistory(f"sqlite+aiosqlite:///{path}").start()
    assert not path.exists()


@pytest.mark.parametrize("sql", ["", "CREATE TABLE alembic_version (version_num VARCHAR(32))"])
async def test_start_on_an_unmigrated_database_names_the_command(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "bare.db"
    with sqlite3.connect(path) as bare:
        bare.execute("CREATE TABLE other (x)")
        bare.execute(sql or "SELECT 1")
    with pytest.raises(StorageError, match="understudy db upgrade"):
        await SqlHistory(f"sqlite+aiosqlite:///{path}").start()


@pytest.mark.parametrize(("revision", "said_"), [("0000", "understudy db upgrade"), ("9999", "newer")])
async def test_start_on_another_schema_tells_which_side_is_old(
    path: Path, url: str, revision: str, said_: str
) -> None:
    with sqlite3.connect(path) as other:
        other.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    history = SqlHistory(url)
    with pytest.raises(StorageError, match=said_):
        await history.start()
    await history.close()


async def test_write_while_another_process_holds_the_lock_waits_for_it(
    history: SqlHistory, path: Path
) -> None:
    release = threading.Timer(0.5, lambda: holder.rollback())
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release.start()
    started = time.monotonic()
    assert (await history.receive(said("one"))).fresh
    assert time.monotonic() - started > 0.3
    release.join()
    holder.close()


async def test_write_while_the_lock_is_never_released_says_so(
    url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = tuple("busy_timeout=50" if p.startswith("busy") else p for p in connection._PRAGMAS["writer"])
    monkeypatch.setitem(connection._PRAGMAS, "writer", quick)
    async with SqlHistory(url) as history:
        pk = (await history.receive(said("one"))).message_pk
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="another process holds it"):
            await history.answer(pk, REPLY)
        assert len(await history.pending("discord")) == 1  # readers are beside the writer
        holder.close()
        assert await history.answer(pk, REPLY)


async def test_write_by_two_hundred_at_once_from_two_processes_is_never_locked(
    history: SqlHistory, url: str
) -> None:
    """Both write as fast as they can: a deferred transaction would fail with "database is locked"."""
    other = """
import asyncio, sys
from engine.history import SqlHistory
from engine.types import Incoming

async def main():
    async with SqlHistory(sys.argv[1]) as history:
        print("ready", flush=True)
        messages = [Incoming("telegram", f"c{i % 7}", f"{i}", "u", "U", "x") for i in range(100)]
        await asyncio.gather(*map(history.receive, messages))

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", other, url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"ready\n"
    receipts = await asyncio.gather(*(history.receive(said(f"m{i}")) for i in range(200)))
    assert await asyncio.wait_for(process.wait(), 60) == 0
    assert all(receipt.fresh for receipt in receipts)
    assert (await history.stats()).messages == 300


# --- callers that go away ------------------------------------------------------------------


async def test_write_of_a_cancelled_caller_is_stored_whole(history: SqlHistory) -> None:
    pk = (await history.receive(said("one"))).message_pk
    for delay_s in (0.0, 0.0005, 0.001, 0.002, 0.004):
        task = asyncio.create_task(history.answer(pk, REPLY))
        await asyncio.sleep(delay_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await history.answer(pk, Result("the last", Decision(False, 0.1), (), (), {}))
    assert [turn.text for turn in await history.turns("discord:dm1", 4)] == ["one", "the last"]


async def test_close_waits_for_what_is_being_written(history: SqlHistory, url: str) -> None:
    task = asyncio.create_task(history.receive(said("one")))
    await asyncio.sleep(0)
    task.cancel()
    await history.close()
    async with SqlHistory(url) as reopened:
        assert len(await reopened.pending("discord")) == 1


async def test_write_that_fails_after_its_caller_left_is_logged(
    history: SqlHistory, caplog: pytest.LogCaptureFixture
) -> None:
    await limit_pages(history, 1)
    task = asyncio.create_task(history.receive(said("private " * 100_000)))
    await asyncio.sleep(0)
    task.cancel()
    with caplog.at_level(logging.ERROR, "engine.database"):
        await history.close()
        await asyncio.sleep(0)
    assert "disk is full" in caplog.text
    assert "private" not in caplog.text


async def test_event_loop_goes_on_while_the_database_is_locked(history: SqlHistory, path: Path) -> None:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    task = asyncio.create_task(history.receive(said("one")))
    ticks = 0
    while ticks < 20:
        await asyncio.sleep(0.005)
        ticks += 1
    assert not task.done()
    holder.rollback()
    holder.close()
    assert (await task).fresh


# --- what is erased, and what is told ------------------------------------------------------


def files_with(path: Path, words: bytes) -> list[str]:
    """The database's files that hold some text, the write-ahead log among them."""
    return [file.name for file in path.parent.iterdir() if words in file.read_bytes()]


async def test_reset_leaves_no_trace_of_the_text_on_disk(history: SqlHistory, path: Path) -> None:
    for i in range(3):
        incoming = Incoming("discord", "dm1", f"{i}", "u1", "Ann", "the treasure is under the oak")
        pk = (await history.receive(incoming)).message_pk
        await history.answer(pk, Result("under the oak " * 1000, Decision(False, 0.1), (), (), {}))
    assert files_with(path, b"under the oak")
    await history.reset("discord:dm1")
    assert files_with(path, b"under the oak") == []


async def test_error_of_a_statement_holds_no_stored_text(path: Path, url: str) -> None:
    async with SqlHistory(url) as history:
        with sqlite3.connect(path) as other:
            other.execute("DROP TABLE messages")
        with pytest.raises(StorageError, match="understudy db upgrade") as failure:
            await history.receive(said("private words"))
    told: BaseException | None = failure.value
    while told is not None:
        assert "private words" not in str(told)
        told = told.__cause__


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "cannot be used"),
        ("sqlite:///understudy.db", "not async"),
        ("sqlite+aiosqlite://", "in memory"),
        ("sqlite+aiosqlite:///:memory:", "in memory"),
        ("sqlite+aiosqlite:///file:x?mode=memory&uri=true", "in memory"),
        ("nosuchdb+driver://host/db", "cannot be used"),
    ],
)
def test_url_that_cannot_be_used_says_why(url: str, words: str) -> None:
    with pytest.raises(StorageError, match=words):
        Database(url)


def test_url_shown_to_people_hides_the_password() -> None:
    assert shown(parse_url("sqlite+aiosqlite:////data/understudy.db")) == "/data/understudy.db"
    server = parse_url("postgresql+asyncpg://ann:hunter2@db.example/understudy")
    assert "hunter2" not in shown(server) and "db.example" in shown(server)


def test_history_import_brings_in_neither_alembic_nor_torch() -> None:
    code = (
        "import sys, engine.history, engine.database, engine.fakes; "
        "print([name for name in ('alembic', 'torch') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "[]", done.stderr
