"""What every test of the Telegram adapter uses: a running bot, and waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from telegram_double import ADA, TOKEN, Call, TelegramDouble

from bot.telegram_bot import TelegramBot
from engine.config import TelegramConfig
from engine.secrets import Secret

SHOUT = {"id": 8, "is_bot": True, "first_name": "Other", "username": "OtherBot"}
ANONYMOUS = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
PHOTO = [{"file_id": "p", "file_unique_id": "p", "width": 9, "height": 9, "file_size": 99}]


def build(server: TelegramDouble, relay: Any, *, interval_s: float = 0.05, token: str = TOKEN) -> TelegramBot:
    config = TelegramConfig(
        base_url=f"{server.url}/bot", base_file_url=f"{server.url}/file/bot", edit_interval_s=interval_s
    )
    return TelegramBot(config, Secret(token), relay, "Mark Twain")


@asynccontextmanager
async def running(
    server: TelegramDouble, relay: Any, *, interval_s: float = 0.05
) -> AsyncIterator[TelegramBot]:
    bot = build(server, relay, interval_s=interval_s)
    await bot.start()
    task = asyncio.create_task(bot.run())
    try:
        await asyncio.wait_for(bot.ready.wait(), 5)
        yield bot
    finally:
        await bot.close()
        await asyncio.wait_for(task, 5)


async def until(condition: Callable[[], object], timeout_s: float = 8.0) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


async def settled(server: TelegramDouble) -> None:
    """Wait until all that was written before has been decided on: the next message is answered."""
    stranger = {**ADA, "id": 99, "first_name": "Zoe"}
    server.write("last", sender=stranger)
    await until(lambda: server.texts(99))


def writes(server: TelegramDouble, chat_id: int) -> list[Call]:
    return [c for c in server.of("sendMessage", "editMessageText") if int(c.params["chat_id"]) == chat_id]


async def kill(bot: TelegramBot, task: asyncio.Task[None]) -> None:
    """End a bot as `kill -9` would: nothing is acknowledged, nothing finished."""
    assert bot._answers is not None and bot._client is not None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await bot._answers.close()
    await bot._client.shutdown()
    bot._hush.stop()
