"""What Discord refuses, delays or sends in other shapes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from discord_double import BOB, BOT, DM, GUILD, DiscordDouble
from discord_launch import HERE, MENTION, Launch
from fake_relay import FakeRelay, reply

from engine.types import Incoming


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
