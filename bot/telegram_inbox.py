"""What a Telegram update asks of the persona, if anything.

Decides who wrote, where, whether it is meant for the bot, and which part of it is text. Nothing is
sent or fetched here, and nothing is known of replies.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import telegram
from telegram.constants import ChatType, MessageEntityType

from bot.commands import COMMANDS
from bot.telegram_channel import Place
from engine.types import Attachment, Incoming

MAX_DOCUMENT_BYTES = 100_000
TEXT_SUFFIXES = (
    ".txt",
    ".md",
    ".csv",
    ".json",
    ".log",
    ".py",
    ".toml",
    ".yaml",
    ".yml",
    ".ini",
    ".srt",
    ".vtt",
)

_COMMAND = re.compile(r"/(?P<name>[A-Za-z0-9_]{1,64})(?:@(?P<bot>\w+))?(?:\s+(?P<args>.*)|\s*)", re.DOTALL)

FILES = {  # field of a message -> what people call it; an animation is a document too, so it comes first
    "photo": "photos",
    "voice": "voice messages",
    "video_note": "video messages",
    "video": "videos",
    "audio": "audio files",
    "animation": "animations",
    "sticker": "stickers",
    "document": "files of that kind",
}
OTHERS = {  # answered in private chats only
    "location": "locations",
    "venue": "places",
    "contact": "contacts",
    "poll": "polls",
    "dice": "dice",
    "story": "stories",
    "checklist": "checklists",
}


@dataclass(frozen=True, slots=True)
class Letter:
    """One message that is meant for the persona."""

    place: Place
    incoming: Incoming
    command: str = ""
    """Lower case, without the slash; empty for a message."""
    args: str = ""
    document: telegram.Document | None = None
    """A text file to be fetched and read with the message."""
    refusal: str = ""
    """What to answer when there is nothing that can be read."""

    @property
    def message_id(self) -> int:
        """Telegram's number of the message in its chat."""
        return int(self.incoming.message_id)


def read(message: telegram.Message, me: telegram.User, always_on: Callable[[str], bool]) -> Letter | None:
    """What a message asks, or None when it is not for the persona.

    Args:
        message: any new message in any chat.
        me: the bot itself.
        always_on: whether a conversation, by its global key, is answered without a mention.
    """
    author = _author(message)
    private = message.chat.type == ChatType.PRIVATE
    if author is None or message.chat.type == ChatType.CHANNEL:
        return None
    topic = message.message_thread_id if message.is_topic_message else None
    place = Place(message.chat.id, topic)
    text, mentioned = _without_mentions(message, me)
    incoming = Incoming(
        platform="telegram",
        conversation=place.conversation,
        message_id=str(message.message_id),
        user_id=author[0],
        user_name=author[1],
        text=text,
        is_group=not private,
        sent_at=message.date,
        attachments=_attachments(message),
    )
    command = _COMMAND.fullmatch(message.text or "")
    if command:
        return _command(command, Letter(place, incoming), me, mentioned)
    addressed = private or mentioned or _replies_to(message, me)
    if not addressed and not always_on(incoming.key):
        return None
    document = message.document if _is_text(message.document) else None
    if text or document or mentioned:
        return Letter(place, incoming, document=document)
    return _unreadable(message, Letter(place, incoming), addressed, private)


def is_text_name(name: str) -> bool:
    """Whether a file's name promises text."""
    return name.lower().endswith(TEXT_SUFFIXES)


def _author(message: telegram.Message) -> tuple[str, str] | None:
    """Id and name of who wrote, or None for bots and posts of channels that are copied into a group."""
    if message.is_automatic_forward:
        return None
    if message.sender_chat is not None:  # an anonymous admin, or somebody who writes as their channel
        chat = message.sender_chat
        return str(chat.id), message.author_signature or chat.effective_name or "Anonymous"
    user = message.from_user
    return None if user is None or user.is_bot else (str(user.id), user.full_name)


def _command(match: re.Match[str], letter: Letter, me: telegram.User, mentioned: bool) -> Letter | None:
    """A command that is meant for this bot; groups are full of commands for others."""
    name, target = match["name"].lower(), (match["bot"] or "").lower()
    mine = target == (me.username or "").lower() or mentioned
    if letter.incoming.is_group and not mine and (target or name not in {*COMMANDS, "start", "admin"}):
        return None
    return Letter(letter.place, letter.incoming, command=name, args=(match["args"] or "").strip())


def _without_mentions(message: telegram.Message, me: telegram.User) -> tuple[str, bool]:
    """The text or caption without mentions of the bot, and whether there were any."""
    text = message.text or message.caption or ""
    entities = message.entities or message.caption_entities
    units = text.encode("utf-16-le", "surrogatepass")  # offsets count UTF-16 units
    kept, at, mentioned = [], 0, False
    for entity in sorted(entities, key=lambda e: e.offset):
        start, end = 2 * entity.offset, 2 * (entity.offset + entity.length)
        name = units[start:end].decode("utf-16-le", "replace").lower()
        by_name = entity.type == MessageEntityType.MENTION and name == f"@{me.username}".lower()
        by_link = entity.type == MessageEntityType.TEXT_MENTION and entity.user and entity.user.id == me.id
        if start >= at and (by_name or by_link):
            kept.append(units[at:start].decode("utf-16-le", "replace").rstrip(" "))
            at, mentioned = end, True
    if not mentioned:
        return text.strip(), False
    first, rest = kept[0], "".join([*kept[1:], units[at:].decode("utf-16-le", "replace")])
    if not first or first[-1] in ",:;":  # "@bot, what …" and "so, @bot, what …"
        rest = " " + rest.lstrip(" ,:;")
    return (first + rest).strip(), True


def _replies_to(message: telegram.Message, me: telegram.User) -> bool:
    """Whether it replies to the bot; in a topic, everything "replies" to the topic's creation."""
    original = message.reply_to_message
    if original is None or original.from_user is None or original.forum_topic_created is not None:
        return False
    return original.from_user.id == me.id


def _unreadable(message: telegram.Message, letter: Letter, addressed: bool, private: bool) -> Letter | None:
    """A sentence for a message without text; what was not said to the bot in a group stays unanswered."""
    kinds = {**FILES, **OTHERS} if private else FILES
    kind = next((name for field, name in kinds.items() if getattr(message, field, None)), None)
    if kind is None or not addressed:
        return None
    sentence = f"I read text only, so {kind} are lost on me. Please tell me in words."
    if message.document and is_text_name(message.document.file_name or ""):
        sentence = f"That file is too large; I read text files up to {MAX_DOCUMENT_BYTES // 1000} kB."
    return Letter(letter.place, letter.incoming, refusal=sentence)


def _is_text(document: telegram.Document | None) -> bool:
    if document is None or (document.file_size or 0) >= MAX_DOCUMENT_BYTES:
        return False
    mime = document.mime_type or ""
    return mime.startswith("text/") or mime == "application/json" or is_text_name(document.file_name or "")


def _attachments(message: telegram.Message) -> tuple[Attachment, ...]:
    field = next((name for name in FILES if getattr(message, name, None)), None)
    if field is None:
        return ()
    file = getattr(message, field)
    file = file[-1] if field == "photo" else file  # sizes of one photo, the largest last
    name = getattr(file, "file_name", None) or field
    return (Attachment(name, getattr(file, "mime_type", None) or "", file.file_size or 0),)
