"""Slash commands."""

from __future__ import annotations

from typing import Any

import pytest
from discord_double import BOB, DM, GUILD, DiscordDouble
from discord_launch import HERE, Launch, mentions_off, settle
from fake_relay import TWAIN, FakeRelay, reply

from bot.types import Notice


async def test_commands_are_registered_with_contexts(double: DiscordDouble, launch: Launch) -> None:
    await launch()
    await double.until(lambda: double.commands)
    names = {c["name"] for c in double.commands}
    assert {"help", "new", "reset", "retry", "why", "stats", "optout", "optin", "admin"} <= names
    assert all(c["contexts"] and c["integration_types"] for c in double.commands)
    assert double.command_path == "/applications/900/commands"


async def test_commands_go_to_the_test_guild_where_one_is_set(double: DiscordDouble, launch: Launch) -> None:
    await launch(test_guild=GUILD)
    await double.until(lambda: double.commands)
    assert double.command_path == f"/applications/900/guilds/{GUILD}/commands"


async def test_commands_that_cannot_be_registered_stop_nothing(
    double: DiscordDouble, relay: FakeRelay, launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    double.fail("PUT", "/commands", 403, body={"message": "Missing Access", "code": 50001})
    await launch()
    await settle(double)
    assert "could not be registered" in caplog.text


@pytest.mark.parametrize("name", ["help", "new", "reset", "forget", "why", "stats", "optout", "optin"])
async def test_plain_command_is_acknowledged_and_answered(
    double: DiscordDouble, relay: FakeRelay, launch: Launch, name: str
) -> None:
    await launch()
    answers = await double.use(name)
    await double.until(lambda: answers.messages)
    assert [m["content"] for m in answers.messages.values()] == [f"/{name}"]
    assert answers.deferred is not None and answers.deferred["type"] == 5
    hidden = bool(answers.deferred.get("data", {}).get("flags", 0) & 64)
    assert hidden == (name in ("forget", "why", "stats", "optout", "optin"))
    called, args, caller = relay.commands[0]
    assert (called, args, caller.conversation, caller.user_name) == (name, "", HERE, "Alice")
    assert mentions_off(double)


@pytest.mark.parametrize(("values", "args"), [({"name": "student"}, "student"), ({}, "")])
async def test_audience_command_hands_its_name_on(
    double: DiscordDouble, relay: FakeRelay, launch: Launch, values: dict[str, Any], args: str
) -> None:
    await launch()
    answers = await double.use("audience", **values)
    await double.until(lambda: answers.messages)
    assert relay.commands[0][:2] == ("audience", args)


@pytest.mark.parametrize(
    ("path", "values", "args"),
    [
        ("admin adapters list", {}, "adapters list"),
        ("admin adapters load", {"name": "style"}, "adapters load style"),
        ("admin adapters unload", {"name": "style"}, "adapters unload style"),
        ("admin adapters reload", {"name": "style"}, "adapters reload style"),
        ("admin adapters rollback", {"name": "style"}, "adapters rollback style"),
        ("admin strength", {"name": "style", "value": 0.5}, "strength style 0.5"),
        ("admin news refresh", {}, "news refresh"),
        ("admin status", {}, "status"),
        ("admin channel on", {}, "channel on"),
        ("admin channel off", {}, "channel off"),
    ],
)
async def test_admin_command_is_answered_to_the_caller_alone(
    double: DiscordDouble, relay: FakeRelay, launch: Launch, path: str, values: dict[str, Any], args: str
) -> None:
    await launch()
    answers = await double.use(path, **values)
    await double.until(lambda: answers.messages)
    assert relay.commands[0][:2] == ("admin", args)
    assert [m["content"] for m in answers.messages.values()] == [f"/admin {args}"]
    assert answers.deferred is not None and answers.deferred["data"]["flags"] == 64, "announced in private"
    assert all(m["flags"] & 64 for m in answers.messages.values()), "ephemeral"
    assert double.said() == []


async def test_admin_answer_that_is_long_is_split_and_stays_private(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    text = "\n".join(f"adapter line {n}" for n in range(300))
    relay.answer_command = lambda name, args: [Notice(text, private=True)]
    await launch()
    answers = await double.use("admin status")
    await double.until(lambda: len(answers.messages) == 3)
    parts = [m["content"] for m in answers.messages.values()]
    assert "\n".join(parts) == text and max(map(len, parts)) <= 2000
    assert all(m["flags"] & 64 for m in answers.messages.values())


async def test_retry_streams_a_public_reply_in_a_direct_message(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    text = "Well now. " + "word " * 30 + "end."
    relay.answer_command = lambda name, args: reply(text, TWAIN, pk=8, pause_s=0.01)
    await launch()
    answers = await double.use("retry", channel=DM)
    await double.until(lambda: 8 in relay.sent_ids)
    (message,) = answers.messages.values()
    assert message["content"].startswith(text + "\n-# [1]") and relay.sent_ids[8] == (answers.original,)
    assert relay.commands[0][2].conversation == f"dm:{DM}"


async def test_private_notice_of_a_public_command_is_shown_to_the_caller_alone(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    relay.answer_command = lambda name, args: [Notice("There is nothing to retry yet.", private=True)]
    await launch()
    answers = await double.use("retry")
    await double.until(lambda: answers.messages)
    assert answers.original == "", "the public 'thinking' was withdrawn"
    assert [m["flags"] & 64 for m in answers.messages.values()] == [64]


async def test_command_of_somebody_not_admitted_gets_a_private_sentence(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    relay.blocked.add(str(BOB))
    await launch()
    answers = await double.use("help", author=BOB)
    await double.until(lambda: answers.messages)
    (message,) = answers.messages.values()
    assert "not on the list" in message["content"] and message["flags"] & 64 and relay.commands == []


async def test_command_without_any_answer_is_not_left_thinking(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    relay.answer_command = lambda name, args: []
    await launch()
    answers = await double.use("new")
    await double.until(lambda: answers.messages)


async def test_command_that_explodes_says_so_and_ends_nothing(
    double: DiscordDouble, relay: FakeRelay, launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(name: str, args: str) -> Any:
        raise RuntimeError("boom")

    relay.answer_command = explode
    await launch()
    answers = await double.use("stats")
    await double.until(lambda: answers.messages)
    assert "Something went wrong" in next(iter(answers.messages.values()))["content"]
    await settle(double)


async def test_command_with_unreadable_arguments_ends_nothing(
    double: DiscordDouble, relay: FakeRelay, launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    await launch()
    await double.use("nosuchcommand")
    await double.use("admin strength", name="style")
    await double.until(lambda: caplog.text.count("a command failed") == 2)
    await settle(double)
    assert relay.commands == []


@pytest.mark.parametrize(("name", "public"), [("help", True), ("stats", False)])
async def test_expired_interaction_goes_to_the_channel_if_it_is_public(
    double: DiscordDouble, relay: FakeRelay, launch: Launch, name: str, public: bool
) -> None:
    await launch()
    double.fail("POST", "/callback", 404, body={"message": "Unknown interaction", "code": 10062})
    await double.use(name)
    await double.until(lambda: relay.commands)
    await settle(double)
    assert ("/help" in double.said()) == public and "/stats" not in double.said()
    assert mentions_off(double)


async def test_interaction_expiring_while_a_reply_streams_ends_in_the_channel(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    relay.answer_command = lambda name, args: reply("Well now. And so on.", pk=9)
    await launch()
    double.fail("PATCH", "/webhooks/", 401, body={"message": "Invalid Webhook Token", "code": 50027})
    await double.use("retry")
    await double.until(lambda: 9 in relay.sent_ids)
    assert double.said() == ["Well now. And so on."]
