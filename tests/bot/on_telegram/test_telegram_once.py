"""Every message is answered once, and at least once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fake_relay import FakeRelay
from telegram_double import GROUP, TelegramDouble
from telegram_run import build, kill, running, settled, until, writes

from bot.types import Event, Pending, Started
from engine.types import Incoming


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
