"""Reactions on Discord and Telegram as thumbs for a reply; every other reaction means nothing here.

Whether a message is one of ours, and whether a person's thumb counts, is the relay's to say. This
module sends nothing and reads no history.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from engine.feedback import Ballot, Thumb

if TYPE_CHECKING:
    import discord
    import telegram

_THUMBS: dict[str, Thumb] = {"👍": "up", "👎": "down"}
_TONES = dict.fromkeys([*range(0x1F3FB, 0x1F400), 0xFE0F])  # skin tones, and "show it in colour"


def thumb_of(emoji: str) -> Thumb | None:
    """The thumb that an emoji is, of any skin tone."""
    return _THUMBS.get(emoji.translate(_TONES))


def discord_ballot(event: discord.RawReactionActionEvent, me: int) -> Ballot | None:
    """The ballot of a reaction that was added or removed; None when it is none.

    Args:
        event: as the library gives it, also for messages that it does not remember.
        me: the bot's own id.
    """
    thumb = thumb_of(event.emoji.name or "")
    bot = event.member is not None and event.member.bot
    if thumb is None or bot or event.user_id == me or event.message_author_id not in (None, me):
        return None
    added = event.event_type == "REACTION_ADD"
    return Ballot(
        platform="discord",
        place=f"guild:{event.guild_id}" if event.guild_id else f"dm:{event.channel_id}",
        user_id=str(event.user_id),
        thumb=thumb if added else None,
        message_id=str(event.message_id),
        only=None if added else thumb,
    )


def telegram_ballot(event: telegram.MessageReactionUpdated) -> Ballot | None:
    """The ballot of a person's changed reactions; None when no thumb came or went."""
    thumbs, before = _thumbs(event.new_reaction), _thumbs(event.old_reaction)
    voter = event.user or event.actor_chat  # an anonymous admin reacts as the group
    if voter is None or (event.user is not None and event.user.is_bot) or thumbs == before:
        return None
    return Ballot(
        platform="telegram",
        place=f"chat:{event.chat.id}",
        user_id=str(voter.id),
        thumb=thumbs[-1] if thumbs else None,
        message_id=str(event.message_id),
    )


def _thumbs(reactions: Iterable[telegram.ReactionType]) -> list[Thumb]:
    emojis = (getattr(reaction, "emoji", "") for reaction in reactions)
    return [thumb for emoji in emojis if (thumb := thumb_of(str(emoji))) is not None]
