"""Pairs from a book: passages as answers to short prompts, and the book's own talk, speech by speech.

In talk, consecutive paragraphs that open with a quotation are taken to be by two speakers in turn,
as novels set them. This module does not read files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

from engine.chunks import sentences, split_chunks
from ingest.books import Book
from ingest.jsonl import Row, pair_row
from ingest.ledger import Stage

OPENERS = (
    "Tell me about {}.",
    "What can you say about {}?",
    "What do you know of {}?",
    "I want to hear about {}.",
)
PLAIN_OPENERS = ("Tell me something.", "What is on your mind?", "Tell me a story.")
FOLLOWERS = ("Go on.", "What happened then?", "And then?", "Please go on.", "Tell me more.")
LEAD_WORDS = 60  # of the passage before, as context of a follower

_STOP_WORDS = """
a an and are as at be been but by came could did do does for from had has have he her here him his how i if
in is it its made me might must my no nor not of off on or our out said saw seemed shall she should so some
than that the their them then there these they this those to too upon up us was we went were what when where
which while who whom whose why will with would you your very most more much all any both each every few many
other same such
"""
_STOPS = frozenset(_STOP_WORDS.split())
_VAGUE = frozenset(
    (
        "first",
        "last",
        "next",
        "same",
        "other",
        "one",
        "two",
        "whole",
        "rest",
        "way",
        "thing",
        "time",
        "day",
        "moment",
    )
)
_DETERMINED = re.compile(r"\b(the|a|an|my|our|that|this)\s+((?:[a-z]+(?:-[a-z]+)?\s?){1,4})")
_PROPER = re.compile(r"(?<=[a-z,;] )(?:[A-Z][a-z]+\.? )*[A-Z][a-z]{2,}\b")
_SPEECH = re.compile(r"“([^“”]+)(?:”|$)|\"([^\"]+)(?:\"|$)")


# --- passages ------------------------------------------------------------------------------


def passage_pairs(
    book: Book, source: str, stage: Stage, min_words: int = 200, max_words: int = 500
) -> Iterator[Row]:
    """Passages as answers to short prompts, and as what follows on the passage before.

    Args:
        source: name that the pairs carry.
        stage: counts paragraphs into passages.
        min_words, max_words: of a passage.
    """
    for number, chapter in enumerate(book.chapters, 1):
        yield from _reply_pairs(chapter, f"{source} chapter {number}", source, stage, min_words, max_words)


def chunk_paragraphs(
    paragraphs: Sequence[str], min_words: int = 200, max_words: int = 500
) -> tuple[list[tuple[int, int]], list[int]]:
    """Runs of whole paragraphs within the limits, as even as can be, leaving out as little as can be.

    Returns:
        (start, end) of each run, and the positions of the paragraphs that fit into none.
    """
    if not 1 <= min_words <= max_words:
        raise ValueError(f"words {min_words} to {max_words}; the first must be 1 or more, the second no less")
    words = [len(p.split()) for p in paragraphs]
    middle = (min_words + max_words) / 2
    best: list[float] = [0.0]
    back: list[int] = [0]
    for end in range(1, len(words) + 1):
        # leaving a paragraph out costs more than any unevenness
        cost, start = best[end - 1] + 1e7 * words[end - 1] + 1, -1
        total = 0
        for first in range(end - 1, -1, -1):
            total += words[first]
            if total > max_words:
                break
            if total >= min_words and best[first] + (total - middle) ** 2 < cost:
                cost, start = best[first] + (total - middle) ** 2, first
        best.append(cost)
        back.append(start)
    runs: list[tuple[int, int]] = []
    left: list[int] = []
    end = len(words)
    while end:
        if back[end] < 0:
            left.append(end - 1)
            end -= 1
        else:
            runs.append((back[end], end))
            end = back[end]
    return runs[::-1], left[::-1]


def _reply_pairs(
    chapter: Sequence[str], where: str, source: str, stage: Stage, min_words: int, max_words: int
) -> Iterator[Row]:
    paragraphs = [piece for paragraph in chapter for piece in _pieces(paragraph, max_words)]
    runs, left = chunk_paragraphs(paragraphs, min_words, max_words)
    for position in left:
        stage.drop(
            f"no passage of {min_words} to {max_words} words can hold it", f"{where} paragraph {position + 1}"
        )
    before: tuple[str, str, int] | None = None  # opener, passage, end of the run
    for start, end in runs:
        stage.keep(end - start)
        passage = "\n\n".join(paragraphs[start:end])
        id_ = _digest(source, "passage", passage)
        opener = opening(passage, id_)
        if before is not None and before[2] == start:
            lead = _tail(before[1])
            yield pair_row([before[0], lead, _pick(FOLLOWERS, id_)], passage, source, f"{id_}-on")
        yield pair_row([opener], passage, source, id_)
        before = (opener, passage, end)


def _pieces(paragraph: str, max_words: int) -> tuple[str, ...]:
    """A paragraph that is longer than a passage may be, cut at its sentences."""
    return (paragraph,) if len(paragraph.split()) <= max_words else split_chunks(paragraph, max_words)


def _tail(passage: str) -> str:
    """The last sentences, so that a follower has something to follow."""
    tail: list[str] = []
    for sentence in reversed(list(sentences(passage))):
        if tail and len(" ".join([sentence, *tail]).split()) > LEAD_WORDS:
            break
        tail.insert(0, sentence)
    return " ".join(" ".join(tail).split()[-2 * LEAD_WORDS :])


def opening(passage: str, key: str) -> str:
    """A prompt that the passage answers, from its first noun phrase; `key` chooses among templates."""
    phrase = noun_phrase(passage)
    return _pick(OPENERS, key).format(phrase) if phrase else _pick(PLAIN_OPENERS, key)


def noun_phrase(text: str) -> str:
    """The first thing that a text speaks of, by its form; empty when none is found."""
    found: list[tuple[int, str]] = []
    proper = _PROPER.search(text)
    if proper:
        found.append((proper.start(), proper[0]))
    for match in _DETERMINED.finditer(text):
        words: list[str] = []
        for word in match[2].split():
            if word in _STOPS or word.endswith("ly"):
                break
            words.append(word)
        # verbs that follow cannot be told by form alone, so phrases stay short
        words = words[:2] if len(words) > 1 and words[-1].endswith(("ed", "ing")) is False else words[:1]
        if words and words[-1] not in _VAGUE and len(words[-1]) > 2:
            owner = {"my": "your", "our": "your", "this": "the", "that": "the"}.get(match[1], match[1])
            found.append((match.start(), f"{owner} {' '.join(words)}"))
            break
    return min(found)[1] if found else ""


# --- talk ----------------------------------------------------------------------------------


def talk_pairs(
    book: Book, source: str, stage: Stage, *, turns: int = 6, longest: int | None = None
) -> Iterator[Row]:
    """The book's own talk, each speech as the answer to those before it.

    Args:
        source: name that the pairs carry.
        stage: counts speeches that answer one before.
        turns: speeches of context at most.
        longest: words of an answer at most; no limit when None.
    """
    for number, chapter in enumerate(book.chapters, 1):
        where = f"{source} chapter {number}"
        for run in _exchanges(chapter):
            for i in range(1, len(run)):
                context, answer = run[max(0, i - turns) : i], run[i]
                words = len(answer.split())
                if words < 3:
                    stage.drop("answer shorter than 3 words", where)
                elif longest is not None and words > longest:
                    stage.drop(f"answer longer than {longest} words", where)
                else:
                    stage.keep()
                    yield pair_row(context, answer, source, _digest(source, "talk", *context, answer))


def _exchanges(chapter: Sequence[str]) -> Iterator[list[str]]:
    """Runs of speeches by two speakers in turn; narration between them ends a run."""
    run: list[str] = []
    unclosed = False
    for paragraph in chapter:
        said = spoken(paragraph)
        if not said:
            if len(run) > 1:
                yield run
            run, unclosed = [], False
            continue
        if unclosed and run:
            run[-1] = f"{run[-1]} {said}"  # a speech of several paragraphs opens each and closes the last
        else:
            run.append(said)
        unclosed = _is_unclosed(paragraph)
    if len(run) > 1:
        yield run


def spoken(paragraph: str) -> str:
    """What is said in a paragraph that opens with a quotation and is mostly speech; else empty."""
    if paragraph[:1] not in ("“", '"'):
        return ""
    parts = [a or b for a, b in _SPEECH.findall(paragraph)]
    said = " ".join(" ".join(parts).split())
    if len(said.split()) * 2 < len(paragraph.split()):
        return ""  # a narrator's sentence around a word or two
    # “Yes,” said he, “I do.” is one sentence; “Go,” she said. ends in a comma that belongs to the narrator
    return said if _is_unclosed(paragraph) else re.sub(r",$", ".", said)


def _is_unclosed(paragraph: str) -> bool:
    if "“" in paragraph:
        return paragraph.count("“") > paragraph.count("”")
    return paragraph.count('"') % 2 == 1


def _digest(source: str, *parts: str) -> str:
    digest = hashlib.sha256("\x00".join((source, *parts)).encode()).hexdigest()
    return f"{source}-{digest[:12]}"


def _pick(choices: Sequence[str], key: str) -> str:
    return choices[int(hashlib.sha256(key.encode()).hexdigest(), 16) % len(choices)]
