"""A training pair with its place, and what makes one. Knows nothing of dialogues or files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.errors import InputError
from ingest.turns import fold_name

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")


@dataclass(frozen=True, slots=True)
class PairOptions:
    """What makes a pair."""

    target: str
    aliases: tuple[str, ...] = ()
    window_turns: int = 10
    """Turns in a window, the reply among them."""
    min_words: int = 3
    """Shortest reply."""
    min_confidence: float = 0.4
    """Of an utterance, 0..1."""
    cap: int | None = None
    """Most pairs of one source."""
    near_duplicate: float = 0.8
    """Jaccard similarity from which a pair repeats another; above 1 turns it off."""
    pause_s: float = 6 * 3600.0
    """Silence in a chat after which a new conversation begins."""
    drop_pii: bool = False
    """Drop pairs in which personal data other than names was found."""

    def __post_init__(self) -> None:
        if not fold_name(self.target):
            raise InputError("The target's name is empty; give --target NAME.")
        if not 2 <= self.window_turns <= 100:
            raise InputError(f"The window has {self.window_turns} turns; allowed: 2 to 100.")
        if self.cap is not None and self.cap < 1:
            raise InputError(f"The cap is {self.cap}; allowed: 1 and more.")
        if self.min_words < 1 or not 0 <= self.min_confidence <= 1 or self.near_duplicate <= 0:
            raise InputError("min-words must be 1 or more, min-confidence 0 to 1, near-duplicate above 0.")

    @property
    def names(self) -> frozenset[str]:
        """Folded names of the persona."""
        return frozenset(fold_name(name) for name in (self.target, *self.aliases))


@dataclass(frozen=True, slots=True)
class Row:
    """A pair, and where it comes from."""

    id: str
    source: str
    instruction: tuple[str, ...]
    response: str
    first_turn: int
    last_turn: int
    """Indexes of the turns it takes, among the source's; the range is closed."""
    start_s: float | None = None
    confidence: float | None = None
    kinds: tuple[str, ...] = ()
    """Personal data that was found, and replaced unless that was off."""
    recorded_at: datetime | None = None

    def as_line(self) -> str:
        """The row as the trainer reads it: a line of JSON with exactly four keys."""
        row = {
            "instruction": list(self.instruction),
            "response": self.response,
            "source": self.source,
            "id": self.id,
        }
        return json.dumps(row, ensure_ascii=False) + "\n"


def pair_id(source: str, instruction: Sequence[str], response: str) -> str:
    """16 hex digits that depend on nothing but the row."""
    data = json.dumps([source, list(instruction), response], ensure_ascii=False)
    return hashlib.sha256(data.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def word_count(text: str) -> int:
    """Words; of scripts without spaces, two characters count as one."""
    unspaced = len(_CJK.findall(text))
    return len(re.findall(r"\w+(?:['’-]\w+)*", _CJK.sub(" ", text))) + (unspaced + 1) // 2
