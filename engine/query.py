"""Whether a rewritten query can be trusted, and what is searched where it cannot.

A small model's rewrite names somebody whom nobody mentioned, loses the name that was asked for, or
says the pronoun again. Each can be seen from the words alone. Then the question before, its answer
and the message together are the query: clumsy to read, but nothing is missing or made up.
This module knows no model and no index.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from engine.types import Turn

MAX_TURN_CHARS = 150
_WORD = re.compile(r"[^\W_]+(?:[.,:]\d+)*")
_SENTENCE = re.compile(r".+?[.!?](?=\s|$)")
_PRONOUNS = frozenset(
    "he him his she her hers it its they them their theirs there one ones this that these those".split()
)
_OPENERS = frozenset(
    "a an and any are at by can could did do does for from give had has have how i if in is list may name of "
    "on or please should since so tell than that the then these this those to under was were what when where "
    "which who whom whose why will with would".split()
)

_POLITE = re.compile(
    r"\b(?:can|could|would|will|thank|do) you\b(?! (?:like|live|smoke|own|have a)\b)", re.IGNORECASE
)
_YOU = tuple(
    (re.compile(rf"\b{said}\b", re.IGNORECASE), named)
    for said, named in (
        ("were you", "was {n}"),
        ("are you", "is {n}"),
        ("have you", "has {n}"),
        ("do you", "does {n}"),
        ("you were", "{n} was"),
        ("you are", "{n} is"),
        ("you have", "{n} has"),
        ("yourself", "{n}"),
        ("yours?", "{n}'s"),
        ("you", "{n}"),
    )
)


def trusted(query: str, message: str, turns: Sequence[Turn]) -> bool:
    """Whether a rewrite says what was asked and nothing that nobody said.

    Args:
        query: the rewrite of `message`.
        turns: what the rewriter saw, oldest first.
    """
    asked, wanted = _WORD.findall(query), _WORD.findall(message)
    said = {w.lower() for text in (message, *(t.text for t in turns)) for w in _WORD.findall(text)}
    if any(_is_name(w, first=not i) and w.lower() not in said for i, w in enumerate(asked)):
        return False
    told = {w.lower() for w in asked}
    if any(w.lower() not in told for w in islice(wanted, 1, None) if _is_name(w)):
        return False
    runs = [tuple(w.lower() for w in asked[i : i + 3]) for i in range(len(asked) - 2)]
    if len(set(runs)) < len(runs):
        return False
    leaning = {w.lower() for w in wanted} & told & _PRONOUNS
    return not leaning or bool(told - {w.lower() for w in wanted} - _PRONOUNS - _OPENERS)


def spelled_out(message: str, turns: Sequence[Turn]) -> str:
    """The turns back to the last question that leans on nothing, in short, and the message.

    Of a reply the first sentence is taken.
    """
    parts = [message]
    for turn in reversed(turns):
        text = " ".join(turn.text.split())
        first = _SENTENCE.match(text) if turn.role == "assistant" else None
        parts.insert(0, (first[0] if first else text)[:MAX_TURN_CHARS])
        if turn.role == "user" and not _PRONOUNS & {w.lower() for w in _WORD.findall(text)}:
            break
    return " ".join(parts)


def asked_of(query: str, message: str) -> str:
    """What a reader is to answer: the rewrite, or the message where the query is `spelled_out`."""
    plain = " ".join(message.split())
    return plain if query.endswith(plain) else query


def about(question: str, name: str) -> str:
    """The question with the one who is asked named: "Where were you born?" is of Mark Twain.

    Passages tell of the persona in the third person. "Could you tell me …" is left as it is.
    """
    if _POLITE.search(question):
        return question
    for pattern, named in _YOU:
        question = pattern.sub(named.format(n=name), question)
    return question


def _is_name(word: str, first: bool = False) -> bool:
    """A number, or a word with a capital that does not merely open the sentence."""
    return word[0].isdigit() or (
        word[0].isupper() and word != "I" and not (first and word.lower() in _OPENERS)
    )
