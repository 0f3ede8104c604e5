"""The sentence of the passages that holds an answer: what a grounded answer says, word for word."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.types import Passage
from trainer.corpus_questions import sentences


def quoted(passages: Sequence[Passage], value: str) -> str:
    """The one sentence in which `value` stands by itself, whatever its case; empty where none or several do."""
    alone = re.compile(rf"(?<!\w){re.escape(value)}(?!\w)", re.IGNORECASE)
    found = [s for p in passages for s in sentences(p.text) if alone.search(s)]
    return found[0] if len(found) == 1 else ""
