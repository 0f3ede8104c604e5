"""SRT and WebVTT: cues with their times, tags removed, speakers from voice tags or `Name:` prefixes.

Knows nothing of pairs. A cue whose speaker is not clear is given to nobody.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import InputError
from ingest.dialogue import Utterance
from ingest.labels import find_label, strip_directions
from ingest.ledger import Ledger, Stage
from ingest.speakers import GAP, Margins, Span, Word, assign_words, stage_named, turns_of, whole_turn

CARRY_S = 2.0
"""An unlabelled cue goes on with the speaker before it if it begins this soon."""

_CLOCK = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
TIMING = re.compile(rf"^\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?$")
_VOICE = re.compile(r"<v(?:\.[^ \t>]{0,60})?[ \t]+([^>]{1,80})>", re.IGNORECASE)
_TAG = re.compile(r"</?[^<>]{0,200}>|\{\\[^{}]{0,80}\}")
_DASH = re.compile(r"^\s*[-–—]\s*\S")
_SPEECH_END = re.compile(r"[.?!…。？！][\"”’')\]]*$")


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines shown together; `line` is where the cue's times stand in the file."""

    line: int
    start_s: float
    end_s: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """What one speaker says in a cue; speaker None when the cue does not tell."""

    cue: Cue
    speaker: str | None
    text: str
    voice: bool = False


def parse_cues(text: str, where: str) -> list[Cue]:
    """Cues of an SRT or VTT file, in the order of their times.

    Raises:
        InputError: a timing line is malformed, or there is no cue.
    """
    is_vtt = text.lstrip("\ufeff").startswith("WEBVTT")
    lines = text.splitlines()
    starts = []
    for i, line in enumerate(lines):
        if TIMING.match(line):
            starts.append(i)
        elif "-->" in line and re.match(r"^\s*\d+:", line):
            raise InputError(f"{where}:{i + 1} is no timing line; write 00:00:01,000 --> 00:00:02,500.")
    if not starts:
        raise InputError(f"{where} has no cue: a line such as 00:00:01,000 --> 00:00:02,500 is missing.")
    cues = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        body = lines[start + 1 : end]
        if end < len(lines) and body and not is_vtt and body[-1].strip().isdigit():
            body = body[:-1]  # the next cue's number
        cues.append(_cue(lines[start], start + 1, body, is_vtt))
    return sorted(_without_rolling(cues), key=lambda cue: cue.start_s)


def _cue(timing: str, number: int, body: Sequence[str], is_vtt: bool) -> Cue:
    found = TIMING.match(timing)
    assert found
    values = [int(g or 0) for g in found.groups()]
    start_s, end_s = (
        h * 3600 + m * 60 + s + ms / 1000 if len(frac) == 3 else h * 3600 + m * 60 + s + float(f"0.{frac}")
        for (h, m, s, ms), frac in ((values[:4], found.group(4)), (values[4:], found.group(8)))
    )
    kept = []
    for line in body:
        if is_vtt and not line.strip():
            break  # what follows is a NOTE, STYLE or REGION block
        kept.append(line)
    return Cue(number, start_s, end_s, tuple(line.strip() for line in kept if line.strip()))


def _without_rolling(cues: Sequence[Cue]) -> list[Cue]:
    """Live captions repeat the line above: keep what is new."""
    out: list[Cue] = []
    last: tuple[str, ...] = ()
    for cue in cues:
        plain = tuple(_TAG.sub("", line).strip() for line in cue.lines)
        new = cue.lines
        if len(plain) > 1 and last and plain[0] == last[-1]:
            new = cue.lines[1:]
        last = plain or last
        out.append(Cue(cue.line, cue.start_s, cue.end_s, new))
    return out


def read_subtitles(
    text: str,
    where: str,
    ledger: Ledger,
    speakers: frozenset[str] = frozenset(),
    spans: Sequence[Span] | None = None,
    margins: Margins | None = None,
) -> list[Utterance]:
    """Utterances of subtitles, `GAP` where a cue's speaker is not clear.

    Args:
        speakers: names in lower case that count as labels; empty means whatever looks like a name.
        spans: from RTTM; when given, cues go to speakers by overlap and labels are taken as text.

    Raises:
        InputError: the file is malformed, or names no speaker and there are no spans.
    """
    cues = parse_cues(text, where)
    stage = stage_named(ledger, "cues", "cues")
    if spans is not None:
        return turns_of(assign_words(_words(cues, stage, where), spans, margins), ledger, where, margins)
    parts = [part for cue in cues for part in _parts(cue, speakers, stage, where)]
    if not any(part.speaker for part in parts):
        raise InputError(
            f"{where} names no speaker. Give the diarizer's RTTM with --rttm, "
            "or label cues with `Name:` or <v Name>."
        )
    return _utterances(parts, where, ledger, stage, margins)


def _words(cues: Sequence[Cue], stage: Stage, where: str) -> list[Word]:
    words = []
    for cue in cues:
        text, _ = strip_directions(_plain(" ".join(cue.lines)))
        if not text or cue.end_s < cue.start_s:
            stage.drop("no speech" if not text else "ends before it begins", f"{where}:{cue.line}")
            continue
        stage.keep()
        words.append(Word(" " + text, cue.start_s, cue.end_s, count=len(text.split())))
    return words


def _plain(text: str) -> str:
    return html.unescape(_TAG.sub("", text)).replace("♪", " ").strip()


def _parts(cue: Cue, speakers: frozenset[str], stage: Stage, where: str) -> list[_Part]:
    """What each speaker says in a cue; a cue without speech is dropped here."""
    parts: list[_Part] = []
    if cue.end_s < cue.start_s:
        stage.drop("ends before it begins", f"{where}:{cue.line}")
        return [_Part(cue, None, "")]
    joined = "\n".join(cue.lines)
    if _VOICE.search(joined):
        pieces = _VOICE.split(joined)  # before, name, text, name, text …
        if _plain(pieces[0]):
            parts.append(_Part(cue, None, _plain(pieces[0]), True))
        for name, said in zip(pieces[1::2], pieces[2::2], strict=True):
            parts.append(_Part(cue, " ".join(html.unescape(name).split()), _plain(said), True))
    elif sum(bool(_DASH.match(_plain(line))) for line in cue.lines) > 1 and not all(
        find_label(_plain(line), speakers) for line in cue.lines
    ):
        stage.drop("two unnamed speakers in one cue", f"{where}:{cue.line}")
        return [_Part(cue, None, "")]
    else:
        for line in map(_plain, cue.lines):
            label = find_label(line, speakers)
            if label and label.sure:
                parts.append(_Part(cue, label.name, label.text))
            elif parts:
                parts[-1] = _Part(cue, parts[-1].speaker, f"{parts[-1].text} {line}")
            else:
                parts.append(_Part(cue, None, line))
    spoken = [p for p in parts if strip_directions(p.text)[0] or "[" in p.text or "(" in p.text]
    if not spoken:
        stage.drop("no speech", f"{where}:{cue.line}")
    return spoken


def _utterances(
    parts: Sequence[_Part], where: str, ledger: Ledger, stage: Stage, margins: Margins | None
) -> list[Utterance]:
    out: list[Utterance] = []
    speaker, ended_s, finished = "", -1e9, True
    counted: set[int] = set()
    voiced = any(part.voice for part in parts)
    for part in parts:
        place = f"{where}:{part.cue.line}"
        named = part.speaker
        if named is None and part.text and speaker:
            soon = part.cue.start_s - ended_s <= CARRY_S
            named = speaker if soon and (not voiced or not finished) else None
        if named is None:
            if part.text and part.cue.line not in counted:
                stage.drop("names no speaker", place)
                counted.add(part.cue.line)
            out.append(GAP)
            speaker = ""
            continue
        if part.cue.line not in counted:
            stage.keep()
            counted.add(part.cue.line)
        text, lost = strip_directions(part.text)
        heard = len(text.split())
        confidence = heard / (heard + lost) if lost else None
        said = Utterance(named, text, part.cue.start_s, part.cue.end_s, None, confidence)
        if text or lost:
            out.append(whole_turn(said, heard, lost, ledger, place, margins))
        speaker, ended_s = named, part.cue.end_s
        finished = bool(_SPEECH_END.search(part.text))
    return out
