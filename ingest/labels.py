"""Speaker labels, stage directions and clock times, as people type them in transcripts.

This module knows nothing of files or turns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CLOCK = r"(?:\d{1,3}:)?\d{1,2}:\d{2}(?:[.,]\d{1,3})?"
_TIME = re.compile(rf"^(?:\[({CLOCK})\]|\(({CLOCK})\)|({CLOCK})(?=\s))(?:\s*[-–—]+(?:>?\s*{CLOCK})?)?\s*")
_LABEL = re.compile(
    r"^(?:>{1,2}\s*|[-–—]\s*)?\*{0,2}(?P<name>[^:：\[\]()<>{}*|]{1,48}?)\*{0,2}\s*"
    r"(?:[\[(](?P<note>[^\])]{0,60})[\])])?\s*\*{0,2}(?::(?=\s|\*|$)|：)\*{0,2}\s*(?P<text>.*)$"
)
_HEAD = re.compile(rf"^(?P<name>[^:\[\]()<>{{}}*|]{{1,48}}?)\s+[\[(]?(?P<time>{CLOCK})[\])]?$")
_LOST = r"inaudible|unintelligible|indistinct|crosstalk|cross[- ]talk|overlapping|garbled"
_SOUND = (
    r"laugh\w*|chuckl\w*|giggl\w*|applau\w*|cheer\w*|music\w*|sigh\w*|cough\w*|pause\w*|"
    r"silence|beat|sniff\w*|"
    r"clears? (?:his|her|their)? ?throat|clearing throat|gasp\w*|groan\w*|whisper\w*|"
    r"sobs?|sobbing|crying|smil\w*"
)
_SQUARE = re.compile(r"\[[^\[\]]{0,200}\]")
_ROUND = re.compile(rf"\(\s*(?:\w+ )?(?:{_LOST}|{_SOUND})(?: [^()]{{0,60}})?\s*\)", re.IGNORECASE)
_STAR = re.compile(rf"\*\s*(?:{_SOUND})(?: [^*]{{0,40}})?\*", re.IGNORECASE)
_LOST_CUE = re.compile(rf"[\[(][^\])]{{0,60}}\b(?:{_LOST})\b", re.IGNORECASE)
_PARTICLES = frozenset("de da del della di du la le van von der den ter of the bin ibn al el y e and".split())
_NOT_NAMES = frozenset(
    "note notes warning example examples update edit ps p.s. re subject date time source sources url "
    "http https "
    "question answer remember important summary title chapter act scene int ext location setting tip fact "
    "transcript transcribed recorded episode disclaimer copyright attendees participants agenda".split()
)


@dataclass(frozen=True, slots=True)
class Label:
    """The beginning of a turn."""

    name: str
    text: str
    start_s: float | None
    sure: bool
    """False: a single lower-case word, which is a name only if it recurs."""


def clock_s(text: str) -> float:
    """Seconds of `1:02`, `00:01:02` or `00:01:02,345`."""
    total = 0.0
    for part in text.replace(",", ".").split(":"):
        total = total * 60 + float(part)
    return total


def find_label(line: str, known: frozenset[str] = frozenset()) -> Label | None:
    """The label that a line begins with, or None.

    Args:
        known: speakers in lower case; when given, nothing else counts as a label.
    """
    line = line.strip()
    start_s = None
    bare = line
    if found := _TIME.match(line):
        start_s = clock_s(next(group for group in found.groups() if group))
        bare = line[found.end() :]
    if head := _HEAD.match(bare):
        name = head["name"].strip()
        if _is_name(name, known) == "yes":
            return Label(name, "", clock_s(head["time"]), True)
    if not (found := _LABEL.match(bare)):
        return None
    name = " ".join(found["name"].split())
    note = (found["note"] or "").strip()
    if re.fullmatch(CLOCK, note):
        start_s = clock_s(note)
    verdict = _is_name(name, known)
    if verdict == "no":
        return None
    return Label(name, found["text"].strip(), start_s, verdict == "yes")


def _is_name(name: str, known: frozenset[str]) -> str:
    """`yes`, `no`, or `maybe` for one lower-case word."""
    if known:
        return "yes" if name.casefold() in known else "no"
    words = name.split()
    if not words or len(words) > 5 or words[0].casefold().rstrip(".") in _NOT_NAMES:
        return "no"
    if re.search(r"[!?,;\"“”@#/\\=…]", name) or not any(c.isalpha() for c in name):
        return "no"
    lower = [w for w in words if w[0].islower() and w not in _PARTICLES]
    if not lower and not (words[0] in _PARTICLES and len(words) == 1):
        return "yes"
    return "maybe" if len(words) == 1 and re.fullmatch(r"[\w.-]{2,32}", name) else "no"


def strip_time(line: str) -> str:
    """The line without a clock time in brackets before it."""
    found = _TIME.match(line)
    return line[found.end() :] if found and line[0] in "[(" else line


def strip_directions(text: str) -> tuple[str, int]:
    """The text without stage directions, and how many of them stood for words that nobody heard."""
    lost = len(_LOST_CUE.findall(text))
    for pattern in (_SQUARE, _ROUND, _STAR):
        text = pattern.sub(" ", text)
    return re.sub(r"\s+([,.;:!?])", r"\1", " ".join(text.split())), lost
