"""Words that a persona must not learn to say: slurs, of which old books have many."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.jsonl import Row

SLUR = re.compile(
    r"\b(?:nigg\w*|dark(?:ies|y|eys?)|pickaninn\w+|coons?|injuns?|redskins?|squaws?|half-?breeds?|savages|"
    r"china(?:man|men)|chinks?|kikes?|wops?|spics?|gypp(?:ed|ies|y)|fag(?:s|got\w*)|trann\w+)\b",
    re.IGNORECASE,
)


def without_slurs(rows: Sequence[Row]) -> list[Row]:
    """The pairs with no slur on either side."""
    return [row for row in rows if not SLUR.search(" ".join([*row["instruction"], row["response"]]))]
