"""Tool calls of a reply where people and programs look for them: /why, the JSON, and the database."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

from alembic import command

from bot.commands import why_text
from bot.result_json import result_json
from engine.connection import parse_url
from engine.database import alembic_config, migrate
from engine.history import SqlHistory
from engine.types import Decision, Incoming, Result, ToolRecord

RECORD = ToolRecord("get_weather", {"location": "Zürich", "date": "today"}, '{"high": "3°C"}', True, ms=41.5)
REFUSED = ToolRecord("", {}, '{"error": "no"}', False, refused=True, error="no")


def result(*tools: ToolRecord) -> Result:
    """A reply that called these tools."""
    return Result("It is cold.", Decision(False, 0.1), (), (), {"tools": 41.5, "total": 90.0}, tools=tools)


def test_why_text_tells_each_call_with_its_result() -> None:
    lines = why_text(result(RECORD, REFUSED)).splitlines()
    assert 'Tool: get_weather(location=Zürich, date=today) in 42 ms: {"high": "3°C"}' in lines
    assert 'Tool: ?() in 0 ms: {"error": "no"}' in lines
    assert not any(line.startswith("Tool:") for line in why_text(result()).splitlines())


def test_result_json_holds_each_call() -> None:
    shown = json.loads(json.dumps(result_json(result(RECORD))))
    assert shown["tools"] == [
        {
            "name": "get_weather",
            "arguments": {"location": "Zürich", "date": "today"},
            "result": '{"high": "3°C"}',
            "ok": True,
            "ms": 41.5,
        }
    ]
    assert result_json(result())["tools"] == []


async def test_history_keeps_calls_beside_the_reply_and_out_of_the_turns(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/h.db"
    await asyncio.to_thread(migrate, url)
    async with SqlHistory(url) as history:
        incoming = Incoming("web", "c", "1", "u", "Ann", "Weather?")
        receipt = await history.receive(incoming)
        await history.answer(receipt.message_pk, result(RECORD, REFUSED))
        last = await history.last(incoming.key)
        assert last is not None and last[1].tools == (RECORD, REFUSED)
        assert [t.text for t in await history.turns(incoming.key, 9)] == ["Weather?", "It is cold."]


async def test_migration_of_an_older_database_gives_its_replies_no_calls(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/h.db"
    await asyncio.to_thread(migrate, url)
    async with SqlHistory(url) as history:
        incoming = Incoming("web", "c", "1", "u", "Ann", "Weather?")
        receipt = await history.receive(incoming)
        await history.answer(receipt.message_pk, result(RECORD))
    await asyncio.to_thread(command.downgrade, alembic_config(parse_url(url)), "0001")
    with sqlite3.connect(tmp_path / "h.db") as connection:
        assert "tools" not in {row[1] for row in connection.execute("PRAGMA table_info(replies)")}
    await asyncio.to_thread(migrate, url)
    async with SqlHistory(url) as history:
        last = await history.last(incoming.key)
        assert last is not None and last[1].tools == () and last[1].reply == "It is cold."
