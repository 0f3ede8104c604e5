"""The relay and its commands over a real SQLite history and a scripted model."""

from __future__ import annotations

import asyncio

import pytest
from real_relay import Setup, text_of

from bot.relay import RateLimit, Relay
from bot.types import Notice, Started
from engine.config import Config, LimitsConfig
from engine.errors import BusyError, RetrievalError
from engine.history import SqlHistory
from engine.personas import Persona
from engine.prompt import Renderer
from engine.types import Incoming, Result


async def test_handle_message_streams_started_deltas_result(setup: Setup) -> None:
    events = await setup.say("Hello")
    assert isinstance(events[0], Started) and isinstance(events[-1], Result)
    assert text_of(events) == "one"


async def test_handle_same_message_twice_is_answered_once_even_at_once(setup: Setup) -> None:
    # Platforms deliver an update again when an acknowledgement was lost.
    both = await asyncio.gather(setup.say("Hello", mid="7"), setup.say("Hello", mid="7"))
    assert sorted(map(bool, both)) == [False, True]


async def test_handle_conversation_keeps_its_order(setup: Setup) -> None:
    setup.generator.delay_s = 0.02
    await asyncio.gather(*(setup.say(f"m{i}", mid=str(i)) for i in range(3)))
    turns = await setup.history.turns("discord:c", 10)
    assert [t.text for t in turns] == ["m0", "one", "m1", "two", "m2", "three"]


@pytest.mark.parametrize("text", ["", "   ", "\u200b\u200b", "\x00\x01"])
async def test_handle_nothing_visible_gets_a_sentence(setup: Setup, text: str) -> None:
    events = await setup.say(text)
    assert len(events) == 1 and isinstance(events[0], Notice) and "empty" in events[0].text


@pytest.mark.parametrize("text", ["😀😀😀", "مرحبا بالعالم", "caf\ud800e", "@everyone <@1>"])
async def test_handle_odd_text_is_answered(setup: Setup, text: str) -> None:
    assert isinstance((await setup.say(text))[-1], Result)


async def test_handle_megabyte_is_refused_and_not_stored(setup: Setup) -> None:
    events = await setup.say("x" * 1_000_000)
    assert "1,000,000 characters" in text_of(events)
    assert (await setup.history.stats("discord:c")).messages == 0


async def test_handle_full_queue_says_busy(setup: Setup) -> None:
    setup.generator.failing = BusyError("full")
    assert "try again" in text_of(await setup.say("Hello"))
    assert await setup.relay.pending("discord") == []


async def test_handle_missing_index_answers_and_why_says_so(setup: Setup) -> None:
    setup.retriever.failing = RetrievalError("The index is missing.")
    setup.generator._probabilities = [1.0]
    assert isinstance((await setup.say("When does the bridge open?"))[-1], Result)
    assert "The index is missing." in text_of(await setup.command("why"))


async def test_handle_stream_dropped_midway_stays_pending_and_resumes_once(setup: Setup) -> None:
    # What a killed process leaves behind: a message without a reply.
    stream = setup.relay.handle(Incoming("discord", "c", "9", "u", "Ann", "Hello"))
    assert isinstance(await anext(stream), Started)
    await stream.aclose()
    (pending,) = await setup.relay.pending("discord")
    events = [e async for e in setup.relay.resume(pending)]
    assert isinstance(events[-1], Result)
    await setup.relay.sent(pending.message_pk, ["d1"])
    assert await setup.relay.pending("discord") == []


async def test_resume_reply_that_was_stored_but_not_sent_is_not_generated_again(setup: Setup) -> None:
    await setup.say("first")
    await setup.say("second")
    first, second = await setup.relay.pending("discord")
    asked = len(setup.generator.requests)
    texts = [text_of([e async for e in setup.relay.resume(p)]) for p in (first, second)]
    assert texts == ["one", "two"] and len(setup.generator.requests) == asked


async def test_handle_rate_limit_says_when(setup: Setup, config: Config) -> None:
    limits = config.limits.model_copy(update={"replies_per_minute": 2})
    setup.relay = Relay(setup.engine, setup.history, limits)
    answers = [await setup.say(str(i)) for i in range(3)]
    assert "try again in" in text_of(answers[2])
    assert isinstance((await setup.say("other", user="v"))[-1], Result)


def test_rate_limit_minute_later_admits_again() -> None:
    limit = RateLimit(1)
    assert limit.wait_s("u", 0.0) == 0.0
    assert limit.wait_s("u", 10.0) == 50.0
    assert limit.wait_s("u", 60.0) == 0.0


@pytest.mark.parametrize(
    ("fields", "user", "place", "admitted"),
    [
        ({}, "5", "guild:1/channel:2", True),
        ({"blocked_users": ["discord:5"]}, "5", "guild:1/channel:2", False),
        ({"allowed_users": ["discord:6"]}, "5", "guild:1/channel:2", False),
        ({"allowed_users": ["telegram:5"]}, "5", "guild:1/channel:2", False),
        ({"allowed_conversations": ["discord:2"]}, "5", "guild:1/channel:2", True),
        ({"allowed_conversations": ["discord:3"]}, "5", "guild:1/channel:2", False),
        ({"blocked_conversations": ["discord:1"]}, "5", "guild:1/channel:2", False),
        ({"blocked_users": ["discord:5"], "admins": ["discord:5"]}, "5", "dm:1", True),
    ],
)
def test_admits_lists_decide(
    setup: Setup, fields: dict[str, list[str]], user: str, place: str, admitted: bool
) -> None:
    relay = Relay(setup.engine, setup.history, LimitsConfig.model_validate(fields))
    assert relay.admits(Incoming("discord", place, "1", user, "Ann", "hi")) is admitted


async def test_command_retry_answers_the_last_message_anew(setup: Setup) -> None:
    await setup.say("Hello")
    events = await setup.command("retry")
    assert text_of(events) == "two"
    assert [t.text for t in await setup.history.turns("discord:c", 10)] == ["Hello", "two"]


async def test_command_new_and_reset_forget(setup: Setup) -> None:
    await setup.say("The password is swordfish.")
    await setup.command("new")
    await setup.say("What did I say?")
    assert "swordfish" not in str(setup.generator.requests[-1].prompt.messages)
    assert "2 messages" in text_of(await setup.command("reset"))
    assert "no reply yet" in text_of(await setup.command("why"))


async def test_command_why_and_retry_without_a_reply_say_so(setup: Setup) -> None:
    assert "no reply yet" in text_of(await setup.command("why"))
    assert "nothing to retry" in text_of(await setup.command("retry"))


async def test_command_unknown_lists_the_known_ones(setup: Setup) -> None:
    assert "/help" in text_of(await setup.command("dance"))


async def test_command_help_tells_that_it_is_an_ai(setup: Setup) -> None:
    assert "An AI speaking as Ada." in text_of(await setup.command("help"))


async def test_command_admin_by_a_stranger_is_denied_and_changes_nothing(setup: Setup) -> None:
    events = await setup.command("admin", "adapters unload identity", user="2")
    assert isinstance(events[0], Notice) and events[0].private and "Only admins" in events[0].text
    assert "identity" in setup.control.loaded


async def test_command_admin_load_dials_as_the_profile_says(
    config: Config, persona: Persona, renderer: Renderer, history: SqlHistory
) -> None:
    starter = config.active_profile.model_copy(update={"strengths": {"style": 0.4}})
    dialled = config.model_copy(update={"profiles": {config.profile: starter}})
    setup = Setup(dialled, persona, renderer, history)
    assert "strength 0.4" in text_of(await setup.command("admin", "adapters load style", user="1"))


async def test_command_admin_adapters_live(setup: Setup) -> None:
    assert "Loaded style" in text_of(await setup.command("admin", "adapters load style", user="1"))
    assert "was aaaa" in text_of(await setup.command("admin", "adapters reload identity", user="1"))
    await setup.command("admin", "strength style 0.5", user="1")
    await setup.say("Hello")
    assert setup.generator.requests[-1].stack == (("identity", 1.0), ("style", 0.5))
    await setup.command("admin", "adapters unload style", user="1")
    await setup.say("Hello again")
    assert setup.generator.requests[-1].stack == (("identity", 1.0),)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("adapters load ../../etc", "no adapter name"),
        ("adapters unload ghost", "No adapter named ghost"),
        ("strength identity 2", "0 to 1"),
        ("strength identity much", "number"),
        ("dance", "Admin commands"),
        ('adapters load "x', "cannot be read"),
        ("news refresh", "3 documents"),
        ("status", "model: ok True"),
    ],
)
async def test_command_admin_answers_in_words(setup: Setup, args: str, words: str) -> None:
    assert words in text_of(await setup.command("admin", args, user="1"))


async def test_command_admin_channel_switch_survives_a_restart(setup: Setup, config: Config) -> None:
    await setup.command("admin", "channel on", user="1")
    again = Relay(setup.engine, setup.history, config.limits)
    await again.start()
    assert again.always_on("discord:c") and not again.always_on("discord:d")
    await setup.command("admin", "channel off", user="1")
    assert not setup.relay.always_on("discord:c")
