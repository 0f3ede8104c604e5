"""The real discord.py client against a small Discord on loopback."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from discord_double import ALICE, BOB, BOT, DM, GENERAL, GUILD, ROBOT, TOKEN, DiscordDouble, snowflake
from fake_relay import TWAIN, FakeRelay, reply, result

from bot import discord_bot, discord_client
from bot.discord_bot import DiscordBot
from bot.types import Notice, Pending, Started
from engine.config import DiscordConfig, LimitsConfig
from engine.errors import ConfigError
from engine.secrets import Secret
from engine.types import Delta, Incoming

HERE = f"guild:{GUILD}/channel:{GENERAL}"
MENTION = f"<@{BOT}>"
INTERVAL_S = 0.05
Launch = Callable[..., Awaitable[DiscordBot]]


@pytest.fixture
async def double() -> AsyncIterator[DiscordDouble]:
    server = DiscordDouble()
    await server.start()
    yield server
    await server.close()


@pytest.fixture
def relay() -> FakeRelay:
    return FakeRelay()


@pytest.fixture
async def launch(
    double: DiscordDouble, relay: FakeRelay, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Launch]:
    monkeypatch.setattr(discord_client, "GUILDS_SETTLE_S", 0.05)
    monkeypatch.setattr(discord_client, "IDENTIFY_PAUSE_S", 0.05)
    monkeypatch.setattr(discord_bot, "FIRST_WAIT_S", 0.05)
    running: list[tuple[DiscordBot, asyncio.Task[None]]] = []

    async def up(*, limits: LimitsConfig | None = None, **settings: Any) -> DiscordBot:
        config = DiscordConfig(
            api_url=double.api_url,
            gateway_url=double.gateway_url,
            **{"edit_interval_s": INTERVAL_S, **settings},
        )
        bot = DiscordBot(config, Secret(TOKEN), relay, "Mark Twain", limits)
        await bot.start()
        running.append((bot, asyncio.create_task(bot.run())))
        async with asyncio.timeout(10):
            await bot.ready.wait()
        return bot

    yield up
    for bot, task in running:
        await bot.close()
        with suppress(asyncio.CancelledError, ConfigError):
            await asyncio.wait_for(task, 5)


async def settle(double: DiscordDouble, author: int = BOB) -> None:
    """Long enough for a message that should be ignored to have been answered."""
    await double.say(f"{MENTION} are you there?", author=author, mentions=(BOT,), channel=GENERAL)
    await double.until(lambda: any("are you there?" in text for text in double.said()))


def mentions_off(double: DiscordDouble) -> bool:
    writes = [c for c in double.calls if "content" in c.body]
    return bool(writes) and all(c.body["allowed_mentions"]["parse"] == [] for c in writes)


# --- answering -----------------------------------------------------------------------------


async def test_mention_in_a_guild_streams_and_ends_with_text_and_sources(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    text = "The river was high. " + "word " * 30 + "end."
    relay.answer = lambda _: reply(text, TWAIN, pk=7, pause_s=0.01)
    await launch()
    asked = await double.say(f"{MENTION} how was <@{BOB}> today?", mentions=(BOT, BOB))
    await double.until(lambda: 7 in relay.sent_ids)
    assert double.said() == [f"{text}\n-# [1] The \\*Times\\*, 2026-11-18 <https://news.example/a>"]
    writes = double.writes()
    assert len(writes) > 3, "it was streamed"
    assert writes[0].body["message_reference"]["message_id"] == int(asked)
    assert writes[0].body["allowed_mentions"] == {"parse": [], "replied_user": False}
    assert mentions_off(double)
    gaps = [b.at_s - a.at_s for a, b in itertools.pairwise(writes)]
    assert min(gaps) >= INTERVAL_S
    incoming = relay.handled[0]
    assert incoming.key == f"discord:{HERE}" and incoming.message_id == asked
    assert (incoming.user_id, incoming.user_name, incoming.is_group) == (str(ALICE), "Alice", True)
    assert incoming.text == "how was @Bob today?"
    assert relay.sent_ids[7] == relay.drafts[7]


async def test_mention_shows_typing_before_the_first_text(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    relay.answer = lambda _: [Started(1), 0.2, Delta("Well now. "), result("Well now.")]
    await launch()
    await double.say(f"{MENTION} hi", mentions=(BOT,))
    await double.until(lambda: double.said())
    kinds = [c.path.rsplit("/", 1)[1] for c in double.calls if c.method == "POST"]
    assert kinds == ["typing", "messages"]


async def test_direct_message_is_answered_without_a_mention(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    await launch()
    await double.say("good morning", channel=DM)
    await double.until(lambda: double.said(DM))
    assert double.said(DM) == ["You said: good morning"]
    assert relay.handled[0].conversation == f"dm:{DM}" and not relay.handled[0].is_group


async def test_reply_to_the_bot_is_answered_and_a_reply_to_others_is_not(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    await launch()
    await double.say(f"{MENTION} one", mentions=(BOT,))
    await double.until(lambda: double.said())
    mine = double.channels[GENERAL][-1]["id"]
    theirs = await double.say("a remark", author=BOB)
    await double.say("to Bob", reply_to=theirs)
    await double.say("to the bot", reply_to=mine)
    await double.until(lambda: len(double.said()) == 2)
    assert [i.text for i in relay.handled] == ["one", "to the bot"]


async def test_own_thread_is_answered_and_a_thread_it_was_used_in_too(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    await launch()
    await double.thread(401, owner=BOT)
    await double.thread(402, owner=ALICE)
    await double.say("in its thread", channel=401)
    await double.say("before it was called", channel=402)
    await double.say(f"{MENTION} come in", channel=402, mentions=(BOT,))
    await double.until(lambda: double.said(402) and double.said(401))
    await double.say("and then", channel=402)
    await double.until(lambda: len(double.said(402)) == 2)
    said = {i.text: i.conversation for i in relay.handled}
    assert said == {
        "in its thread": f"guild:{GUILD}/thread:401",
        "come in": f"guild:{GUILD}/thread:402",
        "and then": f"guild:{GUILD}/thread:402",
    }


async def test_channel_switched_on_is_answered_without_a_mention(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    relay.on_keys.add(f"discord:{HERE}")
    await launch()
    await double.say("to nobody in particular")
    await double.until(lambda: double.said())
    assert relay.handled[0].text == "to nobody in particular"


async def test_chatter_pings_and_system_messages_are_ignored(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    relay.blocked.add(str(BOB))
    await launch()
    await double.say("just talking")
    await double.say("@everyone look", mention_everyone=True)
    await double.say("<@&77> roles", mention_roles=["77"])
    await double.say("", type=7)
    await double.say("x", author=BOT)
    await double.say(f"{MENTION} blocked", author=BOB, mentions=(BOT,))
    await settle(double, ALICE)
    assert [i.text for i in relay.handled] == ["are you there?"]


async def test_edit_of_a_message_is_not_answered_again(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    await launch()
    message_id = await double.say(f"{MENTION} one", mentions=(BOT,))
    await double.until(lambda: double.said())
    edited = {**(double.find(message_id) or {}), "content": f"{MENTION} two"}
    await double.push("MESSAGE_UPDATE", edited)
    await settle(double)
    assert [i.text for i in relay.handled] == ["one", "are you there?"]


async def test_bots_and_webhooks_are_ignored(double: DiscordDouble, relay: FakeRelay, launch: Launch) -> None:
    await launch()
    await double.say(f"{MENTION} beep", author=ROBOT, mentions=(BOT,))
    await double.say(f"{MENTION} hook", author=BOB, mentions=(BOT,), webhook_id="88")
    await settle(double)
    assert [i.text for i in relay.handled] == ["are you there?"]


async def test_bots_answered_by_setting_are_capped_until_a_human_speaks(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    await launch(answer_bots=True, limits=LimitsConfig(bot_loop_replies=2))
    for n in range(4):
        await double.say(f"{MENTION} beep {n}", author=ROBOT, mentions=(BOT,))
        await asyncio.sleep(0.05)
    await double.say("a human, not even to the bot", author=ALICE)
    await double.say(f"{MENTION} beep again", author=ROBOT, mentions=(BOT,))
    await double.until(lambda: len(double.said()) == 3)
    assert [i.text for i in relay.handled] == ["beep 0", "beep 1", "beep again"]


async def test_duplicated_message_is_answered_once(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    await launch()
    message_id = await double.say(f"{MENTION} once", mentions=(BOT,))
    await double.push("MESSAGE_CREATE", double.find(message_id) or {})
    await settle(double)
    assert len(relay.handled) == 2 and len(relay.duplicates) == 1
    assert double.said().count("You said: once") == 1


async def test_everyone_in_generated_text_pings_nobody(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    relay.answer = lambda _: reply(f"@everyone come here, <@{ALICE}> and <@&1> too. " * 3, pause_s=0.02)
    await launch()
    await double.say(f"{MENTION} call them", mentions=(BOT,))
    await double.until(lambda: relay.sent_ids)
    assert "@everyone" in double.said()[0] and len(double.writes()) > 1
    assert mentions_off(double)


async def test_reply_over_2000_characters_is_split(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    text = " ".join(f"word{n}" for n in range(800))
    relay.answer = lambda _: reply(text, pk=4)
    await launch()
    await double.say(f"{MENTION} tell me all", mentions=(BOT,))
    await double.until(lambda: relay.sent_ids)
    parts = double.said()
    assert len(parts) == 4 and " ".join(parts) == text and max(map(len, parts)) <= 2000
    assert len(relay.sent_ids[4]) == 4
    sends = [c for c in double.writes() if c.method == "POST"]
    assert ["message_reference" in c.body for c in sends] == [True, False, False, False]


async def test_notice_is_shown_as_it_is(double: DiscordDouble, relay: FakeRelay, launch: Launch) -> None:
    relay.answer = lambda _: [Notice("I am busy, please try again.")]
    await launch()
    await double.say(f"{MENTION} hi", mentions=(BOT,))
    await double.until(lambda: double.said())
    assert double.said() == ["I am busy, please try again."] and not relay.sent_ids


# --- attachments ---------------------------------------------------------------------------


async def test_picture_alone_is_told_to_be_unreadable(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    await launch()
    await double.say(
        MENTION, mentions=(BOT,), attachments=[double.attach("cat.png", b"\x89PNG", "image/png")]
    )
    await double.until(lambda: double.said())
    assert double.said() == ["I can read text only, so I left out cat.png."] and relay.handled == []


async def test_text_file_is_appended_in_a_fence_and_a_picture_named_in_small_print(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    await launch()
    files = [
        double.attach("notes.txt", b"river notes\n```\ncode\n```", "text/plain; charset=utf-8"),
        double.attach("cat.png", b"\x89PNG", "image/png"),
    ]
    await double.say(f"{MENTION} read this", mentions=(BOT,), attachments=files)
    await double.until(lambda: relay.sent_ids)
    incoming = relay.handled[0]
    assert incoming.text == "read this\n\nnotes.txt:\n````\nriver notes\n```\ncode\n```\n````"
    assert [a.filename for a in incoming.attachments] == ["notes.txt", "cat.png"]
    assert double.said()[0].endswith("\n-# I can read text only, so I left out cat.png.")


async def test_text_file_that_is_large_or_gone_is_left_out(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    await launch()
    gone = {**double.attach("gone.txt", b"x", "text/plain"), "url": double.api_url + "/nothing"}
    files = [double.attach("big.txt", b"x" * 100_001, "text/plain"), gone]
    await double.say(f"{MENTION} and?", mentions=(BOT,), attachments=files)
    await double.until(lambda: relay.sent_ids)
    assert relay.handled[0].text == "and?" and "big.txt, gone.txt" in double.said()[0]


# --- a difficult platform ------------------------------------------------------------------


async def test_rate_limit_is_obeyed_and_the_end_arrives(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    text = "Well now. " + "word " * 40 + "end."
    relay.answer = lambda _: reply(text, pause_s=0.01)
    await launch()
    limited: dict[str, Any] = {"body": {"message": "slow", "retry_after": 0.6, "global": False}}
    double.fail("PATCH", "/messages/", 429, headers={"Via": "1.1 google"}, **limited)
    double.fail("POST", "/messages$", 429, headers={"Retry-After": "0.4"}, **limited)  # as others send it
    await double.say(f"{MENTION} hi", mentions=(BOT,))
    await double.until(lambda: relay.sent_ids)
    writes = double.writes()
    waits = [(a.status, b.at_s - a.at_s) for a, b in itertools.pairwise(writes) if a.status == 429]
    assert len(waits) == 2 and waits[0][1] >= 0.4 and waits[1][1] >= 0.6
    assert double.said() == [text]


async def test_rate_limit_without_header_is_read_from_the_body(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    await launch()
    double.fail("POST", "/messages$", 429, body={"retry_after": 0.3})
    await double.say(f"{MENTION} hi", mentions=(BOT,))
    await double.until(lambda: double.said())
    first, second = double.writes()
    assert 0.3 <= second.at_s - first.at_s < 2.0


@pytest.mark.parametrize("status", [503, 0])
async def test_send_that_fails_in_passing_is_repeated_and_shown_once(
    double: DiscordDouble, relay: FakeRelay, launch: Launch, status: int
) -> None:
    await launch()
    double.fail("POST", "/messages$", status)
    await double.say(f"{MENTION} hi", mentions=(BOT,))
    await double.until(lambda: relay.sent_ids)
    assert double.said() == ["You said: hi"]
    nonces = [c.body["nonce"] for c in double.writes()]
    assert len(nonces) == 2 and len(set(nonces)) == 1 and double.writes()[0].body["enforce_nonce"]


async def test_edit_that_fails_in_passing_is_repeated(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    text = "Well now. " + "word " * 30 + "end."
    relay.answer = lambda _: reply(text, pause_s=0.01)
    await launch()
    double.fail("PATCH", "/messages/", 503, times=2)
    await double.say(f"{MENTION} hi", mentions=(BOT,))
    await double.until(lambda: relay.sent_ids)
    assert double.said() == [text]


async def test_no_permission_is_recorded_as_failed(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    relay.answer = lambda _: reply("Hello there", pk=3)
    await launch()
    double.fail("POST", "/messages$", 403, body={"message": "Missing Permissions", "code": 50013})
    double.fail("POST", "/typing$", 403, body={"message": "Missing Permissions", "code": 50013})
    await double.say(f"{MENTION} hi", mentions=(BOT,))
    await double.until(lambda: relay.failures)
    assert "403" in relay.failures[3] and "50013" in relay.failures[3]


async def test_refused_reference_is_left_out(double: DiscordDouble, relay: FakeRelay, launch: Launch) -> None:
    await launch()
    double.fail("POST", "/messages$", 403, body={"message": "Cannot reply", "code": 160002})
    await double.say(f"{MENTION} hi", mentions=(BOT,))
    await double.until(lambda: double.said())
    assert "message_reference" not in double.writes()[-1].body


async def test_exploding_event_ends_nothing(
    double: DiscordDouble, relay: FakeRelay, launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    bot = await launch()

    def explode(incoming: Incoming) -> Any:
        if "boom" in incoming.text:
            raise RuntimeError("boom")
        return reply("Still here")

    relay.answer = explode
    await double.push("MESSAGE_CREATE", {"id": "nonsense"})
    await double.push("GUILD_CREATE", {"id": None})
    await double.say(f"{MENTION} boom", mentions=(BOT,))
    await double.until(lambda: double.said())
    await double.say(f"{MENTION} hi", author=BOB, mentions=(BOT,))
    await double.until(lambda: "Still here" in double.said())
    assert "could not be read" in caplog.text and "Something went wrong" in double.said()[0]
    assert bot.status()["connected"] and double.identified == 1


async def test_payloads_of_other_servers_are_understood(
    double: DiscordDouble, relay: FakeRelay, launch: Launch
) -> None:
    await launch()
    nulls = {"thread": None, "message_reference": None, "poll": None, "webhook_id": None, "interaction": None}
    roles = {
        "roles": [{"id": str(GUILD), "name": "everyone"}],
        "joined_at": None,
        "deaf": False,
        "mute": False,
    }
    await double.say(f"{MENTION} guild", mentions=(BOT,), member=roles, **nulls)
    await double.say("direct", channel=DM, guild_id=None, member=None, **nulls)
    await double.until(lambda: double.said() and double.said(DM))
    assert {i.conversation for i in relay.handled} == {HERE, f"dm:{DM}"}


# --- connection ----------------------------------------------------------------------------


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
    guide = (Path(__file__).parents[2] / "docs/discord.md").read_text(encoding="utf-8")
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


# --- commands ------------------------------------------------------------------------------


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
