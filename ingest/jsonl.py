"""JSON lines written whole or not at all, and the row that every pair maker writes.

This module does not know where rows come from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.prompt import clean_text
from ingest.outfiles import write_files

Row = dict[str, Any]


def pair_row(instruction: Sequence[str], response: str, source: str, id: str) -> Row:
    """A training pair with exactly the four keys that the trainer reads, in this order."""
    return {
        "instruction": [clean_text(turn) for turn in instruction],
        "response": clean_text(response),
        "source": source,
        "id": id,
    }


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write one object a line; a reader sees the old file or the whole new one.

    Returns:
        number of rows.

    Raises:
        StorageError: the folder or file cannot be written.
    """
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows]
    write_files({path: "".join(lines)})
    return len(lines)
