# ruff: noqa: E501  patterns are read whole
"""Questions for anything that a real sentence names: a date, a number, a sum, a person, a place, a thing.

`trainer.corpus_questions` asks what a few shapes of sentence allow, in good English. Here every answer in
every clause is asked for: the words around it become the question and a question word takes its place
(cloze translation, https://arxiv.org/abs/1906.04980). The English is rough, as that of hurried people is,
and there is no end of it. This module knows nothing of files, prompts or tokens.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from trainer.corpus_questions import (
    MAX_WORDS,
    MIN_WORDS,
    NAME,
    NUMBER,
    ROUGHLY,
    TIME,
    Question,
    in_midsentence,
    named_subject,
)
from trainer.skills import words as w
from trainer.verb_forms import PAST, base_form

MOST_LEFT, MOST_RIGHT = 11, 8  # words of the clause that are kept on each side of the answer
MIN_KEPT = 3  # words of the sentence in a question
LONGEST_ANSWER = 7  # words

_MONEY = r"(?:[$£€]\d[\d,.]*(?: (?:million|billion))?|\d[\d,.]*(?: (?:million|billion))? (?:dollars|euros|pounds|francs|yen))"
_NOUN = r"(?:[a-z-]+ )??(?:[a-z]{2,}s|people|men|women|children|percent|per cent)"
_PHRASE = r"(?:the|an?|his|her|its|their) (?:[a-z-]+ ){0,3}[a-z-]{3,}"
_OPENING = r"(?:In|On|At|By|After|Before|During|From|For|With|Since|Under|Of)\b"
_ANSWER = re.compile(
    rf"(?P<money>{_MONEY})|(?<![\d,.] )\b(?P<time>{TIME})\b|(?<![\d,.$£€])\b(?P<count>{ROUGHLY}{NUMBER})(?P<noun> {_NOUN})\b"
    rf"|(?P<name>\b(?!{_OPENING}){NAME})|(?<= )(?P<thing>{_PHRASE})(?= (?:in|on|at|of|for|from|with|by|to|and|as|was|were|is|are|that)\b|[,.;])"
)
_EDGE = re.compile(r"[,;:](?= )| [–—-] ")
_AUX = frozenset("was were is are had has have will would can could may must should did does do".split())
_ARTICLES = frozenset("the a an The A An".split())
_SMALL = frozenset(
    "in on at of for from with by to and or as that who which when where while after before during since until but"
    " than into over near under between about against because if also both".split()
)
_WHERE = frozenset("in at near from".split())
_WHEN = frozenset("in on since until during by from".split())
_JOIN = re.compile(
    r"^(?:and|but|which|who|that|while|where|because|as|although|though|when|after|before|if|so|or|than)\b ?",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"\b(?:he|she|it|they|his|her|its|their|him|them|this|these|I|we|you)\b", re.IGNORECASE)
_TITLED = re.compile(
    r"(?:Mr|Mrs|Ms|Dr|Sir|Lord|Lady|King|Queen|Prince|Princess|Saint|Pope|President|Senator|Governor|General|Captain|Professor)\.?"
)
_HEADS = frozenset(
    w.listed(
        """
        university college school company party river lake mountain bridge church castle island city county province state
        street road railway station airport hospital museum theatre team club league cup festival battle war treaty act
        award prize album song film book newspaper magazine court council committee ministry army regiment empire dynasty
        """
    )
)  # fmt: skip
_PLACES = frozenset(
    w.listed(
        """
        England Scotland Wales Ireland Britain France Germany Italy Spain Portugal Russia China Japan India Pakistan Iraq
         Iran Israel Egypt Turkey Greece Poland Sweden Norway Denmark Finland Austria Hungary Canada Mexico Brazil
         Argentina Chile Peru Cuba Australia Africa Europe Asia America California Texas Florida Virginia London Paris
         Berlin Rome Madrid Moscow Washington Boston Chicago Baghdad Jerusalem Tokyo Beijing Sydney Melbourne Toronto
        """
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Found:
    """An answer in its clause: what stands before it and behind it."""

    kind: str  # money, time, count, name or thing
    span: str
    noun: str  # of a count: "wolves"
    left: tuple[str, ...]
    right: tuple[str, ...]


def clozes(sentence: str, title: str, rng: random.Random) -> list[Question]:
    """A question for each answer that the sentence holds, in the order of the sentence.

    Args:
        sentence: with its full stop.
        title: what a pronoun at the start stands for; empty where that is not known.
        rng: draws among wordings.
    """
    if not MIN_WORDS <= len(sentence.split()) <= 2 * MAX_WORDS or not sentence.endswith("."):
        return []
    lead, text = named_subject(sentence[:-1], title) or ("it", sentence[:-1])
    made = []
    for found in _answers(text):
        asked = " ".join(_question(found, rng).split())
        kept = len(asked.split()) - 1
        if found.kind == "thing" and rng.random() < 0.5:
            continue
        if kept < MIN_KEPT or asked.count('"') % 2 or _PRONOUN.match(found.span):
            continue
        if _PRONOUN.search(asked) and rng.random() < 0.6:
            continue  # the others lean on what was said before, as people's questions do
        made.append(Question(f"{asked[0].upper()}{asked[1:]}?", found.span, sentence, "", lead))
    return made


def _answers(text: str) -> Iterator[_Found]:
    for m in _ANSWER.finditer(text):
        kind = str(m.lastgroup if m.lastgroup != "noun" else "count")
        span, noun = m[kind], (m["noun"] or "").strip()
        if len(span.split()) > LONGEST_ANSWER or (kind == "name" and not _is_name(span, m.start())):
            continue
        left, right = text[: m.start()], text[m.end() :]
        if kind == "name" and _describes(span, right):
            continue
        before = _before(left)
        if before and before[-1] in _ARTICLES:
            before, span = before[:-1], f"{before[-1]} {span}"
        yield _Found(kind, span, noun, before, _behind(right, bool(left.strip())))


def _is_name(span: str, start: int) -> bool:
    """Not every capital is a name: the first word of a sentence has one, too."""
    return len(span) > 2 and (start > 0 or len(span.split()) > 1) and not _TITLED.fullmatch(span)


def _describes(span: str, right: str) -> bool:
    """Whether a name is said of what follows it, as in "Greek goddess": that is no answer."""
    after = re.match(r" ([a-z’'-]+)|[’']s\b", right)
    if after is None or len(span.split()) > 2:
        return False
    word = after[1] or ""
    return not (word in _AUX or word in _SMALL or word in PAST or re.fullmatch(r"[a-z]{3,}(?:ed|ly)", word))


def _before(left: str) -> tuple[str, ...]:
    """The clause's words before the answer; a comma ends it where enough is left."""
    parts = _EDGE.split(left)
    kept = parts.pop()
    while parts and len(kept.split()) < MIN_KEPT:
        kept = f"{parts.pop()} {kept}"
    return tuple(_JOIN.sub("", " ".join(kept.split())).split()[-MOST_LEFT:])


def _behind(right: str, after_words: bool) -> tuple[str, ...]:
    """The clause's words behind the answer; more of them where nothing stands before it."""
    parts = _EDGE.split(right)
    kept = parts.pop(0)
    while parts and not after_words and len(kept.split()) < MIN_KEPT:
        kept = f"{kept} {parts.pop(0)}"
    return tuple(kept.split()[:MOST_RIGHT])


def _question(found: _Found, rng: random.Random) -> str:
    """The clause as a question, without its question mark."""
    left, right = list(found.left), list(found.right)
    word = _asks_with(found, left, rng)
    if not left:
        return " ".join([word, *right])
    at = next((i for i, x in enumerate(left) if x.lower() in _AUX), 0)
    if 0 < at <= 8:
        subject = in_midsentence(" ".join(left[:at]))
        return " ".join([word, left[at], subject, *left[at + 1 :], *right])
    at = next((i for i, x in enumerate(left) if i and (x in PAST or re.fullmatch(r"[a-z]{3,}ed", x))), 0)
    if 0 < at <= 6 and left[0].lower() not in _WHEN:
        subject = in_midsentence(" ".join(left[:at]))
        return " ".join([word, "did", subject, base_form(left[at]), *left[at + 1 :], *right])
    if rng.random() < 0.5:
        return " ".join([word, in_midsentence(" ".join(left)), *right])
    return " ".join([*left, word[0].lower() + word[1:], *right])


def _asks_with(found: _Found, left: list[str], rng: random.Random) -> str:
    """The question word; a preposition that it makes needless is taken off `left`."""
    last = left[-1].lower() if left else ""
    if found.kind == "money":
        return "How much"
    if found.kind == "count":
        return f"How many {found.noun}" if "cent" not in found.noun else "What percentage"
    if found.kind == "time":
        if last in _WHEN:
            left.pop()
        year = re.fullmatch(r"\d{4}", found.span)
        return rng.choice(
            ("When", "When", "In what year", "What year") if year else ("When", "When", "On what date")
        )
    if found.kind == "thing":
        return "What"
    parts = found.span.split()
    if (len(parts) > 1 and (parts[0] in w.FIRST_NAMES or _TITLED.fullmatch(parts[0]))) or _TITLED.fullmatch(
        last
    ):
        return "Who"
    if found.span in _PLACES or (last in _WHERE and len(parts) < 3 and parts[-1].lower() not in _HEADS):
        if last in _WHERE:
            left.pop()
            return "Where"
        return rng.choice(("What place", "What"))
    if parts[-1].lower() in _HEADS:
        return rng.choice((f"Which {parts[-1].lower()}", f"What {parts[-1].lower()}", "What"))
    return rng.choice(("Who", "What")) if not left and len(parts) > 1 else "What"
