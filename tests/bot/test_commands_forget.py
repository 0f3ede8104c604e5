"""/forget erases what its caller wrote, everywhere on the platform, once it is said twice."""

from __future__ import annotations

import pytest
from real_relay import Setup, text_of

from bot import commands
from engine.history import SqlHistory


async def test_forget_said_twice_erases_the_callers_messages_alone(setup: Setup, history: SqlHistory) -> None:
    await setup.say("hello", user="7", mid="1", place="here")
    await setup.say("again", user="7", mid="2", place="there")
    await setup.say("mine", user="8", mid="3", place="there")
    asked = text_of(await setup.command("forget", user="7"))
    assert "cannot be undone" in asked
    assert (await history.stats()).messages == 3
    assert "Erased 2 messages" in text_of(await setup.command("forget", user="7"))
    assert (await history.stats()).messages == 1
    assert [turn.text for turn in await history.turns("discord:there", 9)][:1] == ["mine"]


async def test_forget_of_another_does_not_confirm_and_a_late_one_asks_anew(
    setup: Setup, history: SqlHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await setup.say("hello", user="7", mid="1")
    await setup.command("forget", user="7")
    assert "cannot be undone" in text_of(await setup.command("forget", user="8"))
    monkeypatch.setattr(commands, "CONFIRM_S", 0.0)
    assert "cannot be undone" in text_of(await setup.command("forget", user="7"))
    assert (await history.stats()).messages == 1
