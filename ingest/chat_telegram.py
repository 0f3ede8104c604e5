"""Telegram Desktop's JSON export: a single chat's result.json, or the full export with all chats.

The export holds each message in its last version. This module knows nothing of merging or names'
pseudonyms.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from engine.prompt import clean_text
from ingest.chat_message import Chat, ChatMessage
from ingest.ledger import Stage

_BOT_CHATS = frozenset({"bot_chat", "verification_codes", "replies"})
_MEDIA = ("media_type", "photo", "file", "location_information", "contact_information", "game_title")


def is_telegram(data: Any) -> bool:
    """Whether parsed JSON looks like a Telegram export."""
    if not isinstance(data, dict):
        return False
    single = isinstance(data.get("messages"), list) and "type" in data and "channel" not in data
    return single or isinstance(data.get("chats"), dict) or isinstance(data.get("left_chats"), dict)


def read_telegram(data: dict[str, Any], file: str, stage: Stage) -> list[Chat]:
    """Every chat of an export; rows that are no message of a person go to the ledger.

    Args:
        data: the parsed JSON.
        file: the file's name, for the ledger.
        stage: counts every row of every chat.
    """
    return [_chat(chat, file, stage) for chat in _chats(data)]


def _chats(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if isinstance(data.get("messages"), list):
        yield data
    for part in ("chats", "left_chats"):
        section = data.get(part)
        listed = section.get("list", []) if isinstance(section, dict) else []
        yield from (c for c in listed if isinstance(c, dict) and isinstance(c.get("messages"), list))


def _chat(chat: dict[str, Any], file: str, stage: Stage) -> Chat:
    names: dict[str, str] = {}
    mentioned: set[str] = set()
    threads = _Threads()
    kept: dict[str, ChatMessage] = {}
    name = str(chat.get("name") or "")
    bot = chat.get("type") in _BOT_CHATS
    latest = {str(row.get("id")): n for n, row in enumerate(chat["messages"], 1) if isinstance(row, dict)}
    for number, row in enumerate(chat["messages"], 1):
        where = f"{file} message {row.get('id', number) if isinstance(row, dict) else number}"
        reason = "chat with a bot" if bot else _unusable(row)
        if not reason and latest[str(row["id"])] != number:
            reason = "earlier version of an edited message"
        if isinstance(row, dict):
            mentioned |= _named(row)
            threads.see(row)
        if reason:
            stage.drop(reason, where)
            continue
        message = _message(row, threads, where)
        names[message.author_id] = clean_text(str(row.get("from") or ""))
        kept[message.id] = message
        stage.keep()
    if chat.get("type") == "personal_chat" and name:
        mentioned.add(name)
    return Chat(
        platform="telegram",
        id=str(chat.get("id") or name or file),
        name=name,
        messages=tuple(kept.values()),
        names=names,
        mentioned=frozenset(mentioned),
    )


class _Threads:
    """Which topic a message is in: a topic's messages answer its first row or one another."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}
        self._topics: set[str] = set()

    def see(self, row: dict[str, Any]) -> None:
        id_, answered = str(row.get("id")), str(row.get("reply_to_message_id") or "")
        if row.get("action") == "topic_created":
            self._topics.add(id_)
            self._of[id_] = id_
        elif answered in self._of:
            self._of[id_] = self._of[answered]

    def thread(self, id_: str) -> str:
        return self._of.get(id_, "")

    def is_topic(self, id_: str) -> bool:
        return id_ in self._topics


def _unusable(row: Any) -> str:
    """Why a row is no message that somebody wrote; empty when it is one."""
    if not isinstance(row, dict) or "id" not in row or _moment(row) is None:
        return "malformed row"
    if row.get("type") == "service":
        return "service row"
    if row.get("type") != "message":
        return "row of an unknown type"
    if "forwarded_from" in row or "forwarded_from_id" in row or "saved_from" in row:
        return "forwarded"
    if row.get("via_bot"):
        return "made by a bot"
    if not row.get("from_id") and not row.get("from"):
        return "no author"
    if row.get("media_type") == "sticker":
        return "sticker"
    if row.get("poll"):
        return "poll"
    if not clean_text(_text(row.get("text"))):
        return "media without text" if any(row.get(key) for key in _MEDIA) else "no text"
    return ""


def _message(row: dict[str, Any], threads: _Threads, where: str) -> ChatMessage:
    id_ = str(row["id"])
    answered = str(row.get("reply_to_message_id") or "")
    if answered and row.get("reply_to_peer_id"):
        answered = f"{row['reply_to_peer_id']}:{answered}"  # a message of another chat
    return ChatMessage(
        id=id_,
        author_id=str(row.get("from_id") or row.get("from")),
        text=clean_text(_text(row.get("text"))),
        at=_moment(row),
        reply_to="" if threads.is_topic(answered) else answered,
        thread=threads.thread(id_),
        where=where,
        edited="edited" in row,
    )


def _text(value: Any) -> str:
    """The text of a string, or of a list of strings and formatted entities."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(part if isinstance(part, str) else _entity(part) for part in value)
    return ""


def _entity(part: Any) -> str:
    return str(part.get("text") or "") if isinstance(part, dict) else ""


def _named(row: dict[str, Any]) -> set[str]:
    """Names of people in a row who may never have written themselves."""
    members = row.get("members")
    found = [row.get("actor"), row.get("forwarded_from"), row.get("saved_from")]
    found += members if isinstance(members, list) else []
    text = row.get("text")
    for part in text if isinstance(text, list) else []:
        if isinstance(part, dict) and part.get("type") in ("mention", "mention_name"):
            found.append(_entity(part).lstrip("@"))
    contact = row.get("contact_information")
    if isinstance(contact, dict):
        found.append(f"{contact.get('first_name') or ''} {contact.get('last_name') or ''}".strip())
    return {name for name in found if isinstance(name, str) and name}


def _moment(row: dict[str, Any]) -> datetime | None:
    try:
        if row.get("date_unixtime"):
            return datetime.fromtimestamp(int(row["date_unixtime"]), UTC)
        moment = datetime.fromisoformat(str(row.get("date")))
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
