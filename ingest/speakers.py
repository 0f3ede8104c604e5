"""Words to speakers: by overlap with the diarizer's spans, doubtful ones to quarantine.

    words + spans ──assign_words──► words with a speaker, or a doubt ──turns_of──► utterances and GAPs

A word that is not clearly one speaker's is given to nobody. It counts against the turns it touches:
a turn that lost too much is dropped, and a `GAP` stays in its place so that no conversation is told
as if nothing had been said there. This module knows nothing of files, audio or pairs.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from ingest.dialogue import Utterance
from ingest.ledger import Ledger, Stage

GAP = Utterance("", "")
"""Something was said here that nobody may learn from; pairs never reach across it."""

_MIN_WORD_S = 0.02


@dataclass(frozen=True, slots=True)
class Word:
    """A word, or a whole segment where the recogniser timed no words."""

    text: str
    """With the space before it, if the script has one."""
    start_s: float
    end_s: float
    confidence: float | None = None
    speaker: str = ""
    """Empty: nobody's."""
    doubt: str = ""
    """Why it is nobody's."""
    count: int = 1
    """Words in it."""


@dataclass(frozen=True, slots=True)
class Span:
    """One speaker talks from `start_s` to `end_s`."""

    start_s: float
    end_s: float
    speaker: str


@dataclass(frozen=True, slots=True)
class Margins:
    """When a word counts as clearly one speaker's, and a turn as whole."""

    margin: float = 0.5
    """Least difference between the best and the second speaker's share of the word, 0..1."""
    near_s: float = 0.3
    """A word in silence goes to the speaker this near, if nobody else is."""
    max_lost: float = 0.2
    """A turn may have lost this share of its words."""
    max_hole: int = 3
    """More quarantined words than this in a row end the turn."""


def stage_named(ledger: Ledger, name: str, unit: str) -> Stage:
    """The ledger's stage of that name, begun if it is the first file that needs it."""
    for stage in ledger.stages:
        if stage.name == name and stage.unit == unit:
            return stage
    return ledger.stage(name, unit)


def assign_words(
    words: Sequence[Word], spans: Iterable[Span], margins: Margins | None = None
) -> tuple[Word, ...]:
    """Give each word to the speaker whose spans cover it, or to nobody with the doubt named."""
    margins = margins or Margins()
    line = _Line(merge_spans(spans))
    return tuple(_assigned(word, line, margins) for word in words)


def merge_spans(spans: Iterable[Span]) -> list[Span]:
    """Spans in order of start, those of one speaker that touch or overlap made one."""
    merged: list[Span] = []
    last: dict[str, int] = {}
    for span in sorted(spans, key=lambda s: (s.start_s, s.end_s, s.speaker)):
        at = last.get(span.speaker)
        if at is not None and span.start_s <= merged[at].end_s:
            merged[at] = replace(merged[at], end_s=max(merged[at].end_s, span.end_s))
            continue
        last[span.speaker] = len(merged)
        merged.append(span)
    return merged


class _Line:
    """Spans by time, so that a look-up does not walk over the whole recording."""

    def __init__(self, spans: list[Span]) -> None:
        self.spans = spans
        self.starts = [s.start_s for s in spans]
        self.reach = list(accumulate((s.end_s for s in spans), max))

    def between(self, start_s: float, end_s: float) -> Iterable[Span]:
        """Spans that touch the time."""
        i = bisect.bisect_right(self.starts, end_s) - 1
        while i >= 0 and self.reach[i] >= start_s:
            if self.spans[i].end_s >= start_s:
                yield self.spans[i]
            i -= 1


def _assigned(word: Word, line: _Line, margins: Margins) -> Word:
    if word.doubt:  # its reader does not trust it, wherever it stands
        return replace(word, speaker="")
    start, end = word.start_s, word.end_s
    if end - start < _MIN_WORD_S:  # some recognisers give a word no length
        middle = (start + end) / 2
        start, end = middle - _MIN_WORD_S / 2, middle + _MIN_WORD_S / 2
    shares: dict[str, float] = {}
    for span in line.between(start, end):
        overlap = min(end, span.end_s) - max(start, span.start_s)
        shares[span.speaker] = shares.get(span.speaker, 0.0) + max(0.0, overlap) / (end - start)
    ranked = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    if not ranked or ranked[0][1] <= 0:
        return _nearest(word, line, margins)
    second = ranked[1][1] if len(ranked) > 1 else 0.0
    if ranked[0][1] - second < margins.margin - 1e-9:
        doubt = "between two speakers" if second > 0 else "mostly in silence"
        return replace(word, speaker="", doubt=doubt)
    return replace(word, speaker=ranked[0][0], doubt="")


def _nearest(word: Word, line: _Line, margins: Margins) -> Word:
    near = {s.speaker for s in line.between(word.start_s - margins.near_s, word.end_s + margins.near_s)}
    if len(near) == 1:
        return replace(word, speaker=near.pop(), doubt="")
    return replace(word, speaker="", doubt="between two speakers" if near else "nobody speaks there")


@dataclass(slots=True)
class _Run:
    """Words of one speaker in a row, and how many around or between them are in quarantine."""

    speaker: str
    words: list[Word] = field(default_factory=list)
    lost: int = 0

    def utterance(self) -> Utterance:
        heard = sum(w.count for w in self.words)
        confidence = heard / (heard + self.lost) if self.lost else None
        told = [w.confidence for w in self.words if w.confidence is not None]
        if told:
            mean = sum(told) / len(told)
            confidence = mean if confidence is None else min(mean, confidence)
        text = "".join(w.text for w in self.words).strip()
        return Utterance(self.speaker, text, self.words[0].start_s, self.words[-1].end_s, None, confidence)


def turns_of(
    words: Iterable[Word], ledger: Ledger, where: str, margins: Margins | None = None
) -> list[Utterance]:
    """Turns of words that have been given to speakers, `GAP` where one was dropped.

    Args:
        words: in order of time; those without a speaker are in quarantine.
        ledger: gets the stages `words` and `whole turns`.
        where: the file's name, for the ledger.
    """
    margins = margins or Margins()
    stage = stage_named(ledger, "words", "words")
    turns: list[Utterance] = []
    run: _Run | None = None
    hole = 0
    for word in words:
        if not word.speaker:
            stage.drop(
                f"quarantined: {word.doubt or 'no speaker'}", f"{where} {word.start_s:.2f} s", word.count
            )
            hole += word.count
            continue
        stage.keep(word.count)
        if run is None or run.speaker != word.speaker or hole > margins.max_hole:
            if run:
                run.lost += hole
                _close(run, turns, ledger, where, margins)
            if hole > margins.max_hole:
                turns.append(GAP)
            run = _Run(word.speaker)
        run.lost += hole
        run.words.append(word)
        hole = 0
    if run:
        run.lost += hole
        _close(run, turns, ledger, where, margins)
    return turns


def _close(run: _Run, turns: list[Utterance], ledger: Ledger, where: str, margins: Margins) -> None:
    heard = sum(w.count for w in run.words)
    turn = run.utterance()
    kept = whole_turn(turn, heard, run.lost, ledger, f"{where} {run.words[0].start_s:.2f} s", margins)
    turns.append(kept)


def whole_turn(
    turn: Utterance, heard: int, lost: int, ledger: Ledger, where: str, margins: Margins | None = None
) -> Utterance:
    """The turn, or `GAP` when it lost too many of its words; counted in stage `whole turns`."""
    margins = margins or Margins()
    stage = stage_named(ledger, "whole turns", "turns")
    if not turn.text:
        stage.drop("no text", where)
        return GAP
    if lost > margins.max_lost * (heard + lost):
        stage.drop("too many of its words are in quarantine", where)
        return GAP
    stage.keep()
    return turn
