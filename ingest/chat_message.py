"""What every chat importer produces: messages in order, with people and replies by the platform's ids.

This module knows no export format, and nothing of merging, sessions or pseudonyms.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of one person, in its last version."""

    id: str
    author_id: str
    """The platform's own id of the author, or the name where there is none."""
    text: str
    at: datetime | None = None
    """Timezone-aware; exports without a zone are taken as UTC, since only differences matter."""
    reply_to: str = ""
    thread: str = ""
    """Topic or thread inside the chat; empty is the chat itself."""
    where: str = ""
    """Place in the export, as the ledger tells it."""
    edited: bool = False


@dataclass(frozen=True, slots=True)
class Chat:
    """One chat of one export file."""

    platform: str
    id: str
    name: str
    messages: tuple[ChatMessage, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    """Author id -> display name, of everybody who wrote."""
    handles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Author id -> other names that texts may use, such as user names."""
    mentioned: frozenset[str] = frozenset()
    """Names of people who are named in service rows and mentions, and may not have written."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What the importer decided, such as the order of dates."""

    @property
    def source(self) -> str:
        """A name that tells nothing of who chats: platform and a digest of the chat's id."""
        digest = hashlib.sha256(f"{self.platform}:{self.id}".encode()).hexdigest()
        return f"{self.platform}-{digest[:10]}"
