"""Connections that are lost, and messages missed meanwhile."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from discord_double import ALICE, BOT, DM, GENERAL, GUILD, TOKEN, DiscordDouble, snowflake
from discord_launch import HERE, MENTION, Launch, settle
from fake_relay import FakeRelay, reply, result

from bot import discord_client
from bot.discord_bot import DiscordBot
from bot.types import Pending, Started
from engine.config import DiscordConfig
from engine.errors import ConfigError
from engine.secrets import Secret
from engine.types import Delta, Incoming


@pytest.mark.parametrize("how", ["abort", "tell_reconnect"])
async def test_lost_connection_is_resumed_and_the_missed_message_answered_once(
    double: DiscordDouble, relay: FakeRelay, launch: Launch, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("discord.client.ExponentialBackoff.delay", lambda self: 0.05)
    bot = await launch()
    await double.say(f"{MENTION} before", mentions=(BOT,))
    await double.until(lambda: double.said())
    await getattr(double, how)()
    await double.say(f"{MENTION} missed", mentions=(BOT,))
    await double.until(lambda: len(double.said()) == 2)
    await settle(double)
    assert double.resumes == 1 and double.identified == 1
    assert [i.text for i in relay.handled] == ["before", "missed", "are you there?"]
    assert relay.duplicates == [] and bot.status()["connected"]


async def test_lost_session_catches_up_from_the_channels_history(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    await launch()
    await double.say(f"{MENTION} before", mentions=(BOT,))
    await double.say("in private", channel=DM)
    await double.until(lambda: double.said() and double.said(DM))
    double.fail("GET", f"/channels/{DM}/messages", 403)
    await double.invalidate()
    await double.say(f"{MENTION} missed", mentions=(BOT,), push=False)
    await double.say("chatter", push=False)
    await double.until(lambda: double.identified == 2 and len(double.said()) == 2)
    await settle(double)
    assert [i.text for i in relay.handled] == ["before", "in private", "missed", "are you there?"]


async def test_message_after_a_lost_session_does_not_hide_what_was_missed(
    double: DiscordDouble, relay: FakeRelay, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    await launch()
    await double.say(f"{MENTION} before", mentions=(BOT,))
    await double.until(lambda: double.said())
    monkeypatch.setattr(discord_client, "GUILDS_SETTLE_S", 1.0)
    await double.invalidate()
    await double.say(f"{MENTION} missed", mentions=(BOT,), push=False)
    await double.until(lambda: double.identified == 2)
    await double.say(f"{MENTION} new", mentions=(BOT,))
    await double.until(lambda: len(double.said()) == 3)
    assert sorted(i.text for i in relay.handled) == ["before", "missed", "new"]


async def test_messages_written_while_it_was_down_are_answered_at_start(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    relay.seen = {HERE: snowflake(age_s=300_000), "web:odd key": "x", f"guild:{GUILD}/channel:999": "5"}
    await double.say(f"{MENTION} days ago", mentions=(BOT,), push=False, age_s=200_000)
    await double.say(f"{MENTION} anybody?", mentions=(BOT,), push=False, age_s=30)
    await launch()
    await double.until(lambda: double.said())
    assert [i.text for i in relay.handled] == ["anybody?"]


async def test_pending_reply_is_finished_in_its_draft(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    asked = await double.say(f"{MENTION} hi", mentions=(BOT,), push=False)
    draft = double.message("Half a", BOT, GENERAL)
    double.channels[GENERAL].append(draft)
    incoming = Incoming("discord", HERE, asked, str(ALICE), "Alice", "hi", True)
    relay.left = [
        Pending(5, incoming, (draft["id"],), "Half a reply made whole."),
        Pending(6, Incoming("discord", "gone elsewhere", "x", "1", "A", "hi")),
    ]
    await launch()
    await double.until(lambda: 5 in relay.sent_ids and 6 in relay.failures)
    assert double.said() == ["Half a reply made whole."] and relay.sent_ids[5] == (draft["id"],)


async def test_message_that_arrives_first_is_not_taken_for_a_pending_one(
    double: DiscordDouble, relay: FakeRelay, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unfinished(platform: str) -> list[Pending]:
        return [Pending(n, i) for n, i in enumerate(relay.handled, 1) if n not in relay.sent_ids]

    relay.pending = unfinished  # type: ignore[method-assign]
    relay.answer = lambda _: [Started(1), 1.0, Delta("Well now."), result("Well now.")]
    starting = asyncio.create_task(launch())
    monkeypatch.setattr(discord_client, "GUILDS_SETTLE_S", 0.5)
    await double.until(lambda: double._sockets)
    await double.say(f"{MENTION} at once", mentions=(BOT,))
    await starting
    await double.until(lambda: relay.sent_ids)
    assert relay.resumed == [] and double.said() == ["Well now."]


async def test_reply_sent_but_not_recorded_is_not_shown_twice_after_a_restart(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    first = await launch()
    relay.answer = lambda _: [Started(5), Delta("Well now. "), 60.0]
    asked = await double.say(f"{MENTION} hi", mentions=(BOT,))
    await double.until(lambda: double.said())
    await first.close()
    assert double.said() == ["Well now."], "closing leaves the draft as it is"
    incoming = Incoming("discord", HERE, asked, str(ALICE), "Alice", "hi", True)
    relay.left = [Pending(5, incoming, (), "Well now. All of it.")]  # killed before the draft was recorded
    await launch()
    await double.until(lambda: 5 in relay.sent_ids)
    assert double.said() == ["Well now. All of it."]


async def test_missing_intent_is_one_plain_sentence(
    double: DiscordDouble, relay: FakeRelay, caplog: pytest.LogCaptureFixture
) -> None:
    double.refuse_intents = True
    config = DiscordConfig(api_url=double.api_url, gateway_url=double.gateway_url)
    bot = DiscordBot(config, Secret(TOKEN), relay, "Mark Twain")
    await bot.start()
    with pytest.raises(ConfigError, match="Message Content Intent"):
        await asyncio.wait_for(bot.run(), 5)
    await bot.close()
    assert "Message Content Intent" in caplog.text


async def test_withheld_content_is_told_once(double: DiscordDouble, relay: FakeRelay, launch: Launch) -> None:
    await launch()
    await double.say("", mentions=(BOT,))
    await double.say("", mentions=(BOT,))
    await settle(double)
    told = [text for text in double.said() if "Message Content Intent" in text]
    assert len(told) == 1 and [i.text for i in relay.handled] == ["are you there?"]


async def test_wrong_token_is_one_plain_sentence(double: DiscordDouble, relay: FakeRelay) -> None:
    config = DiscordConfig(api_url=double.api_url, gateway_url=double.gateway_url)
    bot = DiscordBot(config, Secret("wrong"), relay, "Mark Twain")
    with pytest.raises(ConfigError, match="DISCORD_TOKEN") as caught:
        await bot.start()
    await bot.close()
    assert "wrong" not in str(caught.value)


async def test_unreachable_at_start_connects_later(
    double: DiscordDouble, relay: FakeRelay, launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    double.fail("GET", "/users/@me", 503, times=2)
    bot = await launch()
    assert bot.status()["connected"] and "cannot log in" in caplog.text


async def test_gateway_closing_for_good_brings_a_fresh_session(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    await launch()
    for socket in list(double._sockets):
        await socket.close(code=4013)
    await double.until(lambda: double.identified == 2 and double._sockets)
    await settle(double)
    assert [i.text for i in relay.handled] == ["are you there?"]


async def test_reply_outlives_a_reconnection_with_a_fresh_client(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    text = "Well now. " + "word " * 60 + "end."
    relay.answer = lambda _: reply(text, pause_s=0.02)
    await launch()
    await double.say(f"{MENTION} hi", mentions=(BOT,))
    await double.until(lambda: double.said())
    for socket in list(double._sockets):
        await socket.close(code=4013)
    await double.until(lambda: relay.sent_ids)
    assert double.said() == [text]


async def test_status_and_invite_tell_what_an_operator_needs(double: DiscordDouble, launch: Launch) -> None:
    bot = await launch()
    await double.until(lambda: bot.status()["latency_ms"] is not None)
    assert bot.status()["connected"] and bot.status()["guilds"] == 1
    assert "scope=bot+applications.commands" in bot.invite_url and "client_id=900" in bot.invite_url
    permissions = int(bot.invite_url.split("permissions=")[1].split("&")[0])
    assert permissions & (1 << 11) and not permissions & (1 << 3), "send messages, no administrator"
    guide = (Path(__file__).parents[3] / "docs/discord.md").read_text(encoding="utf-8")
    assert f"permissions={permissions}\n" in guide
    await bot.close()
    await bot.close()
    assert bot.status() == {"connected": False, "latency_ms": None, "guilds": 0}


async def test_endpoints_are_the_bots_own(double: DiscordDouble, launch: Launch) -> None:
    from discord.gateway import DiscordWebSocket
    from discord.http import Route

    await launch()
    assert Route.BASE == "https://discord.com/api/v10"
    assert str(DiscordWebSocket.DEFAULT_GATEWAY) == "wss://gateway.discord.gg/"


async def test_log_has_no_text_and_no_token(
    double: DiscordDouble, relay: FakeRelay, launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await launch()
        await double.say(f"{MENTION} a secret thing", mentions=(BOT,))
        await double.until(lambda: relay.sent_ids)
    ours = [r.getMessage() for r in caplog.records if r.name.startswith(("bot", "discord"))]
    assert ours and not any("secret thing" in line or TOKEN in line for line in ours)
