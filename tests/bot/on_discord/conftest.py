"""The real discord.py client against a small Discord on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from discord_double import TOKEN, DiscordDouble
from discord_launch import INTERVAL_S, Launch
from fake_relay import FakeRelay

from bot import discord_bot, discord_client
from bot.discord_bot import DiscordBot
from engine.config import DiscordConfig, LimitsConfig
from engine.errors import ConfigError
from engine.secrets import Secret


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
