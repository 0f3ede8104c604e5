"""Long polling that loses nothing: an update is acknowledged only after it was taken.

Telegram forgets an update when a later offset is asked for. The offset moves on here when `take`
has returned, so what a killed process had fetched but not stored comes again. This module knows no
conversations; it survives every error of the network and of single updates.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import telegram
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from bot.telegram_client import Client, brief, retry_after_s

log = logging.getLogger(__name__)

KINDS = ("message", "message_reaction", "my_chat_member")
HOLD_S = 30.0  # how long the server holds a request while nothing happens
SHORTEST_ROUND_S = 0.5  # for servers that do not hold it
FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 60.0
REPEAT_S = 300.0  # until the same trouble is logged again
GOODBYE_S = 2.0  # for the last acknowledgement when closing

Take = Callable[[telegram.Update], Awaitable[None]]


class Backoff:
    """Ever longer delays with jitter, until something works again."""

    def __init__(self) -> None:
        self._failures = 0

    def next_s(self) -> float:
        """Seconds to wait before the next attempt."""
        delay_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return delay_s * random.uniform(0.75, 1.25)

    def reset(self) -> None:
        """It works again."""
        self._failures = 0


class Poller:
    """Fetches updates for as long as it runs.

    Args:
        client: an initialised client.
        take: returns when the update is safe; its errors are logged and cost only this update.
    """

    def __init__(self, client: Client, take: Take) -> None:
        self._client = client
        self._take = take
        self._offset: int | None = None
        self._backoff = Backoff()
        self._told_s: dict[str, float] = {}
        self.state = "starting"
        """polling, or the trouble: conflict, token refused, flood, unreachable, failing."""
        self.last_answer_s: float | None = None
        """Monotonic time of the server's last good answer."""

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            try:
                await self._round()
            except TelegramError as exc:
                await asyncio.sleep(await self._trouble(exc))
            except Exception:  # a server's odd answer must not end the adapter
                self._tell("failing", "Polling Telegram failed; trying again.", exc_info=True)
                await asyncio.sleep(self._backoff.next_s())

    async def acknowledge(self) -> None:
        """Tell the server what was taken last, so that it does not come again at the next start."""
        if self._offset is None:
            return
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self._client.raw_updates(self._offset, 0.0, KINDS, limit=1)
        except (TelegramError, TimeoutError) as exc:
            log.info("the last updates stay unacknowledged: %s", type(exc).__name__)

    async def _round(self) -> None:
        began_s = time.monotonic()
        items = await self._client.raw_updates(self._offset, HOLD_S, KINDS)
        self.last_answer_s = time.monotonic()
        if self.state != "starting":
            self._tell("polling", "Telegram is polled again.")
        self.state = "polling"
        self._backoff.reset()
        fresh = [item for item in items if self._is_fresh(item)]
        for item in sorted(fresh, key=lambda item: item["update_id"]):
            if self._is_fresh(item):  # a server may list one twice
                await self._handle(item)
                self._offset = item["update_id"] + 1
        if not fresh:
            await asyncio.sleep(max(0.0, SHORTEST_ROUND_S - (time.monotonic() - began_s)))

    def _is_fresh(self, item: Any) -> bool:
        number = item.get("update_id") if isinstance(item, dict) else None
        return isinstance(number, int) and (self._offset is None or number >= self._offset)

    async def _handle(self, item: dict[str, Any]) -> None:
        """Parse and take one update; one that makes trouble is skipped, or it would come for ever."""
        try:
            await self._take(telegram.Update.de_json(item, self._client))
        except Exception:
            log.exception("update %s was skipped", item["update_id"])

    async def _trouble(self, exc: TelegramError) -> float:
        """Say once what is wrong and return how many seconds to wait."""
        delay_s = self._backoff.next_s()
        match exc:
            case RetryAfter():
                self._tell("flood", "Telegram asks to poll less often.")
                return max(delay_s, retry_after_s(exc))
            case Conflict() if "webhook" in exc.message.lower():
                self._tell("conflict", "A webhook was set for this bot; removing it, since it is polled.")
                await self._remove_webhook()
            case Conflict():
                self._tell(
                    "conflict",
                    "Another program polls with this bot's token, so messages go to either of you. Stop it, "
                    "or get a new token from @BotFather with /revoke.",
                )
            case InvalidToken():
                self._tell(
                    "token refused",
                    "Telegram no longer accepts the token; put a new one from @BotFather into .env and "
                    "start again.",
                )
            case _:
                self._tell("unreachable", f"Telegram cannot be reached ({brief(exc)}); trying again.")
        return delay_s

    async def _remove_webhook(self) -> None:
        try:
            await self._client.delete_webhook(drop_pending_updates=False)
        except TelegramError as exc:
            log.warning("the webhook could not be removed: %s", brief(exc))

    def _tell(self, state: str, sentence: str, *, exc_info: bool = False) -> None:
        """Log a change, but not each time when it goes back and forth."""
        changed, self.state = state != self.state, state
        now_s = time.monotonic()
        if changed and now_s - self._told_s.get(state, -REPEAT_S) >= REPEAT_S:
            self._told_s[state] = now_s
            log.warning(sentence, exc_info=exc_info)
