"""DiscordChatExporter's JSON: one channel, thread or direct conversation a file.

Markup that the exporter left raw (`<@123>`, `<:wave:456>`) is resolved. This module knows nothing
of merging or names' pseudonyms.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from engine.prompt import clean_text
from ingest.chat_message import Chat, ChatMessage
from ingest.ledger import Stage

_WRITTEN = frozenset({"Default", "Reply", "0", "19"})
_MARKUP = re.compile(
    r"<(?:@!?(?P<user>\d+)|@&(?P<role>\d+)|#(?P<channel>\d+)|a?:(?P<emoji>\w+):\d+"
    r"|t:(?P<time>-?\d+)(?::[tTdDfFR])?|/(?P<command>[^:<>]+):\d+)>"
)


def is_discord(data: Any) -> bool:
    """Whether parsed JSON looks like an export of DiscordChatExporter."""
    return isinstance(data, dict) and "channel" in data and isinstance(data.get("messages"), list)


def read_discord(data: dict[str, Any], file: str, stage: Stage) -> list[Chat]:
    """The one chat of an export; rows that are no message of a person go to the ledger.

    Args:
        data: the parsed JSON.
        file: the file's name, for the ledger.
        stage: counts every row.
    """
    channel = data["channel"] if isinstance(data["channel"], dict) else {}
    guild = data.get("guild") if isinstance(data.get("guild"), dict) else {}
    people = _People(data["messages"])
    channels = {str(channel.get("id")): str(channel.get("name") or "channel")}
    kept: dict[str, ChatMessage] = {}
    for number, row in enumerate(data["messages"], 1):
        where = f"{file} message {row.get('id', number) if isinstance(row, dict) else number}"
        if reason := _unusable(row):
            stage.drop(reason, where)
            continue
        text = clean_text(_resolve(row["content"], people, channels))
        if not text:
            stage.drop(_why_empty(row), where)
            continue
        if str(row["id"]) in kept:
            stage.drop("same message again", where)
            continue
        stage.keep()
        kept[str(row["id"])] = ChatMessage(
            id=str(row["id"]),
            author_id=str(row["author"]["id"]),
            text=text,
            at=_moment(row),
            reply_to=_answered(row, str(channel.get("id") or "")),
            where=where,
            edited=bool(row.get("timestampEdited")),
        )
    written = {m.author_id for m in kept.values()}
    return [
        Chat(
            platform="discord",
            id=str(channel.get("id") or file),
            name=f"{(guild or {}).get('name') or ''}/{channel.get('name') or ''}",
            messages=tuple(kept.values()),
            names={id_: name for id_, name in people.shown.items() if id_ in written},
            handles={id_: frozenset(names) for id_, names in people.others.items() if id_ in written},
            mentioned=frozenset(
                name
                for id_, shown in people.shown.items()
                if id_ not in written and id_ not in people.bots
                for name in (shown, *people.others[id_])
            ),
        )
    ]


class _People:
    """Everybody who wrote or is mentioned: id -> the name shown, and the other names."""

    def __init__(self, rows: list[Any]) -> None:
        self.shown: dict[str, str] = {}
        self.others: dict[str, set[str]] = {}
        self.bots: set[str] = set()
        for row in rows:
            if isinstance(row, dict):
                for person in (row.get("author"), *_listed(row, "mentions")):
                    self._see(person)

    def _see(self, person: Any) -> None:
        if not isinstance(person, dict) or not person.get("id"):
            return
        id_ = str(person["id"])
        names = [clean_text(str(person[key])) for key in ("nickname", "name") if person.get(key)]
        if names:
            self.shown.setdefault(id_, names[0])
            self.others.setdefault(id_, set()).update(names)
        if person.get("isBot"):
            self.bots.add(id_)


def _unusable(row: Any) -> str:
    """Why a row is no message that somebody wrote; empty when it may be one."""
    if not isinstance(row, dict) or not isinstance(row.get("content"), str) or not row.get("id"):
        return "malformed row"
    author = row.get("author")
    if not isinstance(author, dict) or not author.get("id"):
        return "no author"
    if author.get("isBot"):
        return "made by a bot"
    if str(row.get("type")) not in _WRITTEN:
        return "system row"
    reference = row.get("reference")
    if row.get("forwardedMessage") or (isinstance(reference, dict) and reference.get("type") == "Forward"):
        return "forwarded"
    if _moment(row) is None:
        return "malformed row"
    return ""


def _why_empty(row: dict[str, Any]) -> str:
    if _listed(row, "stickers"):
        return "sticker"
    if row.get("poll"):
        return "poll"
    if _listed(row, "attachments") or _listed(row, "embeds"):
        return "media without text"
    return "no text"


def _answered(row: dict[str, Any], channel: str) -> str:
    """Id of the message that a row replies to; another channel's id is kept apart."""
    reference = row.get("reference")
    if not isinstance(reference, dict) or not reference.get("messageId"):
        # a reply whose original was deleted answers something that nobody can see
        return "missing" if str(row.get("type")) in ("Reply", "19") else ""
    id_, other = str(reference["messageId"]), str(reference.get("channelId") or channel)
    return id_ if not channel or other == channel else f"{other}:{id_}"


def _resolve(text: str, people: _People, channels: dict[str, str]) -> str:
    """Plain text for the markup of mentions, emoji, channels and times."""

    def plain(match: re.Match[str]) -> str:
        if match["user"]:
            return "@" + people.shown.get(match["user"], "someone")
        if match["role"]:
            return "@role"
        if match["channel"]:
            return "#" + channels.get(match["channel"], "channel")
        if match["emoji"]:
            return f":{match['emoji']}:"
        if match["command"]:
            return f"/{match['command']}"
        try:
            return f"{datetime.fromtimestamp(int(match['time']), UTC):%Y-%m-%d %H:%M} UTC"
        except (ValueError, OverflowError, OSError):
            return ""

    return _MARKUP.sub(plain, text)


def _listed(row: dict[str, Any], key: str) -> list[Any]:
    value = row.get(key)
    return value if isinstance(value, list) else []


def _moment(row: dict[str, Any]) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(row.get("timestamp")))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
