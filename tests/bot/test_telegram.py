"""The Telegram adapter through the real client library, against a Bot API server on loopback."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from fake_relay import TWAIN, FakeRelay, reply, result
from telegram_double import ADA, GROUP, TOKEN, Call, Fault, TelegramDouble

from bot import telegram_answers, telegram_channel, telegram_poll
from bot.delivery import WENT_WRONG
from bot.telegram_answers import SENT_PRIVATELY
from bot.telegram_bot import TelegramBot
from bot.telegram_channel import Place
from bot.telegram_pace import ChatPace
from bot.types import Event, Notice, Pending, Started
from engine.config import TelegramConfig
from engine.errors import ConfigError
from engine.secrets import Secret
from engine.types import Delta, Incoming

SHOUT = {"id": 8, "is_bot": True, "first_name": "Other", "username": "OtherBot"}
ANONYMOUS = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
PHOTO = [{"file_id": "p", "file_unique_id": "p", "width": 9, "height": 9, "file_size": 99}]


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that are seconds in earnest."""
    monkeypatch.setattr(telegram_poll, "FIRST_DELAY_S", 0.05)
    monkeypatch.setattr(telegram_poll, "SHORTEST_ROUND_S", 0.02)
    monkeypatch.setattr(telegram_answers, "GROUP_EDIT_INTERVAL_S", 0.1)
    monkeypatch.setattr(telegram_channel, "RETRY_DELAYS_S", (0.02, 0.02))
    monkeypatch.setattr(telegram_channel, "SLOW_DOWN_S", 0.05)
    monkeypatch.setattr(telegram_channel, "TYPING_EVERY_S", 0.1)


@pytest.fixture
async def server() -> AsyncIterator[TelegramDouble]:
    async with TelegramDouble() as double:
        yield double


@pytest.fixture
def relay() -> FakeRelay:
    return FakeRelay()


def build(server: TelegramDouble, relay: Any, *, interval_s: float = 0.05, token: str = TOKEN) -> TelegramBot:
    config = TelegramConfig(
        base_url=f"{server.url}/bot", base_file_url=f"{server.url}/file/bot", edit_interval_s=interval_s
    )
    return TelegramBot(config, Secret(token), relay, "Mark Twain")


@asynccontextmanager
async def running(
    server: TelegramDouble, relay: Any, *, interval_s: float = 0.05
) -> AsyncIterator[TelegramBot]:
    bot = build(server, relay, interval_s=interval_s)
    await bot.start()
    task = asyncio.create_task(bot.run())
    try:
        await asyncio.wait_for(bot.ready.wait(), 5)
        yield bot
    finally:
        await bot.close()
        await asyncio.wait_for(task, 5)


async def until(condition: Callable[[], object], timeout_s: float = 8.0) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


async def settled(server: TelegramDouble) -> None:
    """Wait until all that was written before has been decided on: the next message is answered."""
    stranger = {**ADA, "id": 99, "first_name": "Zoe"}
    server.write("last", sender=stranger)
    await until(lambda: server.texts(99))


def writes(server: TelegramDouble, chat_id: int) -> list[Call]:
    return [c for c in server.of("sendMessage", "editMessageText") if int(c.params["chat_id"]) == chat_id]


# --- replies -------------------------------------------------------------------------------


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


# --- who is answered -----------------------------------------------------------------------

BOT_MESSAGE = {
    "message_id": 50,
    "date": 1,
    "chat": GROUP,
    "from": {"id": 7, "is_bot": True, "first_name": "Mark"},
    "text": "hm",
}


@pytest.mark.parametrize(
    ("text", "fields", "heard"),
    [
        ("@TwainBot what is new?", {}, "what is new?"),
        ("🎩 so, @twainbot, what is new?", {}, "🎩 so, what is new?"),
        ("@TWAINBOT: hello", {}, "hello"),
        ("hey @TwainBot, hello", {}, "hey, hello"),
        ("go on", {"reply_to_message": BOT_MESSAGE}, "go on"),
        (
            "Mark, hello",
            {"entities": [{"type": "text_mention", "offset": 0, "length": 4, "user": BOT_MESSAGE["from"]}]},
            "hello",
        ),
        (
            "",
            {
                "photo": PHOTO,
                "caption": "@TwainBot nice?",
                "caption_entities": [{"type": "mention", "offset": 0, "length": 9}],
            },
            "nice?",
        ),
    ],
)
async def test_group_message_to_the_bot_is_answered(
    server: TelegramDouble, relay: FakeRelay, text: str, fields: dict[str, Any], heard: str
) -> None:
    async with running(server, relay):
        message_id = server.write(text, chat=GROUP, **fields)
        await until(lambda: relay.sent_ids)
    (incoming,) = relay.handled
    assert (incoming.text, incoming.conversation, incoming.is_group) == (heard, "chat:-1001", True)
    (call,) = writes(server, -1001)
    assert call.params["reply_parameters"] == {"message_id": message_id, "allow_sending_without_reply": True}


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "just talking"},
        {"text": "@SomebodyElse what is new?"},
        {"text": "mail me at x@TwainBot.org"},
        {"text": "@TwainBot hi", "sender": SHOUT},
        {"text": "@TwainBot hi", "sender_chat": {"id": -9, "type": "channel"}, "is_automatic_forward": True},
        {
            "text": "first",
            "topic": 5,
            "reply_to_message": {**BOT_MESSAGE, "forum_topic_created": {"name": "t", "icon_color": 1}},
        },
        {"text": "/help@OtherBot"},
        {"text": "/weather today"},
        {"photo": PHOTO},
        {"location": {"latitude": 1.0, "longitude": 2.0}},
        {"new_chat_members": [ADA]},
    ],
)
async def test_group_message_to_others_is_left_alone(
    server: TelegramDouble, relay: FakeRelay, fields: dict[str, Any]
) -> None:
    async with running(server, relay):
        server.write(chat=GROUP, **fields)
        await settled(server)
    assert [i.text for i in relay.handled] == ["last"]
    assert relay.commands == []
    assert server.texts(-1001) == []


async def test_always_on_conversation_is_answered_without_a_mention(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    relay.on_keys.add("telegram:chat:-1001/topic:5")
    async with running(server, relay):
        server.write("elsewhere", chat=GROUP, topic=6)
        server.write("here", chat=GROUP, topic=5)
        server.write(
            chat=GROUP,
            topic=5,
            sticker={
                "file_id": "s",
                "file_unique_id": "s",
                "type": "regular",
                "width": 1,
                "height": 1,
                "is_animated": False,
                "is_video": False,
            },
        )
        await settled(server)
    assert [i.text for i in relay.handled] == ["here", "last"]


async def test_topics_are_conversations_of_their_own(server: TelegramDouble, relay: FakeRelay) -> None:
    async with running(server, relay):
        server.write("@TwainBot in five", chat=GROUP, topic=5)
        server.write("@TwainBot in general", chat=GROUP, message_thread_id=77)  # a reply thread, no topic
        await until(lambda: len(relay.sent_ids) == 2)
    assert [i.conversation for i in relay.handled] == ["chat:-1001/topic:5", "chat:-1001"]
    assert [c.params.get("message_thread_id") for c in writes(server, -1001)] == ["5", None]


def test_place_is_the_inverse_of_its_key() -> None:
    for place in (Place(42), Place(-1001, 5)):
        assert Place.parse(place.conversation) == place


async def test_anonymous_admin_is_known_by_the_group(server: TelegramDouble, relay: FakeRelay) -> None:
    async with running(server, relay):
        server.write("@TwainBot hi", chat=GROUP, sender=ANONYMOUS, sender_chat=GROUP, author_signature="Boss")
        await until(lambda: relay.sent_ids)
    assert [(i.user_id, i.user_name) for i in relay.handled] == [("-1001", "Boss")]


async def test_channel_post_edit_and_own_message_are_left_alone(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    async with running(server, relay):
        server.write("hello")
        await until(lambda: relay.sent_ids)
        edited = server.again()["message"]
        server.push({"edited_message": {**edited, "edit_date": 2, "text": "changed"}})
        server.push({"channel_post": {**edited, "chat": {"id": -5, "type": "channel"}}})
        server.push({"my_chat_member": {"bad": "shape"}})
        server.write("me", sender=dict(server.me))
        await settled(server)
    assert [i.text for i in relay.handled] == ["hello", "last"]


# --- files ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"photo": PHOTO}, "photos"),
        ({"voice": {"file_id": "v", "file_unique_id": "v", "duration": 1}}, "voice"),
        ({"location": {"latitude": 1.0, "longitude": 2.0}}, "locations"),
        (
            {"document": {"file_id": "d", "file_unique_id": "d", "file_name": "a.zip", "file_size": 9}},
            "files",
        ),
        (
            {"document": {"file_id": "d", "file_unique_id": "d", "file_name": "a.txt", "file_size": 200_000}},
            "100 kB",
        ),
    ],
)
async def test_dm_without_text_gets_a_sentence(
    server: TelegramDouble, relay: FakeRelay, fields: dict[str, Any], word: str
) -> None:
    async with running(server, relay):
        server.write(**fields)
        await until(lambda: server.texts(42))
    assert word in server.texts(42)[0]
    assert relay.handled == []


async def test_caption_counts_as_text_and_text_file_is_read(server: TelegramDouble, relay: FakeRelay) -> None:
    server.files["f1"] = b"one\n```two```\n"
    document = {
        "file_id": "f1",
        "file_unique_id": "f1",
        "file_name": "notes.txt",
        "mime_type": "text/plain",
        "file_size": 14,
    }
    async with running(server, relay):
        server.write(photo=PHOTO, caption="What is this?")
        server.write(document=document, caption="Sum it up")
        await until(lambda: len(relay.sent_ids) == 2)
    first, second = relay.handled
    assert first.text == "What is this?"
    assert [a.filename for a in first.attachments] == ["photo"]
    assert second.text == "Sum it up\n\nnotes.txt:\n````\none\n```two```\n````"
    assert second.attachments[0].size_bytes == 14


@pytest.mark.parametrize(("data", "word"), [(b"\x00\x01", "not a text file"), (None, "could not fetch")])
async def test_file_that_cannot_be_read_gets_a_sentence(
    server: TelegramDouble, relay: FakeRelay, data: bytes | None, word: str
) -> None:
    if data is not None:
        server.files["f"] = data
    async with running(server, relay):
        server.write(document={"file_id": "f", "file_unique_id": "f", "file_name": "n.txt", "file_size": 2})
        await until(lambda: server.texts(42))
    assert word in server.texts(42)[0]
    assert relay.handled == []


async def test_sentence_about_files_is_not_for_those_who_are_blocked(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    relay.blocked.add("42")
    async with running(server, relay):
        server.write(photo=PHOTO)
        await settled(server)
    assert server.texts(42) == []


# --- commands ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "args"),
    [
        ("/start", "help", ""),
        ("/start deep-link", "help", "deep-link"),
        ("/help", "help", ""),
        ("/HELP@twainBOT", "help", ""),
        ("/new", "new", ""),
        ("/reset", "reset", ""),
        ("/retry", "retry", ""),
        ("/why", "why", ""),
        ("/stats", "stats", ""),
        ("/admin strength style 0.5", "admin", "strength style 0.5"),
        ("/admin adapters  unload style ", "admin", "adapters  unload style"),
        ("/nonsense", "nonsense", ""),
    ],
)
async def test_dm_command_goes_to_the_relay(
    server: TelegramDouble, relay: FakeRelay, text: str, name: str, args: str
) -> None:
    async with running(server, relay):
        server.write(text)
        await until(lambda: server.texts(42))
    assert [(c[0], c[1], c[2].conversation) for c in relay.commands] == [(name, args, "chat:42")]
    assert relay.handled == []
    assert server.texts() == [f"/{name} {args}".strip()]


async def test_text_that_only_looks_like_a_command_is_a_message(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    async with running(server, relay):
        server.write("/etc/hosts is what?")
        await until(lambda: relay.sent_ids)
    assert [i.text for i in relay.handled] == ["/etc/hosts is what?"]


async def test_commands_are_shown_in_the_menu(server: TelegramDouble, relay: FakeRelay) -> None:
    async with running(server, relay):
        pass
    (call,) = server.of("setMyCommands")
    assert [c["command"] for c in call.params["commands"]] == [
        "help",
        "new",
        "reset",
        "forget",
        "retry",
        "why",
        "stats",
        "optout",
        "optin",
        "audience",
    ]


async def test_group_command_is_answered_with_or_without_address(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    async with running(server, relay):
        server.write("/help", chat=GROUP)
        server.write("/new@TwainBot", chat=GROUP)
        server.write("/unknown@TwainBot", chat=GROUP)
        await until(lambda: len(server.texts(-1001)) == 3)
    assert [name for name, _, _ in relay.commands] == ["help", "new", "unknown"]


async def test_private_answer_in_a_group_goes_to_the_caller_alone(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    async with running(server, relay):
        server.write("/admin status", chat=GROUP, topic=5)
        await until(lambda: server.texts(-1001))
    assert server.texts(42) == ["/admin status"]
    assert server.texts(-1001) == [SENT_PRIVATELY]
    (told,) = writes(server, -1001)
    assert told.params["message_thread_id"] == "5"


@pytest.mark.parametrize("anonymous", [False, True])
async def test_private_answer_without_a_private_chat_stays_secret(
    server: TelegramDouble, relay: FakeRelay, anonymous: bool
) -> None:
    fields = {"sender": ANONYMOUS, "sender_chat": GROUP} if anonymous else {}
    if not anonymous:
        server.fail("sendMessage", Fault(403, "Forbidden: bot can't initiate conversation with a user"))
    async with running(server, relay):
        server.write("/admin status", chat=GROUP, **fields)
        await until(lambda: server.texts(-1001))
    assert "https://t.me/TwainBot" in server.texts(-1001)[0]
    assert not any("/admin status" in text for text in server.texts())


async def test_command_that_streams_is_streamed(server: TelegramDouble, relay: FakeRelay) -> None:
    relay.answer_command = lambda name, args: reply("Once more.", pk=9)
    async with running(server, relay):
        server.write("/retry", chat=GROUP)
        await until(lambda: relay.sent_ids)
    assert server.texts(-1001) == ["Once more."]


async def test_slow_command_does_not_hold_up_others(
    server: TelegramDouble, relay: FakeRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram_answers, "COMMAND_WAIT_S", 0.1)
    relay.answer_command = lambda name, args: [3.0, Notice("refreshed")]
    async with running(server, relay):
        server.write("/admin news refresh")
        server.write("hello", sender={**ADA, "id": 43})
        await until(lambda: relay.sent_ids, 2)
    assert server.texts(43) == ["You said: hello"]


# --- once, and at least once ---------------------------------------------------------------


async def test_duplicates_are_answered_once(server: TelegramDouble, relay: FakeRelay) -> None:
    async with running(server, relay):
        server.write("hello")
        server.push(server.again())
        server.write("/new")
        server.push(server.again())
        await settled(server)
        await until(lambda: len(server.texts(42)) >= 2)
        await asyncio.sleep(0.2)
    assert [i.text for i in relay.handled] == ["hello", "last"]
    assert len(relay.duplicates) == 1
    assert len(relay.commands) == 1
    assert sorted(server.texts(42)) == ["/new", "You said: hello"]


async def test_messages_sent_while_offline_are_answered_in_order(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    for n in range(5):
        server.write(f"while away {n}")
    async with running(server, relay):
        await until(lambda: len(relay.sent_ids) == 5)
    assert [i.text for i in relay.handled] == [f"while away {n}" for n in range(5)]


class StuckRelay(FakeRelay):
    """Gets a message and never comes to store it."""

    stuck_on = "precious"

    async def handle(self, incoming: Incoming) -> AsyncIterator[Event]:
        if incoming.text != self.stuck_on:
            async for event in super().handle(incoming):
                yield event
            return
        self.handled.append(incoming)
        await asyncio.Event().wait()


async def kill(bot: TelegramBot, task: asyncio.Task[None]) -> None:
    """End a bot as `kill -9` would: nothing is acknowledged, nothing finished."""
    assert bot._answers is not None and bot._client is not None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await bot._answers.close()
    await bot._client.shutdown()
    bot._hush.stop()


async def test_update_that_was_not_stored_before_a_crash_comes_again(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    stuck = StuckRelay()
    bot = build(server, stuck)
    await bot.start()
    task = asyncio.create_task(bot.run())
    server.write("precious")
    server.write("waits behind it")
    await until(lambda: stuck.handled)
    await asyncio.sleep(0.1)
    assert len(server.of("getUpdates")) == 1  # the batch is not acknowledged
    await kill(bot, task)
    async with running(server, relay):
        await until(lambda: len(relay.sent_ids) == 2)
    assert server.texts(42) == ["You said: precious", "You said: waits behind it"]


async def test_update_stored_but_unacknowledged_is_answered_once(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    relay.answer = lambda incoming: [Started(1), 60.0]
    bot = build(server, relay)
    await bot.start()
    task = asyncio.create_task(bot.run())
    server.write("precious")
    await until(lambda: relay.handled)
    again = server.again()
    await kill(bot, task)
    server.push(again)  # as if the acknowledgement had been lost
    relay.left = [Pending(1, relay.handled[0])]
    async with running(server, relay):
        await until(lambda: relay.duplicates and relay.sent_ids)
    assert server.texts(42) == ["resumed"]


async def test_pending_reply_is_finished_in_its_draft(server: TelegramDouble, relay: FakeRelay) -> None:
    async with running(server, relay):
        server.write("@TwainBot hello", chat=GROUP, topic=5)
        await until(lambda: relay.sent_ids)
    (draft,) = server.messages
    relay.left = [
        Pending(8, relay.handled[0], (str(draft),), "The whole reply."),
        Pending(9, relay.handled[0], ("4711",), "Its draft was deleted."),
    ]
    async with running(server, relay):
        await until(lambda: len(relay.sent_ids) == 3)
    assert server.texts(-1001) == ["The whole reply.", "Its draft was deleted."]
    assert relay.sent_ids[8] == (str(draft),)
    assert writes(server, -1001)[-1].params["message_thread_id"] == "5"


async def test_close_acknowledges_what_was_taken_and_nothing_else(server: TelegramDouble) -> None:
    relay = StuckRelay()
    relay.stuck_on = "second"
    relay.answer = lambda incoming: [Started(1), 60.0]
    for text in ("first", "second", "third"):
        server.write(text)
    async with running(server, relay) as bot:
        await until(lambda: len(relay.handled) == 2)
        assert len(server.queue) == 3
    assert [u["message"]["text"] for u in server.queue] == ["second", "third"]
    await bot.close()
    assert (bot.status()["ok"], bot.status()["state"]) == (False, "stopped")


# --- faults --------------------------------------------------------------------------------


async def test_flood_control_is_obeyed(server: TelegramDouble, relay: FakeRelay) -> None:
    server.fail("sendMessage", Fault(429, retry_after=1))
    async with running(server, relay):
        server.write("hello")
        await until(lambda: relay.sent_ids)
    refused, accepted = server.of("sendMessage")
    assert accepted.at_s - refused.at_s >= 1.0
    assert server.texts(42) == ["You said: hello"]


async def test_flood_control_holds_for_the_whole_chat(server: TelegramDouble, relay: FakeRelay) -> None:
    server.fail("sendMessage", Fault(429, retry_after=1))
    async with running(server, relay):
        server.write("a")
        server.write("b")
        await until(lambda: len(relay.sent_ids) == 2)
    calls = server.of("sendMessage")
    assert len(calls) == 3
    assert calls[1].at_s - calls[0].at_s >= 1.0


async def test_second_poller_is_named_and_polling_recovers(
    server: TelegramDouble, relay: FakeRelay, caplog: pytest.LogCaptureFixture
) -> None:
    text = "Conflict: terminated by other getUpdates request"
    server.fail("getUpdates", Fault(409, text), Fault(409, text), Fault(502), Fault(429, retry_after=1))
    async with running(server, relay) as bot:
        await until(lambda: bot.status()["state"] == "conflict")
        assert bot.status()["ok"] is False
        server.write("hello")
        await until(lambda: relay.sent_ids)
        assert bot.status()["ok"] is True and bot.status()["account"] == "@TwainBot"
    assert caplog.text.count("Another program polls") == 1


async def test_webhook_is_removed_so_that_polling_works(server: TelegramDouble, relay: FakeRelay) -> None:
    server.fail("getUpdates", Fault(409, "Conflict: can't use getUpdates method while webhook is active"))
    async with running(server, relay):
        server.write("hello")
        await until(lambda: relay.sent_ids)
    (call,) = server.of("deleteWebhook")
    assert call.params.get("drop_pending_updates") in (None, "False", "false")


@pytest.mark.parametrize("fault", [Fault(500), Fault(503), Fault(drop=True), Fault(401, "Unauthorized")])
async def test_poller_comes_back_after(server: TelegramDouble, relay: FakeRelay, fault: Fault) -> None:
    server.fail("getUpdates", fault, fault)
    async with running(server, relay):
        server.write("hello")
        await until(lambda: relay.sent_ids)
    assert server.texts(42) == ["You said: hello"]


@pytest.mark.parametrize("method", ["sendMessage", "editMessageText"])
@pytest.mark.parametrize("fault", [Fault(500), Fault(drop=True)])
async def test_reply_survives_trouble_on_the_way(
    server: TelegramDouble, relay: FakeRelay, method: str, fault: Fault
) -> None:
    relay.answer = lambda incoming: reply("It goes on. And on.", pk=1, pause_s=0.05)
    server.fail(method, *[fault] * 4)  # more than one call retries by itself
    async with running(server, relay):
        server.write("hello")
        await until(lambda: relay.sent_ids)
    assert server.texts(42) == ["It goes on. And on."]


async def test_edit_that_arrived_though_its_answer_was_lost_is_no_error(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    relay.answer = lambda incoming: [
        Started(1),
        Delta("First. "),
        0.2,
        Delta("Last."),
        result("First. Last.", pk=1),
    ]
    server.fail("editMessageText", *[Fault(drop=True, done=True)] * 2)
    async with running(server, relay):
        server.write("hello")
        await until(lambda: relay.sent_ids)
    assert server.texts(42) == ["First. Last."]
    assert relay.failures == {}


@pytest.mark.parametrize(
    "fault", [Fault(403, "Forbidden: bot was blocked by the user"), Fault(400, "Bad Request: chat not found")]
)
async def test_chat_that_cannot_be_written_to_is_given_up(
    server: TelegramDouble, relay: FakeRelay, fault: Fault
) -> None:
    server.fail("sendMessage", fault)
    async with running(server, relay):
        server.write("hello")
        await until(lambda: relay.failures)
        await settled(server)
    assert list(relay.failures) == [1]
    assert server.texts(42) == []


async def test_group_that_became_a_supergroup_is_answered_there(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    server.fail("sendMessage", Fault(400, migrate_to=-2002))
    async with running(server, relay):
        server.write("@TwainBot hi", chat={"id": -12, "type": "group", "title": "old"})
        server.write(chat={"id": -12, "type": "group", "title": "old"}, migrate_to_chat_id=-2002)
        await until(lambda: relay.sent_ids)
    assert server.texts(-2002) == ["You said: hi"]


class ExplodingRelay(FakeRelay):
    """Breaks its promise that every error becomes a notice."""

    def always_on(self, key: str) -> bool:
        if self.seen.get("blow") == "always_on":
            raise ZeroDivisionError
        return super().always_on(key)


async def test_exploding_handler_does_not_end_the_adapter(server: TelegramDouble) -> None:
    relay = ExplodingRelay()
    relay.answer = lambda incoming: [RuntimeError("boom")] if "boom" in incoming.text else reply("fine", pk=7)
    relay.answer_command = lambda name, args: [RuntimeError("boom")]
    async with running(server, relay):
        server.write("boom")
        await until(lambda: server.texts(42) == [WENT_WRONG])
        server.write("/why")
        await until(lambda: server.texts(42) == [WENT_WRONG] * 2)
        relay.seen["blow"] = "always_on"
        server.write("not to the bot", chat=GROUP)
        server.push({"message": {"no": "chat"}})
        server.junk = ["what", {"update_id": "what"}]
        server.write("fine?")
        await until(lambda: relay.sent_ids)
    assert server.texts(42)[-1] == "fine"


async def test_bad_token_is_one_sentence_without_the_token(server: TelegramDouble, relay: FakeRelay) -> None:
    for token in ("999999:" + "B" * 35, "malformed", "with space:x", "ümlaut:x"):
        bot = build(server, relay, token=token)
        with pytest.raises(ConfigError, match="BotFather") as caught:
            await bot.start()
        await bot.close()
        assert token not in "".join(traceback.format_exception(caught.value))


async def test_server_that_is_down_at_start_is_tried_again(server: TelegramDouble, relay: FakeRelay) -> None:
    server.fail("getMe", Fault(502), Fault(drop=True))
    async with running(server, relay):
        server.write("hello")
        await until(lambda: relay.sent_ids)


async def test_token_that_turns_out_wrong_later_ends_the_run(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    server.fail("getMe", Fault(502), Fault(401, "Unauthorized"))
    bot = build(server, relay)
    await bot.start()
    with pytest.raises(ConfigError, match="BotFather"):
        await bot.run()
    await bot.close()


async def test_token_and_texts_never_reach_the_log(
    server: TelegramDouble, relay: FakeRelay, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.fail("getMe", Fault(502))
    server.fail("getUpdates", Fault(drop=True), Fault(409, "Conflict"))
    server.fail("sendMessage", Fault(500), Fault(429, retry_after=1))
    relay.answer = lambda incoming: reply("xyzzy reply", pk=1)
    async with running(server, relay) as bot:
        server.write("plugh question")
        await until(lambda: relay.sent_ids)
        server.push({"message": {"text": "plugh question"}})
        await settled(server)
        assert TOKEN not in repr(bot._client) + str(bot.status())
    assert len(caplog.records) > 5
    assert "AAEtest" not in caplog.text
    assert "plugh" not in caplog.text and "xyzzy" not in caplog.text


async def test_privacy_mode_is_explained_once(relay: FakeRelay, caplog: pytest.LogCaptureFixture) -> None:
    async with TelegramDouble(reads_all=False) as server, running(server, relay):
        server.write("@TwainBot a", chat=GROUP)
        server.write("@TwainBot b", chat=GROUP)
        await until(lambda: len(relay.sent_ids) == 2)
    assert caplog.text.count("/setprivacy") == 1


async def test_close_while_a_reply_runs_leaves_it_pending(server: TelegramDouble, relay: FakeRelay) -> None:
    relay.answer = lambda incoming: [Started(1), Delta("It begins. "), 60.0]
    async with running(server, relay) as bot:
        server.write("hello")
        await until(lambda: relay.drafts)
        assert bot.status()["answering"] == 1
    assert relay.sent_ids == {} and relay.failures == {}
    await bot.close()
    await bot.run()  # a closed bot stays closed
