"""Telegram over the real relay and a real database: what a killed process leaves is finished once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from telegram_double import TOKEN, Fault, TelegramDouble
from telegram_run import kill, until

from bot.relay import Relay
from bot.telegram_bot import TelegramBot
from engine.config import Config, TelegramConfig
from engine.database import migrate
from engine.engine import Engine
from engine.fakes import ListRetriever, ScriptedGenerator
from engine.history import SqlHistory
from engine.personas import Persona
from engine.prompt import Renderer
from engine.secrets import Secret
from engine.types import AdapterInfo


class NoAdapters:
    def adapters(self) -> tuple[AdapterInfo, ...]:
        return ()


class Process:
    """One run of the service: database, engine, relay and bot."""

    def __init__(self, history: SqlHistory, relay: Relay, bot: TelegramBot) -> None:
        self.history, self.relay, self.bot = history, relay, bot
        self.task = asyncio.create_task(bot.run())


@asynccontextmanager
async def process(
    server: TelegramDouble, config: Config, persona: Persona, renderer: Renderer, generator: ScriptedGenerator
) -> AsyncIterator[Process]:
    url = config.history_url
    await asyncio.to_thread(migrate, url)
    async with SqlHistory(url) as history:
        engine = Engine(config, persona, history, ListRetriever([]), generator, renderer, NoAdapters())
        relay = Relay(engine, history, config.limits)
        await relay.start()
        section = TelegramConfig(base_url=f"{server.url}/bot", edit_interval_s=0.05)
        bot = TelegramBot(section, Secret(TOKEN), relay, persona.name)
        await bot.start()
        running = Process(history, relay, bot)
        await asyncio.wait_for(bot.ready.wait(), 5)
        try:
            yield running
        finally:
            await bot.close()


async def test_reply_cut_off_by_a_kill_is_finished_once_in_its_draft(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    slow = ScriptedGenerator(["It begins here. " + "word " * 400], delay_s=0.05)
    async with TelegramDouble() as server:
        async with process(server, config, persona, renderer, slow) as first:
            server.write("Tell me a long story")
            await until(lambda: server.texts(42))
            await kill(first.bot, first.task)
        server.push(server.again())  # the same update comes once more
        for _ in range(2):  # the second restart finds nothing left to do
            quick = ScriptedGenerator(["The whole story."])
            async with process(server, config, persona, renderer, quick) as later:
                await until(lambda: server.texts(42) == ["The whole story."])
                await until(lambda: not len(later.bot._answers or ()))
                assert await later.history.pending("telegram") == []
        assert len(server.messages) == 1


async def test_chat_that_blocked_the_bot_is_not_tried_again_after_a_restart(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    async with TelegramDouble() as server:
        server.fail("sendMessage", Fault(403, "Forbidden: bot was blocked by the user"))
        generator = ScriptedGenerator(["Hello."])
        async with process(server, config, persona, renderer, generator) as running:
            server.write("hello")
            await until(lambda: server.of("sendMessage"))
            await until(lambda: not len(running.bot._answers or ()))
            assert await running.history.pending("telegram") == []
        assert server.texts(42) == []


async def test_messages_of_one_chat_are_answered_in_order(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    answers = [f"Answer {n}." for n in range(4)]
    async with TelegramDouble() as server:
        for n in range(4):
            server.write(f"Question {n}")
        generator = ScriptedGenerator(answers, delay_s=0.01)
        async with process(server, config, persona, renderer, generator):
            await until(lambda: len(server.texts(42)) == 4 and server.texts(42)[-1] == answers[-1])
        assert server.texts(42) == answers
