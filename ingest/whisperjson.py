"""Whisper JSON (segments, words) and WhisperX JSON (the same, with speakers), to words and turns.

Knows nothing of files or pairs. Segments that Whisper itself holds for silence or for a loop are dropped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from engine.errors import InputError
from ingest.dialogue import Utterance
from ingest.ledger import Ledger
from ingest.speakers import Margins, Span, Word, assign_words, stage_named, turns_of

_UNSPACED = frozenset({"ja", "zh", "th", "lo", "my", "yue", "km"})
_MAX_COMPRESSION = 2.4
_MIN_LOGPROB = -1.0
_MAX_NO_SPEECH = 0.6

Segment = dict[str, Any]


def load_segments(text: str, where: str) -> tuple[list[Segment], str]:
    """Segments and language of a Whisper or WhisperX file.

    Raises:
        InputError: it is not JSON, or has no segments.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as exc:
        raise InputError(f"{where}:{exc.lineno} is not JSON: {exc.msg}.") from exc
    except (RecursionError, ValueError) as exc:
        raise InputError(f"{where} is not usable JSON: {exc}.") from exc
    segments = data.get("segments") if isinstance(data, dict) else data
    if not isinstance(segments, list) or not all(isinstance(s, dict) for s in segments):
        raise InputError(f'{where} has no list of "segments"; Whisper and WhisperX write one.')
    if not segments:
        raise InputError(f"{where} has no segment; nothing was recognised.")
    return segments, str(data.get("language") or "") if isinstance(data, dict) else ""


def has_speakers(segments: Sequence[Segment]) -> bool:
    """Whether anything in it names a speaker, as WhisperX does."""
    return any(
        s.get("speaker") or any(isinstance(w, dict) and w.get("speaker") for w in s.get("words") or [])
        for s in segments
    )


def read_whisper(
    text: str, where: str, ledger: Ledger, spans: Sequence[Span] | None = None, margins: Margins | None = None
) -> list[Utterance]:
    """Utterances of a Whisper file with RTTM spans, or of a WhisperX file with or without them.

    Raises:
        InputError: the file is malformed, or nothing tells who speaks.
    """
    segments, language = load_segments(text, where)
    if spans is None and not has_speakers(segments):
        raise InputError(
            f"{where} does not tell who speaks. Give the diarizer's RTTM with --rttm, or put it beside the "
            "file under the same name with the ending .rttm."
        )
    words = words_of(segments, where, ledger, "" if language in _UNSPACED else " ")
    words = list(assign_words(words, spans, margins)) if spans is not None else _without_islands(words)
    return turns_of(words, ledger, where, margins)


def words_of(segments: Sequence[Segment], where: str, ledger: Ledger, space: str = " ") -> list[Word]:
    """Words in order of time; a segment without timed words counts as one long word.

    Args:
        space: goes before words that bring none.
    """
    stage = stage_named(ledger, "segments", "segments")
    words: list[Word] = []
    for number, segment in enumerate(segments, 1):
        place = f"{where} segment {number}"
        if reason := _suspect(segment):
            stage.drop(reason, place)
            start, end = _time(segment.get("start"), 0.0, place), _time(segment.get("end"), 0.0, place)
            # stands in the words as a hole, so that no turn is told as if nothing had been said
            said = str(segment.get("text") or "")
            if said.strip():
                words.append(
                    Word(said, start, max(start, end), doubt=reason, count=max(4, len(said.split())))
                )
            continue
        stage.keep()
        words += _segment_words(segment, place, space)
    return sorted(words, key=lambda w: w.start_s)


def _suspect(segment: Segment) -> str:
    if not str(segment.get("text") or "").strip() and not segment.get("words"):
        return "no text"
    if _number(segment.get("compression_ratio")) > _MAX_COMPRESSION:
        return "repeats itself (compression ratio)"
    silent = _number(segment.get("no_speech_prob")) > _MAX_NO_SPEECH
    if silent and _number(segment.get("avg_logprob")) < _MIN_LOGPROB:
        return "probably silence"
    return ""


def _segment_words(segment: Segment, place: str, space: str) -> list[Word]:
    start = _time(segment.get("start"), None, place)
    end = _time(segment.get("end"), start, place)
    speaker = str(segment.get("speaker") or "").strip()
    rows = segment.get("words")
    if not isinstance(rows, list) or not rows:
        text = str(segment.get("text") or "").strip()
        logprob = segment.get("avg_logprob")
        confidence = math.exp(min(0.0, _number(logprob))) if isinstance(logprob, int | float) else None
        return [Word(space + text, start, max(start, end), confidence, speaker, count=len(text.split()) or 1)]
    words: list[Word] = []
    for row in rows:
        if not isinstance(row, dict):
            raise InputError(f"{place} has a word that is no object; see the format of Whisper's JSON.")
        text = str(row.get("word") or row.get("text") or "")
        if not text.strip():
            continue
        at = _time(row.get("start"), words[-1].end_s if words else start, place)
        until = max(at, _time(row.get("end"), at, place))
        score = row.get("probability", row.get("score"))
        confidence = min(1.0, max(0.0, _number(score))) if isinstance(score, int | float) else None
        text = text if text[0].isspace() or not space else space + text
        words.append(Word(text, at, until, confidence, str(row.get("speaker") or "").strip()))
    return _with_neighbours(words, speaker)


def _with_neighbours(words: list[Word], speaker: str) -> list[Word]:
    """WhisperX times no numerals and gives them no speaker: they are their neighbours' if those agree."""
    if not any(w.speaker for w in words):
        return [replace(w, speaker=speaker) for w in words]
    out = []
    for i, word in enumerate(words):
        if not word.speaker:
            before = next((w.speaker for w in reversed(words[:i]) if w.speaker), "")
            after = next((w.speaker for w in words[i + 1 :] if w.speaker), "")
            agreed = before if before == after else before or after if not (before and after) else ""
            word = replace(word, speaker=agreed, doubt="" if agreed else "between two speakers")
        out.append(word)
    return out


def _without_islands(words: list[Word]) -> list[Word]:
    """One word of another speaker, close between two words of the same one, is a slip of the diarizer."""
    out = list(words)
    for i in range(1, len(words) - 1):
        before, word, after = words[i - 1], words[i], words[i + 1]
        alone = before.speaker and before.speaker == after.speaker != word.speaker
        tight = word.start_s - before.end_s < 0.2 and after.start_s - word.end_s < 0.2
        if alone and tight and word.count == 1 and word.speaker:
            out[i] = replace(word, speaker="", doubt="one word between another speaker's")
    return out


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _time(value: object, default: float | None, place: str) -> float:
    if value is None and default is not None:
        return default
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e7:
        raise InputError(f"{place} has no usable time ({value!r}); seconds from the start are needed.")
    return float(value)
