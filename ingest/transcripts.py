"""Existing transcripts to dialogues: the format is told from the content, or named.

    labelled   `Name: text`                       whisper   Whisper JSON, with RTTM
    srt, vtt   subtitles, labelled or with RTTM   whisperx  WhisperX JSON
    dialogue   this project's own JSON lines

Each format's rules stand in its own module. Knows nothing of pairs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import InputError
from engine.prompt import clean_text
from ingest.decoding import read_text
from ingest.dialogue import Dialogue, Utterance
from ingest.dialogue_file import is_dialogue_file, parse_dialogues
from ingest.labelled import has_labels, read_labelled
from ingest.ledger import Ledger
from ingest.rttm import read_rttm
from ingest.speakers import GAP, Margins, Span, stage_named
from ingest.subtitles import TIMING, read_subtitles
from ingest.whisperjson import has_speakers, load_segments, read_whisper

FORMATS = ("labelled", "srt", "vtt", "whisper", "whisperx", "dialogue")
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.]?(\d\d)[-_.]?(\d\d)(?!\d)")


@dataclass(frozen=True, slots=True)
class TranscriptOptions:
    """How to read a transcript."""

    format: str = "auto"
    rttm: Path | None = None
    """None: a file beside the transcript with the ending .rttm, if there is one."""
    speakers: tuple[str, ...] = ()
    """Names that count as labels; empty means whatever looks like a name."""
    margins: Margins = field(default_factory=Margins)


def detect_format(text: str, where: str) -> str:
    """One of `FORMATS`, by content.

    Raises:
        InputError: it is none of them; says what is missing.
    """
    head = text.lstrip("\ufeff \t\n")
    if not head:
        raise InputError(f"{where} is empty.")
    if head.startswith("WEBVTT"):
        return "vtt"
    if is_dialogue_file(head):
        return "dialogue"
    if head[0] == "{" or re.match(r"\[\s*\{", head):
        return "whisperx" if has_speakers(load_segments(text, where)[0]) else "whisper"
    if re.match(r"(?:;;.*\n|\s)*SPEAKER\s+\S+\s+\S+\s+[\d.]+\s+[\d.]+\s", head):
        raise InputError(
            f"{where} is RTTM, which has no words. Give the transcript, and this file with --rttm."
        )
    if any(TIMING.match(line) for line in text.splitlines()):
        return "srt"
    if has_labels(text):
        return "labelled"
    raise InputError(
        f"{where} is no transcript that is known: no `Name:` labels, no subtitle times, no Whisper JSON. "
        f"Name its format with --format ({', '.join(FORMATS)})."
    )


def read_transcript(
    path: Path, ledger: Ledger, options: TranscriptOptions | None = None, source: str = ""
) -> list[Dialogue]:
    """The dialogues of one file; only the project's own format holds more than one.

    Args:
        ledger: gets the stages of the format: lines, cues, segments, words, whole turns.
        source: name that the pairs carry; empty means the file's name.

    Raises:
        InputError: the file cannot be read, is malformed (names the line), or does not tell who speaks.
    """
    options = options or TranscriptOptions()
    text = clean_markers(read_text(path))
    where = path.name
    kind = detect_format(text, where) if options.format == "auto" else options.format
    if kind == "dialogue":
        stage = stage_named(ledger, "dialogue file", "utterances")
        return [_clean(dialogue) for dialogue in parse_dialogues(text, where, stage)]
    names = frozenset(name.casefold() for name in options.speakers)
    spans = _spans(path, options)
    said: Sequence[Utterance]
    if kind in ("srt", "vtt"):
        said = read_subtitles(text, where, ledger, names, spans, options.margins)
    elif kind in ("whisper", "whisperx"):
        said = read_whisper(text, where, ledger, spans, options.margins)
    elif kind == "labelled":
        if options.rttm:
            raise InputError(f"{where} has labels and no times, so that --rttm cannot be used with it.")
        said = read_labelled(text, where, ledger, names, options.margins)
    else:
        raise InputError(f"The format {kind!r} is unknown; allowed: auto, {', '.join(FORMATS)}.")
    return [_clean(Dialogue(source or source_name(path), tuple(said), date_in_name(path.name)))]


def _clean(dialogue: Dialogue) -> Dialogue:
    """Without the characters that cannot be written or that hide others."""
    said = tuple(
        u
        if u == GAP
        else replace(u, text=clean_text(u.text), speaker=" ".join(clean_text(u.speaker).split()))
        for u in dialogue.utterances
    )
    return replace(dialogue, source=clean_text(dialogue.source) or "dialogue", utterances=said)


def clean_markers(text: str) -> str:
    """Without a byte order mark inside, and with plain line ends."""
    return text.replace("\ufeff", "").replace("\u2028", "\n").replace("\u2029", "\n").replace("\x85", "\n")


def source_name(path: Path) -> str:
    """The file's name without its ending."""
    return clean_text(path.stem) or "transcript"


def date_in_name(name: str) -> datetime | None:
    """The day that a file's name carries, such as `2024-05-01 interview.srt`; UTC."""
    for year, month, day in _DATE.findall(name):
        try:
            return datetime(int(year), int(month), int(day), tzinfo=UTC)
        except ValueError:
            continue
    return None


def _spans(path: Path, options: TranscriptOptions) -> list[Span] | None:
    beside = path.with_suffix(".rttm")
    chosen = options.rttm or (beside if beside != path and beside.is_file() else None)
    return read_rttm(chosen, path.stem) if chosen else None
