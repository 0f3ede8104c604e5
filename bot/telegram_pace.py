"""How fast one Telegram chat may be written to, shared by all replies in that chat.

An edit counts as a send. Telegram allows about one a second in a chat, and about twenty a minute
in a group. This module knows no client and no text.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

GROUP_CALLS_PER_MINUTE = 20
GROUP_RESERVE = 6  # calls of that minute which are kept for whole replies, not for showing progress
MAX_CHATS = 10_000


class ChatPace:
    """The budget of one chat.

    Args:
        interval_s: between two calls, from the end of one to the start of the next.
        per_minute: calls in any minute; 0 is no limit.
    """

    def __init__(self, interval_s: float, per_minute: int = 0) -> None:
        self._interval_s = interval_s
        self._per_minute = per_minute
        self._lock = asyncio.Lock()  # wakes its waiters in order of arrival
        self._not_before_s = 0.0
        self._calls_s: deque[float] = deque()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Enter when it is this call's turn; the next one waits until the interval is over."""
        async with self._lock:
            wait_s = self._wait_s()
            while wait_s > 0:
                await asyncio.sleep(wait_s)
                wait_s = self._wait_s()  # a pause may have come meanwhile
            self._calls_s.append(_now_s())
            try:
                yield
            finally:
                self.pause(self._interval_s)

    def pause(self, seconds: float) -> None:
        """Nothing is sent for so long, because the server asked for it."""
        self._not_before_s = max(self._not_before_s, _now_s() + seconds)

    def scarce(self) -> bool:
        """Whether so little of this minute is left that showing progress would delay whole replies."""
        self._forget()
        return bool(self._per_minute) and len(self._calls_s) >= self._per_minute - GROUP_RESERVE

    def _wait_s(self) -> float:
        self._forget()
        wait_s = self._not_before_s - _now_s()
        if self._per_minute and len(self._calls_s) >= self._per_minute:
            wait_s = max(wait_s, self._calls_s[0] + 60.0 - _now_s())
        return wait_s

    def _forget(self) -> None:
        while self._calls_s and _now_s() - self._calls_s[0] >= 60.0:
            self._calls_s.popleft()


class Paces:
    """The budgets of all chats; those not used for longest are forgotten."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._chats: OrderedDict[int, ChatPace] = OrderedDict()

    def of(self, chat_id: int) -> ChatPace:
        """The budget of one chat; groups have negative ids."""
        pace = self._chats.get(chat_id)
        if pace is None:
            pace = ChatPace(self._interval_s, GROUP_CALLS_PER_MINUTE if chat_id < 0 else 0)
            self._chats[chat_id] = pace
        self._chats.move_to_end(chat_id)
        while len(self._chats) > MAX_CHATS:
            self._chats.popitem(last=False)
        return pace


def _now_s() -> float:
    return asyncio.get_running_loop().time()
