"""What every test of the Discord adapter uses: where it is, and what has been said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from discord_double import BOB, BOT, GENERAL, GUILD, DiscordDouble

from bot.discord_bot import DiscordBot

HERE = f"guild:{GUILD}/channel:{GENERAL}"
MENTION = f"<@{BOT}>"
INTERVAL_S = 0.05
Launch = Callable[..., Awaitable[DiscordBot]]


async def settle(double: DiscordDouble, author: int = BOB) -> None:
    """Long enough for a message that should be ignored to have been answered."""
    await double.say(f"{MENTION} are you there?", author=author, mentions=(BOT,), channel=GENERAL)
    await double.until(lambda: any("are you there?" in text for text in double.said()))


def mentions_off(double: DiscordDouble) -> bool:
    writes = [c for c in double.calls if "content" in c.body]
    return bool(writes) and all(c.body["allowed_mentions"]["parse"] == [] for c in writes)
