"""Plain text with `Name:` labels: turns of one or more lines.

Takes `[00:01:02] Name: text`, `Name (role): text`, `**Name:** text`, and a line `Name  0:05` above
the text. Text that stands under no label is refused. Knows nothing of pairs.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from engine.errors import InputError
from ingest.dialogue import Utterance
from ingest.labels import Label, find_label, strip_directions, strip_time
from ingest.ledger import Ledger
from ingest.speakers import GAP, Margins, stage_named, whole_turn

_RULE = re.compile(r"^\s*(?:[-=_*~]{3,}|#{1,6}\s.*|(?:ACT|SCENE|CHAPTER)\b[^a-z]*|(?:INT|EXT)\.\s.*)\s*$")


@dataclass(slots=True)
class _Turn:
    label: Label
    line: int
    lines: list[str] = field(default_factory=list)


def has_labels(text: str) -> bool:
    """Whether any line begins with what is surely a speaker's label."""
    return any((label := find_label(line)) and label.sure for line in text.splitlines())


def read_labelled(
    text: str,
    where: str,
    ledger: Ledger,
    speakers: frozenset[str] = frozenset(),
    margins: Margins | None = None,
) -> list[Utterance]:
    """Utterances of a labelled transcript, `GAP` where text was refused.

    Args:
        where: the file's name.
        speakers: names in lower case that count as labels; empty means whatever looks like a name.

    Raises:
        InputError: no line has a label.
    """
    lines = text.splitlines()
    found = [find_label(line, speakers) for line in lines]
    often = Counter(label.name for label in found if label)
    stage = stage_named(ledger, "lines", "lines")
    turns: list[_Turn | None] = []
    for number, (line, label) in enumerate(zip(lines, found, strict=True), 1):
        if not line.strip():
            continue
        if label and (label.sure or often[label.name] > 1):
            turns.append(_Turn(label, number, [label.text]))
        elif _RULE.match(line):
            stage.drop("heading or rule", f"{where}:{number}")
            turns.append(None)
            continue
        elif not turns or turns[-1] is None:
            stage.drop("under no speaker's label", f"{where}:{number}")
            continue
        else:
            turns[-1].lines.append(strip_time(line.strip()))
        stage.keep()
    if not any(turns):
        wanted = f" of {', '.join(sorted(speakers))}" if speakers else ""
        raise InputError(
            f"{where} has no line that begins with a speaker's label{wanted}; "
            "write `Name: text`, or give subtitles, Whisper JSON with RTTM, or WhisperX JSON."
        )
    return [_utterance(turn, where, ledger, margins) if turn else GAP for turn in turns]


def _utterance(turn: _Turn, where: str, ledger: Ledger, margins: Margins | None) -> Utterance:
    text, lost = strip_directions(" ".join(turn.lines))
    heard = len(text.split())
    confidence = heard / (heard + lost) if lost else None
    said = Utterance(turn.label.name, text, turn.label.start_s, None, None, confidence)
    return whole_turn(said, heard, lost, ledger, f"{where}:{turn.line}", margins)
