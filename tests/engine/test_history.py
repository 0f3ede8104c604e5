"""What SqlHistory promises, on SQLite, or on the database that UNDERSTUDY_TEST_DATABASE_URL names.

That database is emptied, so its name must end in `_test`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from engine.database import migrate
from engine.errors import StorageError
from engine.history import SqlHistory, Unfinished
from engine.stats import Stats
from engine.tables import MessageRow, ReplyRow
from engine.types import AdapterInfo, Attachment, Decision, Incoming, Passage, ReplyOptions, Result

SERVER_URL = os.environ.get("UNDERSTUDY_TEST_DATABASE_URL", "")
PASSAGE = "The comet was seen again over Connecticut on the twentieth."


def said(
    message: str, *, conversation: str = "dm1", user: str = "u1", platform: str = "discord", **more: Any
) -> Incoming:
    """A message whose id is its text."""
    return Incoming(platform, conversation, message, user, user.upper(), message, **more)


def reply(text: str, **more: Any) -> Result:
    """A short reply without sources."""
    return Result(text, Decision(False, 0.1), (), (), {"total": 10.0}, **more)


FULL = Result(
    reply="It was seen over Connecticut [1].",
    decision=Decision(True, 0.93, "comet sighting Connecticut"),
    sources=(
        Passage(PASSAGE, "Comet", "https://a.example/1", datetime(2026, 11, 20, tzinfo=UTC), 0.8, 0.7, "c1"),
        Passage("Undated.", "Almanac"),
    ),
    adapters=(AdapterInfo("identity", "0123456789ab", 8, 1.0, "identity"),),
    timings_ms={"decide": 12.5, "total": 310.0},
    finish="length",
    note="cut at the limit",
    prompt_tokens=120,
    new_tokens=40,
)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy: migrating anew for every test would take most of the time."""
    path = tmp_path_factory.mktemp("history") / "empty.db"
    migrate(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture
async def url(empty_database: Path, tmp_path: Path) -> str:
    """A fresh, migrated database."""
    if SERVER_URL:
        await _empty_server()
        await asyncio.to_thread(migrate, SERVER_URL)
        return SERVER_URL
    shutil.copy(empty_database, tmp_path / "history.db")
    return f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"


async def _empty_server() -> None:
    assert (make_url(SERVER_URL).database or "").endswith("_test")
    engine = create_async_engine(SERVER_URL)
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await engine.dispose()


@pytest.fixture
async def history(url: str) -> AsyncIterator[SqlHistory]:
    async with SqlHistory(url) as opened:
        yield opened


async def exchange(history: SqlHistory, incoming: Incoming, answer: str) -> int:
    """Receive and answer a message; returns its row."""
    receipt = await history.receive(incoming)
    await history.answer(receipt.message_pk, reply(answer))
    return receipt.message_pk


async def texts(history: SqlHistory, key: str = "discord:dm1", limit: int = 40, **more: Any) -> list[str]:
    return [turn.text for turn in await history.turns(key, limit, **more)]


# --- receive -------------------------------------------------------------------------------


async def test_receive_same_message_twice_is_fresh_once(history: SqlHistory) -> None:
    first = await history.receive(said("hi"))
    second = await history.receive(replace(said("hi"), text="edited meanwhile"))
    assert first.fresh and not second.fresh
    assert second.message_pk == first.message_pk


async def test_receive_same_id_elsewhere_is_another_message(history: SqlHistory) -> None:
    receipts = [
        await history.receive(said("7")),
        await history.receive(said("7", conversation="dm2")),
        await history.receive(said("7", platform="telegram")),
    ]
    assert all(receipt.fresh for receipt in receipts)
    assert len({receipt.message_pk for receipt in receipts}) == 3


async def test_receive_fifty_at_once_of_one_message_is_fresh_once(history: SqlHistory) -> None:
    receipts = await asyncio.gather(*(history.receive(said("hi")) for _ in range(50)))
    assert sum(receipt.fresh for receipt in receipts) == 1
    assert len({receipt.message_pk for receipt in receipts}) == 1


async def test_receive_by_two_histories_at_once_is_fresh_once(history: SqlHistory, url: str) -> None:
    """Two processes share a database as two histories do: each has its own connections and lock."""
    async with SqlHistory(url) as other:
        receipts = await asyncio.gather(
            *(one.receive(said(f"m{i % 10}")) for i in range(30) for one in (history, other))
        )
    assert sum(receipt.fresh for receipt in receipts) == 10


async def test_receive_everything_round_trips(history: SqlHistory) -> None:
    incoming = Incoming(
        "telegram",
        "-100:7",
        "42",
        "u9",
        "Zoë 🙂",
        "two\nlines, ٱلسَّلَامُ and 👨‍👩‍👧",
        is_group=True,
        sent_at=datetime(2026, 11, 20, 23, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        attachments=(Attachment("a.png", "image/png", 5 * 2**31, "https://x.example/a.png"),),
        options=ReplyOptions(2**70, 50, 0.0, 0.5, {"identity": 1.0, "style": 0.25}, True),
    )
    receipt = await history.receive(incoming)
    pending = await history.pending("telegram")
    assert pending == [Unfinished(receipt.message_pk, incoming)]
    assert pending[0].incoming.sent_at.utcoffset() == timedelta(0)


async def test_receive_broken_text_is_stored_without_what_no_database_takes(history: SqlHistory) -> None:
    broken = Incoming("web", "s1", "m\ud800", "u\0", "n\udfff", "a\ud83d\ude00b\ud800c\0d", is_group=False)
    receipt = await history.receive(
        replace(
            broken,
            attachments=(Attachment("\ud800.txt", "\0", 1),),
            options=ReplyOptions(strengths={"\ud800": float("nan")}),
        )
    )
    await history.answer(
        receipt.message_pk,
        replace(
            FULL,
            reply="ok\0\ud800",
            decision=Decision(True, float("nan"), "\udc00"),
            timings_ms={"total": float("inf")},
        ),
    )
    assert not (await history.receive(broken)).fresh
    turns = await history.turns("web:s1", 2)
    assert [turn.text for turn in turns] == ["a😀b�cd", "ok�"]
    last = await history.last("web:s1")
    assert last is not None and last[1].decision.probability == 0.0


async def test_receive_ids_that_clean_alike_stay_different(history: SqlHistory) -> None:
    """A session id is the browser's to choose: nobody may get into another's by a broken id."""
    ids = ["s\ud800", "s\ud801", "s\ufffd", "s", "s\0", "s" * 5000, "s" * 5001, "s\u200b"]
    for i, conversation in enumerate(ids):
        await exchange(history, said(f"from {i}", conversation=conversation), "yes")
    for i, conversation in enumerate(ids):
        assert await texts(history, f"discord:{conversation}") == [f"from {i}", "yes"]


async def test_receive_one_megabyte_comes_back_whole(history: SqlHistory) -> None:
    message = "é" * 500_000
    await exchange(history, replace(said("big"), text=message), "short")
    assert (await texts(history))[0] == message


# --- turns ---------------------------------------------------------------------------------


async def test_turns_of_a_conversation_are_in_order_with_speakers(history: SqlHistory) -> None:
    await exchange(history, said("one", user="ann"), "1")
    await exchange(history, said("two", user="bob"), "2")
    turns = await history.turns("discord:dm1", 40)
    assert [(turn.role, turn.user_id, turn.user_name, turn.text) for turn in turns] == [
        ("user", "ann", "ANN", "one"),
        ("assistant", "", "", "1"),
        ("user", "bob", "BOB", "two"),
        ("assistant", "", "", "2"),
    ]


async def test_turns_answered_out_of_order_keep_each_reply_after_its_message(history: SqlHistory) -> None:
    first = (await history.receive(said("one"))).message_pk
    second = (await history.receive(said("two"))).message_pk
    await history.answer(second, reply("2"))
    await history.answer(first, reply("1"))
    assert await texts(history) == ["one", "1", "two", "2"]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (0, []),
        (1, ["3"]),
        (2, ["three", "3"]),
        (3, ["2", "three", "3"]),
        (99, ["one", "1", "two", "2", "three", "3"]),
    ],
)
async def test_turns_with_a_limit_are_the_last_ones(
    history: SqlHistory, limit: int, expected: list[str]
) -> None:
    for said_, answer in (("one", "1"), ("two", "2"), ("three", "3")):
        await exchange(history, said(said_), answer)
    assert await texts(history, limit=limit) == expected


async def test_turns_before_a_message_leave_it_and_later_ones_out(history: SqlHistory) -> None:
    await exchange(history, said("one"), "1")
    second = await exchange(history, said("two"), "2")
    await exchange(history, said("three"), "3")
    assert await texts(history, before_pk=second) == ["one", "1"]


async def test_turns_without_a_delivered_reply_are_no_context(history: SqlHistory) -> None:
    await exchange(history, said("one"), "1")
    await history.receive(said("unanswered"))
    refused = await history.receive(said("refused"))
    await history.failed(refused.message_pk, "busy")
    undelivered = await exchange(history, said("undelivered"), "x")
    await history.failed(undelivered, "channel gone")
    assert await texts(history) == ["one", "1"]


async def test_turns_never_cross_conversations(history: SqlHistory) -> None:
    places = [
        said("", conversation="c1"),
        said("", conversation="c1:7"),
        said("", conversation="c1", platform="telegram"),
        said("", conversation="C1"),
        said("", conversation="c1 "),
    ]
    for i, place in enumerate(places):
        await exchange(history, replace(place, message_id="1", text=f"secret {i}"), f"reply {i}")
    for i, place in enumerate(places):
        assert await texts(history, place.key) == [f"secret {i}", f"reply {i}"]


async def test_turns_never_hold_retrieved_text(history: SqlHistory) -> None:
    receipt = await history.receive(said("comet?"))
    await history.answer(receipt.message_pk, FULL)
    turns = await history.turns("discord:dm1", 40)
    assert len(turns) == 2
    assert PASSAGE not in repr(turns)


# --- answer and delivery -------------------------------------------------------------------


async def test_answer_comes_back_whole_for_why(history: SqlHistory) -> None:
    incoming = said("comet?")
    receipt = await history.receive(incoming)
    reply_pk = await history.answer(receipt.message_pk, FULL)
    expected = replace(FULL, message_pk=receipt.message_pk, reply_pk=reply_pk)
    assert await history.last("discord:dm1") == (incoming, expected, receipt.message_pk)


async def test_answer_again_replaces_the_reply_and_keeps_the_old_one(history: SqlHistory) -> None:
    pk = await exchange(history, said("one"), "first try")
    await history.sent(pk, ["p1"])
    second = await history.answer(pk, reply("second try"))
    assert await texts(history) == ["one", "second try"]
    last = await history.last("discord:dm1")
    assert last is not None and last[1].reply_pk == second
    rows = await history._db.rows(select(ReplyRow).order_by(ReplyRow.pk))
    stored = [row[0] for row in rows]
    assert [(row.text, row.replaced_at is None, row.sent_ids) for row in stored] == [
        ("first try", False, ["p1"]),
        ("second try", True, []),
    ]


async def test_answer_many_at_once_leaves_one_current_reply(history: SqlHistory) -> None:
    pk = (await history.receive(said("one"))).message_pk
    await asyncio.gather(*(history.answer(pk, reply(f"r{i}")) for i in range(10)))
    assert len(await texts(history)) == 2
    assert (await history.stats()).replies == 1


async def test_answer_to_an_unknown_message_is_refused(history: SqlHistory) -> None:
    with pytest.raises(StorageError, match="no message 77"):
        await history.answer(77, reply("x"))


async def test_pending_follows_a_message_through_its_states(history: SqlHistory) -> None:
    incoming = said("one")
    pk = (await history.receive(incoming)).message_pk
    assert await history.pending("discord") == [Unfinished(pk, incoming)]
    await history.drafted(pk, ["d1"])
    await history.drafted(pk, ["d1", "d2"])
    assert await history.pending("discord") == [Unfinished(pk, incoming, ("d1", "d2"))]
    await history.answer(pk, reply("all of it"))
    assert await history.pending("discord") == [Unfinished(pk, incoming, ("d1", "d2"), "all of it")]
    await history.sent(pk, ["d1", "d2", "d3"])
    assert await history.pending("discord") == []


async def test_pending_is_oldest_first_and_of_one_platform(history: SqlHistory) -> None:
    await history.receive(said("b", conversation="c2"))
    await history.receive(said("a", conversation="c1"))
    await history.receive(said("t", platform="telegram"))
    assert [p.incoming.text for p in await history.pending("discord")] == ["b", "a"]


async def test_pending_without_failed_and_superseded_ones(history: SqlHistory) -> None:
    gone = await history.receive(said("gone"))
    await history.failed(gone.message_pk, "channel gone")
    await history.receive(said("before new"))
    await history.new("discord:dm1")
    await history.receive(said("erased", conversation="dm2"))
    await history.reset("discord:dm2")
    assert await history.pending("discord") == []


async def test_pending_retry_that_was_not_sent_shows_the_new_reply_without_old_drafts(
    history: SqlHistory,
) -> None:
    pk = await exchange(history, said("one"), "first try")
    await history.drafted(pk, ["p1"])
    await history.sent(pk, ["p1"])
    await history.answer(pk, reply("second try"))
    assert [(p.drafts, p.reply) for p in await history.pending("discord")] == [((), "second try")]


async def test_failed_keeps_its_reason(history: SqlHistory) -> None:
    pk = (await history.receive(said("one"))).message_pk
    await history.failed(pk, "channel \0gone")
    rows = await history._db.rows(select(MessageRow.state, MessageRow.failure))
    assert [tuple(row) for row in rows] == [("failed", "channel gone")]


async def test_failed_retry_leaves_the_reply_that_was_sent(history: SqlHistory) -> None:
    pk = await exchange(history, said("one"), "1")
    await history.sent(pk, ["p1"])
    await history.failed(pk, "busy")
    assert await texts(history) == ["one", "1"]
    assert await history.pending("discord") == []


async def test_last_of_rows_with_fields_that_are_gone_is_still_read(history: SqlHistory) -> None:
    pk = (await history.receive(said("one"))).message_pk
    await history.answer(pk, FULL)

    async def age(session: AsyncSession) -> None:
        await session.execute(update(MessageRow).values(options={"seed": 7, "was_here_once": 1}))

    await history._db.write(age)
    last = await history.last("discord:dm1")
    assert last is not None and last[0].options == ReplyOptions(seed=7)


async def test_last_seen_is_the_last_message_of_each_conversation(history: SqlHistory) -> None:
    for message, conversation in (("1", "a"), ("2", "b"), ("3", "a"), ("3", "a")):
        await history.receive(said(message, conversation=conversation))
    await history.receive(said("9", platform="telegram"))
    await history.reset("discord:a")
    assert await history.last_seen("discord") == {"a": "3", "b": "2"}


# --- new, reset, forget --------------------------------------------------------------------


async def test_new_hides_earlier_turns_and_keeps_them(history: SqlHistory) -> None:
    await exchange(history, said("one"), "1")
    await history.new("discord:dm1")
    assert await texts(history) == []
    assert await history.last("discord:dm1") is None
    assert not (await history.receive(said("one"))).fresh
    await exchange(history, said("two"), "2")
    assert await texts(history) == ["two", "2"]
    assert (await history.stats("discord:dm1")).messages == 2


async def test_new_while_a_message_is_answered_keeps_the_reply_out(history: SqlHistory) -> None:
    pk = (await history.receive(said("one"))).message_pk
    await history.new("discord:dm1")
    await history.answer(pk, reply("late"))
    assert await texts(history) == []


async def test_new_in_an_unknown_conversation_does_nothing(history: SqlHistory) -> None:
    await history.new("discord:never")
    assert await texts(history, "discord:never") == []


async def test_reset_erases_one_conversation_of_all_epochs(history: SqlHistory) -> None:
    await exchange(history, said("old"), "1")
    await history.new("discord:dm1")
    await exchange(history, said("one"), "2")
    await exchange(history, said("other", conversation="dm2"), "3")
    assert await history.reset("discord:dm1") == 2
    assert await history.reset("discord:dm1") == 0
    assert await texts(history) == []
    assert await texts(history, "discord:dm2") == ["other", "3"]
    assert await history._db.rows(select(ReplyRow.text)) == [("3",)]


async def test_reset_does_not_make_an_old_delivery_fresh(history: SqlHistory) -> None:
    first = await history.receive(said("one"))
    await history.reset("discord:dm1")
    again = await history.receive(said("one"))
    assert not again.fresh and again.message_pk == first.message_pk
    later = await history.receive(said("two"))
    assert later.fresh and later.message_pk > first.message_pk


async def test_reset_while_a_message_is_answered_stores_nothing_of_it(history: SqlHistory) -> None:
    pk = (await history.receive(said("one"))).message_pk
    await history.reset("discord:dm1")
    assert await history.answer(pk, reply("late")) == 0
    await history.drafted(pk, ["d"])
    await history.sent(pk, ["d"])
    await history.failed(pk, "gone")
    assert await history.stats() == Stats()


async def test_reset_of_more_than_one_statement_takes_erases_them_all(
    history: SqlHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.erasure.ROWS_PER_STATEMENT", 10)
    for i in range(25):
        await exchange(history, said(f"m{i}"), "x")
    assert await history.reset("discord:dm1") == 25
    assert await history.stats() == Stats()
    assert not (await history.receive(said("m24"))).fresh


async def test_forget_user_erases_theirs_everywhere_and_nobody_elses(history: SqlHistory) -> None:
    await exchange(history, said("mine", user="ann"), "1")
    await exchange(history, said("in a group", user="ann", conversation="g"), "2")
    await exchange(history, said("hers", user="bob", conversation="g"), "3")
    await exchange(history, said("a namesake", user="ann", platform="telegram"), "4")
    assert await history.forget_user("discord", "ann") == 2
    assert await texts(history) == []
    assert await texts(history, "discord:g") == ["hers", "3"]
    assert await texts(history, "telegram:dm1") == ["a namesake", "4"]
    assert "dm1" not in await history.last_seen("discord")
    assert not (await history.receive(said("mine", user="ann"))).fresh


# --- settings and numbers ------------------------------------------------------------------


async def test_settings_are_set_changed_and_removed(history: SqlHistory) -> None:
    assert await history.get_setting("discord:1", "always_on") is None
    await history.set_setting("discord:1", "always_on", "1")
    await history.set_setting("discord:1", "always_on", "2")
    await history.set_setting("discord:2", "always_on", "\0yes")
    await history.set_setting("discord:2", "other", "no")
    assert await history.get_setting("discord:1", "always_on") == "2"
    assert await history.settings("always_on") == {"discord:1": "2", "discord:2": "yes"}
    await history.set_setting("discord:1", "always_on", None)
    assert await history.settings("always_on") == {"discord:2": "yes"}


async def test_stats_count_current_replies_of_one_conversation_and_of_all(history: SqlHistory) -> None:
    before = datetime.now(UTC)
    for i, total in enumerate((30.0, 10.0, 20.0, 40.0)):
        receipt = await history.receive(said(f"m{i}"))
        await history.answer(receipt.message_pk, reply("replaced"))
        await history.answer(receipt.message_pk, replace(FULL, timings_ms={"total": total}))
    await history.receive(said("unanswered"))
    await exchange(history, said("x", conversation="dm2"), "not timed")
    stats = await history.stats("discord:dm1")
    assert (stats.messages, stats.replies, stats.retrieved, stats.median_total_ms) == (5, 4, 4, 25.0)
    assert stats.first_at is not None and before <= stats.first_at <= datetime.now(UTC)
    everything = await history.stats(None)
    assert (everything.messages, everything.replies, everything.median_total_ms) == (6, 5, 20.0)
    assert await history.stats("discord:none") == Stats()


# --- life ----------------------------------------------------------------------------------


async def test_history_reopened_has_everything(url: str) -> None:
    async with SqlHistory(url) as first:
        pk = await exchange(first, said("one"), "1")
        await first.sent(pk, ["p"])
        waiting = await first.receive(said("two"))
        await first.set_setting("global", "x", "y")
    async with SqlHistory(url) as second:
        assert await texts(second) == ["one", "1"]
        assert [p.message_pk for p in await second.pending("discord")] == [waiting.message_pk]
        assert await second.get_setting("global", "x") == "y"


async def test_history_used_when_closed_says_so(url: str) -> None:
    history = SqlHistory(url)
    with pytest.raises(StorageError, match="not open"):
        await history.receive(said("one"))
    await history.start()
    await history.start()
    await history.close()
    await history.close()
    with pytest.raises(StorageError, match="not open"):
        await history.turns("discord:dm1", 4)


async def test_history_many_conversations_at_once_lose_nothing(history: SqlHistory) -> None:
    async def talk(i: int) -> None:
        pk = await exchange(history, said(f"m{i}", conversation=f"c{i % 20}"), f"r{i}")
        await history.drafted(pk, ["d"])
        await history.turns(f"discord:c{i % 20}", 10)
        await history.sent(pk, ["d"])

    await asyncio.gather(*(talk(i) for i in range(100)))
    assert (await history.stats()).replies == 100
    assert await history.pending("discord") == []
    for c in range(20):
        turns = await texts(history, f"discord:c{c}")
        assert sorted(turns[::2]) == sorted(f"m{i}" for i in range(c, 100, 20))
