"""The Telegram adapter through the real client library, against a Bot API server on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fake_relay import FakeRelay
from telegram_double import TelegramDouble

from bot import telegram_answers, telegram_channel, telegram_poll


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that are seconds in earnest."""
    monkeypatch.setattr(telegram_poll, "FIRST_DELAY_S", 0.05)
    monkeypatch.setattr(telegram_poll, "SHORTEST_ROUND_S", 0.02)
    monkeypatch.setattr(telegram_answers, "GROUP_EDIT_INTERVAL_S", 0.1)
    monkeypatch.setattr(telegram_channel, "RETRY_DELAYS_S", (0.02, 0.02))
    monkeypatch.setattr(telegram_channel, "SLOW_DOWN_S", 0.05)
    monkeypatch.setattr(telegram_channel, "TYPING_EVERY_S", 0.1)


@pytest.fixture
async def server() -> AsyncIterator[TelegramDouble]:
    async with TelegramDouble() as double:
        yield double


@pytest.fixture
def relay() -> FakeRelay:
    return FakeRelay()
