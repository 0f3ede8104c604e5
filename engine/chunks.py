"""Cutting a document into passages at sentence ends.

    split_passages   for the index: measured in the embedder's tokens, neighbours overlap by sentences
    split_chunks     measured in words, nothing said twice

Small on purpose: three passages must fit into the prompt of a model with 1024 tokens of context.
This module knows nothing of files or embeddings; how long a word is it is told.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

VERSION = 2
"""Changes with every change of where passages end, so that an index is built anew."""
MAX_WORDS = 80  # about 150 tokens of the small starter vocabulary
CHUNK_TOKENS = 104  # about 80 words, 150 tokens of the small starter vocabulary
OVERLAP_TOKENS = 20  # a sentence of usual length; a longer one is not said twice

WordLengths = Callable[[Sequence[str]], Sequence[int]]
"""Tokens of each word, 1 or more."""

_END = re.compile(r"[.!?][\"')\]’”]*(\s+)(?=[\"'(\[‘“]*[A-Z0-9])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|Prof|Capt|Col|Gen|Gov|Hon|Lt|Rev|Sgt|No|Nos|Vol|vs|etc|e\.g|i\.e|a\.m|p\.m|Inc|Co|Ltd"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)|\b[A-Z])\.$"
)
_HEADING = re.compile(r"^#{1,6}\s+")


@dataclass(frozen=True, slots=True)
class Chunking:
    """How long passages are, in the embedder's tokens."""

    chunk_tokens: int = CHUNK_TOKENS
    """No passage is longer."""
    overlap_tokens: int = OVERLAP_TOKENS
    """Whole sentences up to this length are said again at the head of the next passage."""

    def __post_init__(self) -> None:
        if self.chunk_tokens < 1 or not 0 <= self.overlap_tokens <= self.chunk_tokens // 2:
            raise ValueError(
                f"chunk_tokens is {self.chunk_tokens}, overlap_tokens is {self.overlap_tokens}; "
                "allowed: 1 or more, and an overlap of 0 to half of that"
            )

    @property
    def name(self) -> str:
        """Differs between chunkings whose passages may differ."""
        return f"{VERSION}/{self.chunk_tokens}/{self.overlap_tokens}"


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence, or a part of one that is too long."""

    text: str
    length: int


def split_passages(
    text: str, chunking: Chunking | None = None, lengths: WordLengths | None = None
) -> tuple[str, ...]:
    """Passages of whole sentences, all about equally long, that overlap by whole sentences.

    Args:
        text: paragraphs separated by empty lines; markdown headings lose their marks.
        chunking: sizes; the default is the index's.
        lengths: measures words; the default is the bundled embedder's tokenizer.

    Returns:
        the passages in order; without the overlaps they hold every word of the text once. A
        sentence longer than a passage is cut between words, and a word longer than that, as
        scripts without spaces have, between characters.

    Raises:
        RetrievalError: the default tokenizer is not installed.
    """
    if lengths is None:
        from engine.word_pieces import word_pieces  # its library loads only for who measures

        lengths = word_pieces()
    size = chunking or Chunking()
    return _pack(_pieces(text, size.chunk_tokens, lengths), size.chunk_tokens, size.overlap_tokens)


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
    return _pack(_pieces(text, max_words, lambda words: [1] * len(words)), max_words, 0)


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


# --- measuring and packing -------------------------------------------------------------------


def _pieces(text: str, limit: int, lengths: WordLengths) -> list[_Piece]:
    """The text's sentences with their lengths, none longer than the limit."""
    split = [sentence.split() for sentence in sentences(text)]
    measured = iter(lengths([word for words in split for word in words]))  # all words in one call
    pieces: list[_Piece] = []
    for words in split:
        sized = [(word, next(measured)) for word in words]
        total = sum(length for _, length in sized)
        if total <= limit:
            pieces.append(_Piece(" ".join(words), total))
        else:
            pieces += _cut(sized, limit)
    return pieces


def _cut(sized: Sequence[tuple[str, int]], limit: int) -> Iterator[_Piece]:
    """As many words as fit, again and again."""
    words: list[str] = []
    total = 0
    for word, length in (part for whole in sized for part in _cut_word(*whole, limit)):
        if words and total + length > limit:
            yield _Piece(" ".join(words), total)
            words, total = [], 0
        words.append(word)
        total += length
    if words:
        yield _Piece(" ".join(words), total)


def _cut_word(word: str, length: int, limit: int) -> Iterator[tuple[str, int]]:
    """The word; one longer than a passage in parts of about equal length."""
    parts = math.ceil(length / limit)
    chars = math.ceil(len(word) / parts)
    for start in range(0, len(word), chars):
        part = word[start : start + chars]
        yield part, length if parts == 1 else min(limit, math.ceil(length * len(part) / len(word)))


def _pack(pieces: Sequence[_Piece], limit: int, overlap: int) -> tuple[str, ...]:
    """Sentences into passages of about equal length."""
    left = sum(piece.length for piece in pieces)
    chunks: list[list[_Piece]] = []
    carried: list[_Piece] = []  # the passage's head, said before
    fresh: list[_Piece] = []
    room = limit
    said = 0  # length of the fresh ones
    target = _even(left, room)
    for piece in pieces:
        # Close the passage when the next sentence would overflow it, or lands further from the
        # even length than stopping here does.
        grown = said + piece.length
        if fresh and (grown > room or grown - target > target - said):
            chunks.append(carried + fresh)
            left -= said
            carried = _tail(fresh, min(overlap, limit - piece.length))
            room = limit - sum(again.length for again in carried)
            fresh, said, target = [], 0, _even(left, room)
        fresh.append(piece)
        said += piece.length
    if fresh:
        chunks.append(carried + fresh)
    return tuple(" ".join(piece.text for piece in chunk) for chunk in chunks)


def _tail(pieces: Sequence[_Piece], limit: int) -> list[_Piece]:
    """The last sentences that fit, but never all of a passage."""
    first = len(pieces)
    total = 0
    while first > 1 and total + pieces[first - 1].length <= limit:
        first -= 1
        total += pieces[first].length
    return list(pieces[first:])


def _even(length: int, limit: int) -> float:
    """Length of equal passages that hold so much."""
    return length / max(1, math.ceil(length / limit))
