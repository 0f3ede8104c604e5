"""What every importer produces and the pair builder reads: dialogues of turns, with their source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something one speaker said or wrote."""

    speaker: str
    text: str
    start_s: float | None = None
    """Seconds from the start of the recording."""
    end_s: float | None = None
    at: datetime | None = None
    """When it was written, for chats."""
    confidence: float | None = None
    """0..1, of the words or of the speaker, whichever is lower; None when the source tells none."""
    id: str = ""
    """The source's own id, such as a message number."""
    reply_to: str = ""
    """Id of the utterance that this one answers, where the source tells."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One recording, chat or scene: its utterances in order."""

    source: str
    """Name that pairs carry and that caps and splits go by."""
    utterances: tuple[Utterance, ...]
    recorded_at: datetime | None = None
    """For splitting by time; None when the source tells none."""
