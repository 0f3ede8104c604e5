"""Who is answered on Discord, how a reply looks, and what files do."""

from __future__ import annotations

import asyncio
import itertools

from discord_double import ALICE, BOB, BOT, DM, GENERAL, GUILD, ROBOT, DiscordDouble
from discord_launch import HERE, INTERVAL_S, MENTION, Launch, mentions_off, settle
from fake_relay import TWAIN, FakeRelay, reply, result

from bot.types import Notice, Started
from engine.config import LimitsConfig
from engine.types import Delta


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
