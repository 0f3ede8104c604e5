"""RTTM, what NeMo and pyannote write: who speaks when.

    SPEAKER <file> <channel> <start s> <length s> <NA> <NA> <speaker> <NA> <NA>

This module knows nothing of words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from engine.errors import InputError
from ingest.decoding import read_text
from ingest.speakers import Span


def read_rttm(path: Path, recording: str = "") -> list[Span]:
    """Spans of one recording.

    Args:
        recording: its name in the file; needed only when the file tells of several.

    Raises:
        InputError: a line is malformed, nobody speaks, or it is unclear which recording is meant.
    """
    return parse_rttm(read_text(path), path.name, recording)


def parse_rttm(text: str, where: str, recording: str = "") -> list[Span]:
    """The same from the file's text."""
    spans: dict[str, list[Span]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue  # comments, SPKR-INFO, NON-SPEECH
        try:
            start_s, length_s, speaker = float(fields[3]), float(fields[4]), fields[7]
        except (IndexError, ValueError) as exc:
            raise InputError(
                f"{where}:{number} is no RTTM line: it needs a start, a length and a speaker."
            ) from exc
        if not (math.isfinite(start_s) and math.isfinite(length_s)) or start_s < 0 or length_s < 0:
            raise InputError(f"{where}:{number} has an impossible time ({fields[3]} + {fields[4]} s).")
        spans.setdefault(fields[1], []).append(Span(start_s, start_s + length_s, speaker))
    if not spans:
        raise InputError(f"{where} has no SPEAKER line; it is not RTTM or nobody speaks.")
    if len(spans) == 1:
        return next(iter(spans.values()))
    if recording in spans:
        return spans[recording]
    raise InputError(
        f"{where} tells of several recordings ({', '.join(sorted(spans)[:5])}); "
        f"none is named {recording!r}. Name the transcript like one of them."
    )


def rttm_text(spans: Iterable[Span], recording: str) -> str:
    """The file of one recording; blanks in names become underscores, since blanks part the fields."""
    name = "_".join(recording.split()) or "recording"
    return "".join(
        f"SPEAKER {name} 1 {s.start_s:.3f} {s.end_s - s.start_s:.3f} <NA> <NA> "
        f"{'_'.join(s.speaker.split())} <NA> <NA>\n"
        for s in spans
    )
