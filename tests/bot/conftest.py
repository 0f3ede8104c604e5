"""What the tests of relay, commands and feedback share: a migrated history, and a relay over it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from real_relay import Setup

from engine.config import Config
from engine.database import migrate
from engine.history import SqlHistory
from engine.personas import Persona
from engine.prompt import Renderer


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[SqlHistory]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'h.db'}"
    await asyncio.to_thread(migrate, url)
    async with SqlHistory(url) as opened:
        yield opened


@pytest.fixture
def setup(config: Config, persona: Persona, renderer: Renderer, history: SqlHistory) -> Setup:
    return Setup(config, persona, renderer, history)
