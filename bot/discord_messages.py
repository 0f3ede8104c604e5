"""Reading Discord messages: whose turn it is, what was said, and what came attached.

This module sends nothing and knows no relay; the rules of when to answer get what they need as
arguments.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import discord

from engine.types import Attachment, Incoming

log = logging.getLogger(__name__)

PLATFORM = "discord"
MAX_FILE_BYTES = 100_000
MAX_FILES = 4
FILE_TIMEOUT_S = 10.0
TEXT_SUFFIXES = (".txt", ".md", ".csv", ".json", ".log", ".py", ".toml", ".yaml", ".yml")

_TOKEN = re.compile(r"<(?P<kind>@!?|@&|#|a?:\w+:)(?P<id>\d+)>")
_KEY = re.compile(r"(?:guild:(?P<guild>\d+)/(?P<kind>channel|thread)|dm):(?P<id>\d+)$")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message was written."""

    channel_id: int
    guild_id: int | None = None
    thread: bool = False
    owner_id: int | None = None
    """Who started the thread."""

    @property
    def conversation(self) -> str:
        """The conversation's key inside the platform."""
        if self.guild_id is None:
            return f"dm:{self.channel_id}"
        return f"guild:{self.guild_id}/{'thread' if self.thread else 'channel'}:{self.channel_id}"


def place_of(channel: object, guild_id: int | None = None) -> Place:
    """The place of a channel as the library gives it."""
    channel_id = int(getattr(channel, "id", 0))
    guild = getattr(channel, "guild", None)
    guild_id = guild.id if guild is not None else getattr(channel, "guild_id", None) or guild_id
    if isinstance(channel, discord.Thread):
        return Place(channel_id, guild_id, True, channel.owner_id)
    kind = getattr(channel, "type", None)
    return Place(channel_id, guild_id, str(kind).endswith("_thread"))


def parse_place(conversation: str) -> Place | None:
    """The place that a conversation's key names; None for a key of another make."""
    match = _KEY.search(conversation)
    if match is None:
        return None
    guild = match["guild"]
    return Place(int(match["id"]), int(guild) if guild else None, match["kind"] == "thread")


# --- whose turn it is ----------------------------------------------------------------------


def is_speech(message: discord.Message) -> bool:
    """Whether somebody wrote it (joins, pins, boosts and the like are nobody's words)."""
    return message.type in (discord.MessageType.default, discord.MessageType.reply)


def is_automatic(message: discord.Message) -> bool:
    """Whether a bot or a webhook wrote it."""
    return message.author.bot or message.webhook_id is not None


def is_addressed(message: discord.Message, me: int, place: Place) -> bool:
    """Whether the message is for the bot: a DM, a mention, a reply to it, or a thread it started.

    `@everyone`, `@here` and roles are no mention of the bot.
    """
    if place.guild_id is None or place.owner_id == me:
        return True
    if any(user.id == me for user in message.mentions):
        return True
    reference = message.reference
    if reference is None or message.type is not discord.MessageType.reply:
        return False
    answered = reference.resolved or reference.cached_message
    return isinstance(answered, discord.Message) and answered.author.id == me


def is_hidden(message: discord.Message) -> bool:
    """Whether Discord withheld what was written: nothing at all came, which only a lost intent explains."""
    shown = (message.content, message.attachments, message.stickers, message.embeds, message.poll)
    return not any(shown) and not message.message_snapshots


# --- what was said -------------------------------------------------------------------------


def clean_content(message: discord.Message, me: int) -> str:
    """The text with the bot's own mention taken out and every other id replaced by a name."""
    users = {user.id: user.display_name for user in message.mentions}
    roles = {role.id: role.name for role in message.role_mentions}
    guild = message.guild

    def name(match: re.Match[str]) -> str:
        kind, number = match["kind"], int(match["id"])
        if kind in ("@", "@!"):
            return "" if number == me else f"@{users.get(number, 'someone')}"
        if kind == "@&":
            return f"@{roles.get(number, 'role')}"
        if kind == "#":
            channel = guild.get_channel_or_thread(number) if guild is not None else None
            return f"#{channel.name if channel is not None else 'channel'}"
        return kind[kind.index(":") :]

    mine = re.compile(rf"(?<=\s)<@!?{me}>[ \t]+|^<@!?{me}>[\s,:]*")
    return _TOKEN.sub(name, mine.sub("", message.content)).strip()


def attachments_of(message: discord.Message) -> tuple[Attachment, ...]:
    """The message's files as values."""
    return tuple(Attachment(a.filename, a.content_type or "", a.size, a.url) for a in message.attachments)


def is_text_file(attachment: discord.Attachment) -> bool:
    """Whether a file is small text."""
    kind = attachment.content_type or ""
    text = kind.startswith("text/") or (not kind and attachment.filename.lower().endswith(TEXT_SUFFIXES))
    return text and attachment.size <= MAX_FILE_BYTES


async def read_files(message: discord.Message) -> tuple[str, list[str]]:
    """The text of the files that can be read, each fenced under its name, and the names of the others."""
    texts: list[str] = []
    ignored: list[str] = []
    for attachment in message.attachments:
        body = None
        if is_text_file(attachment) and len(texts) < MAX_FILES:
            body = await _fetch(attachment)
        if body is None:
            ignored.append(attachment.filename)
        else:
            texts.append(fenced(attachment.filename, body))
    return "\n\n".join(texts), ignored


async def _fetch(attachment: discord.Attachment) -> str | None:
    try:
        async with asyncio.timeout(FILE_TIMEOUT_S):
            data = await attachment.read()
    except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as exc:
        log.warning("discord: an attachment could not be read: %s", type(exc).__name__)
        return None
    return data[:MAX_FILE_BYTES].decode("utf-8", "replace")


def fenced(filename: str, body: str) -> str:
    """A file's text in a fence that its own backticks cannot close."""
    runs = (len(run) for run in re.findall(r"`{3,}", body))
    fence = "`" * (max(runs, default=2) + 1)
    name = re.sub(r"[\s`]+", " ", filename).strip()
    return f"{name}:\n{fence}\n{body.strip()}\n{fence}"


def ignored_line(names: Sequence[str]) -> str:
    """Small print that says which files were not read; empty when all were."""
    if not names:
        return ""
    listed = ", ".join(re.sub(r"[\s`]+", " ", name)[:60] for name in names[:5])
    return f"-# I can read text only, so I left out {listed}."


def incoming_of(message: discord.Message, place: Place, text: str) -> Incoming:
    """The message as every adapter hands it to the relay."""
    return Incoming(
        platform=PLATFORM,
        conversation=place.conversation,
        message_id=str(message.id),
        user_id=str(message.author.id),
        user_name=message.author.display_name,
        text=text,
        is_group=place.guild_id is not None,
        sent_at=message.created_at,
        attachments=attachments_of(message),
    )
