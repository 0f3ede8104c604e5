"""How a reply looks on Telegram: paced, split, formatted."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from fake_relay import TWAIN, FakeRelay, reply, result
from telegram_double import GROUP, Fault, TelegramDouble
from telegram_run import running, until, writes

from bot import telegram_poll
from bot.telegram_pace import ChatPace
from bot.types import Started
from engine.types import Delta


async def test_dm_reply_is_streamed_by_paced_edits(server: TelegramDouble, relay: FakeRelay) -> None:
    text = "A **bold** claim. " + " ".join(f"word{n}" for n in range(40))
    relay.answer = lambda incoming: reply(text, TWAIN, pk=5, pause_s=0.03)
    async with running(server, relay, interval_s=0.2):
        server.write("Who are you?")
        await until(lambda: relay.sent_ids)
    (incoming,) = relay.handled
    assert (incoming.platform, incoming.conversation, incoming.text) == (
        "telegram",
        "chat:42",
        "Who are you?",
    )
    assert (incoming.user_id, incoming.user_name, incoming.is_group) == ("42", "Ada Lovelace", False)
    calls = writes(server, 42)
    assert len(calls) >= 4
    assert [c.method for c in calls] == ["sendMessage"] + ["editMessageText"] * (len(calls) - 1)
    assert all(later.at_s - earlier.at_s >= 0.199 for earlier, later in pairwise(calls))
    assert [("parse_mode" in c.params) for c in calls] == [False] * (len(calls) - 1) + [True]
    assert all(c.params["link_preview_options"] == {"is_disabled": True} for c in calls)
    ((message_id, shown),) = server.messages.items()
    assert shown.text.startswith("A bold claim.") and "https://news.example/a" in shown.text
    assert [e.type for e in shown.entities][:1] == ["bold"]
    assert relay.drafts == {5: (str(message_id),)} and relay.sent_ids == {5: (str(message_id),)}
    assert "reply_parameters" not in calls[0].params


async def test_polling_holds_its_requests(server: TelegramDouble, relay: FakeRelay) -> None:
    async with running(server, relay):
        await asyncio.sleep(0.4)
        assert len(server.of("getUpdates")) == 1
        assert server.polls_held == 1
        assert float(server.of("getUpdates")[0].params["timeout"]) == telegram_poll.HOLD_S


async def test_server_that_does_not_hold_polls_is_not_flooded(
    server: TelegramDouble, relay: FakeRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram_poll, "SHORTEST_ROUND_S", 0.1)
    server.holds = False
    async with running(server, relay):
        await asyncio.sleep(0.5)
        assert 2 <= len(server.of("getUpdates")) <= 6


async def test_typing_shows_while_the_model_thinks(server: TelegramDouble, relay: FakeRelay) -> None:
    relay.answer = lambda incoming: [Started(1), 0.35, Delta("Yes."), result("Yes.", pk=1)]
    async with running(server, relay):
        server.write("@TwainBot well?", chat=GROUP, topic=5)
        await until(lambda: relay.sent_ids)
        count = len(server.of("sendChatAction"))
        await asyncio.sleep(0.25)
    actions = server.of("sendChatAction")
    assert 3 <= count == len(actions)
    assert {(a.params["action"], a.params["message_thread_id"]) for a in actions} == {("typing", "5")}


async def test_two_replies_in_one_chat_share_its_budget(server: TelegramDouble, relay: FakeRelay) -> None:
    relay.answer = lambda incoming: reply("One. " + "la " * 30, pk=len(relay.handled), pause_s=0.02)
    async with running(server, relay, interval_s=0.15):
        server.write("a")
        server.write("b")
        await until(lambda: len(relay.sent_ids) == 2)
    calls = writes(server, 42)
    assert len({c.params.get("message_id") for c in calls}) == 3  # two messages, and None for the sends
    assert all(later.at_s - earlier.at_s >= 0.149 for earlier, later in pairwise(calls))


async def test_group_budget_leaves_progress_out_before_whole_replies_wait() -> None:
    pace = ChatPace(0.0, per_minute=20)
    for _ in range(14):
        assert not pace.scarce()
        async with pace.turn():
            pass
    assert pace.scarce()
    for _ in range(6):
        async with pace.turn():
            pass
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), pace.turn():
            pass


async def test_long_reply_is_split_and_complete(server: TelegramDouble, relay: FakeRelay) -> None:
    words = [f"wörd{n}🎩" for n in range(950)]
    text = " ".join(words)
    assert len(text) > 8000
    relay.answer = lambda incoming: [Started(3), Delta(text), result(text, pk=3)]
    async with running(server, relay):
        server.write("Tell me everything")
        await until(lambda: relay.sent_ids)
    parts = server.texts(42)
    assert len(parts) >= 3
    assert " ".join(parts).split() == words
    assert len(relay.sent_ids[3]) == len(parts)


async def test_message_too_long_for_this_server_is_sent_in_smaller_pieces(relay: FakeRelay) -> None:
    text = " ".join(f"word{n}" for n in range(300))
    relay.answer = lambda incoming: [Started(1), result(text, pk=1)]
    async with TelegramDouble(limit=900) as server, running(server, relay):
        server.write("hi")
        await until(lambda: relay.sent_ids)
        assert " ".join(server.texts(42)).split() == text.split()
        assert len(server.messages) >= 3


async def test_markdown_that_telegram_refuses_goes_out_plain(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    relay.answer = lambda incoming: [Started(1), result("**b** (1)", pk=1)]
    server.fail("sendMessage", Fault(400, "Bad Request: can't parse entities: Character '.' is reserved"))
    async with running(server, relay):
        server.write("hi")
        await until(lambda: relay.sent_ids)
    assert server.texts() == ["**b** (1)"]
    assert not next(iter(server.messages.values())).formatted


@pytest.mark.parametrize(
    "text", ["*** _ [x]( `", "1. a-b! #c {d} =e |f| ~g >h \\", "@everyone <@123> &amp; <b>", "🎩 **x**_y_"]
)
async def test_odd_text_from_the_model_is_accepted(
    server: TelegramDouble, relay: FakeRelay, text: str
) -> None:
    relay.answer = lambda incoming: [Started(1), Delta(text), result(text, pk=1)]
    async with running(server, relay):
        server.write("hi")
        await until(lambda: relay.sent_ids)
    (shown,) = server.messages.values()
    assert shown.formatted
    assert len(writes(server, 42)) == 1


async def test_invisible_text_and_half_characters_are_still_a_message(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    answers = iter(["\u200b\u200b", "half \ud83d done"])
    relay.answer = lambda incoming: [Started(len(relay.handled)), result(next(answers))]
    async with running(server, relay):
        server.write("a")
        await until(lambda: 1 in relay.sent_ids)
        server.write("b")
        await until(lambda: 2 in relay.sent_ids)
    assert server.texts() == ["…", "half ? done"]


async def test_names_in_a_group_reply_ping_nobody(server: TelegramDouble, relay: FakeRelay) -> None:
    relay.answer = lambda incoming: [Started(1), result("Ask @ada about `@code`.", pk=1)]
    async with running(server, relay):
        server.write("@TwainBot who?", chat=GROUP)
        await until(lambda: relay.sent_ids)
    assert server.texts() == ["Ask @\u2060ada about @code."]
