"""Cutting a document into passages at sentence ends.

Small on purpose: three passages must fit into the prompt of a model with 1024 tokens of context.
This module knows nothing of files, embeddings or tokenizers; it counts words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

MAX_WORDS = 80  # about 150 tokens of the small starter vocabulary

_END = re.compile(r"[.!?][\"')\]’”]*(\s+)(?=[\"'(\[‘“]*[A-Z0-9])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|Prof|Capt|Col|Gen|Gov|Hon|Lt|Rev|Sgt|No|Nos|Vol|vs|etc|e\.g|i\.e|a\.m|p\.m|Inc|Co|Ltd"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)|\b[A-Z])\.$"
)
_HEADING = re.compile(r"^#{1,6}\s+")


def split_chunks(text: str, max_words: int = MAX_WORDS) -> tuple[str, ...]:
    """Passages of whole sentences, all about equally long.

    Args:
        text: paragraphs separated by empty lines; markdown headings lose their marks.
        max_words: no passage is longer; a longer sentence is cut.

    Returns:
        the passages in order; together they hold every word of the text once.
    """
    if max_words < 1:
        raise ValueError(f"max_words is {max_words}; allowed: 1 or more")
    pieces = [piece for sentence in sentences(text) for piece in _cut(sentence.split(), max_words)]
    left = sum(len(piece) for piece in pieces)
    chunks: list[list[str]] = []
    current: list[str] = []
    target = _even(left, max_words)
    for piece in pieces:
        # Close the passage when the next sentence would overflow it, or lands further from the
        # even length than stopping here does.
        grown = len(current) + len(piece)
        if current and (grown > max_words or grown - target > target - len(current)):
            chunks.append(current)
            left -= len(current)
            current, target = [], _even(left, max_words)
        current = current + piece
    if current:
        chunks.append(current)
    return tuple(" ".join(chunk) for chunk in chunks)


def sentences(text: str) -> Iterator[str]:
    """Sentences in order; a paragraph's end always ends one."""
    for paragraph in re.split(r"\n\s*\n", text):
        lines = [_HEADING.sub("", line.strip()) for line in paragraph.splitlines()]
        joined = " ".join(line for line in lines if line)
        start = 0
        for end in _END.finditer(joined):
            sentence = joined[start : end.start(1)]
            if not _ABBREVIATION.search(sentence):
                yield sentence
                start = end.end()
        if joined[start:]:
            yield joined[start:]


def _even(words: int, max_words: int) -> float:
    """Length of equal passages that hold so many words."""
    return words / max(1, math.ceil(words / max_words))


def _cut(words: list[str], max_words: int) -> Iterator[list[str]]:
    for start in range(0, len(words), max_words):
        yield words[start : start + max_words]
