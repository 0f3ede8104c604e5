"""Slash commands on Telegram."""

from __future__ import annotations

import pytest
from fake_relay import FakeRelay, reply
from telegram_double import ADA, GROUP, Fault, TelegramDouble
from telegram_run import ANONYMOUS, running, until, writes

from bot import telegram_answers
from bot.telegram_answers import SENT_PRIVATELY
from bot.types import Notice


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
