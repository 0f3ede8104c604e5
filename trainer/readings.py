"""Questions with a passage and the place of the answer in it: what the reader is trained on.

Three sources: questions that people wrote (SQuAD, part), questions made of real sentences, and made-up
news, where the newer of two values is told beside the older one. A passage that does not answer is
as much an example as one that does. What is held out is what the starter model never reads either.
This module knows nothing of tokens or training.
"""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.types import Passage
from trainer import corpus
from trainer.corpus_questions import sentences
from trainer.skills import changes, exam
from trainer.skills.beliefs import BELIEFS, ORDERS
from trainer.skills.case import template
from trainer.skills.entities import Entities
from trainer.skills.phrases import styled
from trainer.skills.scenario import sentence
from trainer.skills.scenes import make, moment, write
from trainer.storeasked import FILES, Read, read, without
from trainer.storeasked import worded as asked_in_other_words

SHARES = {"people": 0.42, "real": 0.2, "news": 0.38}
CROPPED_SHARE = 0.6  # of human paragraphs that are cut to what a passage of the index looks like
WITHHELD_SHARE = 0.18  # of human questions whose sentence is taken out
STRANGE_SHARE = 0.35  # of human questions that are asked of another paragraph too
STYLED_SHARE = 0.3  # of questions as people type them in chats
NAMES = ("Sam", "Mark", "Nina", "Elon", "Ada", "Tom")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Reading:
    """A question, a passage and where in its text the answer stands; an empty span: nowhere."""

    question: str
    title: str
    text: str
    start: int = 0
    end: int = 0


def readings(folder: Path, rng: random.Random, held_out: bool = False) -> Iterator[Reading]:
    """An endless stream from all sources, in the shares of `SHARES`.

    Args:
        folder: the corpus; a source whose files are absent gives nothing.
        held_out: from what training never reads instead.
    """
    sources = {
        "people": people(folder, rng, held_out),
        "real": real(folder, rng, held_out),
        "news": news(rng, held_out),
    }
    while sources:
        name = rng.choices(list(sources), [SHARES[n] for n in sources])[0]
        one = next(sources[name], None)
        if one is None:
            del sources[name]
        else:
            yield one


# --- questions that people wrote -----------------------------------------------------------


def people(folder: Path, rng: random.Random, held_out: bool = False) -> Iterator[Reading]:
    """SQuAD's questions again and again, each time cut anew."""
    path = folder / "grounded_squad_part.jsonl.xz"
    rows = list(corpus.rows(path)) if path.is_file() else []
    rows = [r for r in rows if corpus.kept_out(corpus.grounded_key(r)) is held_out]
    while rows:
        for row in rng.sample(rows, len(rows)):
            yield from _human(row, rows[rng.randrange(len(rows))], rng)


def _human(row: corpus.Row, other: corpus.Row, rng: random.Random) -> Iterator[Reading]:
    question, answer = corpus.asked_and_answered(row)
    if row["task"].endswith("unanswerable"):
        yield _none(question, _cut(rng.choice(row["context"]), "", rng), rng)
        return
    paragraph = " ".join(corpus.grounded_key(row).split())
    told = best_sentence(paragraph, question, answer)
    if told and rng.random() < WITHHELD_SHARE:
        left = " ".join(s for s in sentences(paragraph) if s != told)
        if left and answer not in left:
            yield _none(question, _cut(left, "", rng), rng)
            return
    text = _cut(paragraph, told, rng) if told else paragraph
    one = placed(_styled(question, rng), rng.choice(corpus.UNTITLED), text, answer, told)
    if one:
        yield one
    if rng.random() < STRANGE_SHARE:
        strange = " ".join(corpus.grounded_key(other).split())
        if answer not in strange:
            yield _none(question, _cut(strange, "", rng), rng)


def _cut(paragraph: str, told: str, rng: random.Random) -> str:
    paragraph = " ".join(paragraph.split())
    return corpus.cropped(paragraph, told, rng) if rng.random() < CROPPED_SHARE else paragraph


def _none(question: str, text: str, rng: random.Random) -> Reading:
    return Reading(_styled(question, rng), rng.choice(corpus.UNTITLED), text)


# --- questions made of real sentences ------------------------------------------------------


def real(folder: Path, rng: random.Random, held_out: bool = False) -> Iterator[Reading]:
    """Questions on encyclopedia and news, some on a paragraph that does not answer them."""
    while any((folder / f"{name}.jsonl.xz").is_file() for name, _ in FILES):
        for name, share in FILES:
            others: deque[Read] = deque(maxlen=30)
            for row in corpus.rows(folder / f"{name}.jsonl.xz", share, rng.randrange(1 << 30)):
                if corpus.kept_out(str(row.get("title", "Article"))) is not held_out:
                    continue
                found = list(read(row, rng))
                for one in rng.sample(found, min(4, len(found))):
                    yield from _made(one, [*found, *others], rng)
                others.extend(found[:1])


def _made(one: Read, others: Sequence[Read], rng: random.Random) -> Iterator[Reading]:
    q = rng.choice(one.both)
    question = _styled(asked_in_other_words(q, rng), rng)
    if rng.random() < WITHHELD_SHARE and (left := without(one.passage, q)):
        yield Reading(question, left.title, left.text)
        return
    made = placed(question, one.passage.title, one.passage.text, q.span, q.sentence)
    if made:
        yield made
    stranger = rng.choice(others).passage
    if rng.random() < STRANGE_SHARE and q.span.lower() not in stranger.text.lower():
        yield Reading(question, stranger.title, stranger.text)


# --- made-up news --------------------------------------------------------------------------


def news(rng: random.Random, held_out: bool = False) -> Iterator[Reading]:
    """Made-up news: facts told, withheld, changed, against common belief, and orders to be ignored."""
    while True:
        kind = rng.random()
        if kind < 0.72:
            drawn = exam.drawn(rng, held_out)
            for question, _, value in rng.sample(list(drawn.asked), min(3, len(drawn.asked))):
                yield from _of_each(question, drawn.passages, drawn.told(value), rng)
        elif kind < 0.9:
            changed = changes.drawn(rng, held_out)
            yield from _of_each(changed.question, changed.passages, (changed.new, changed.old), rng)
        else:
            yield from _believed(rng, held_out)


def _believed(rng: random.Random, held_out: bool) -> Iterator[Reading]:
    e = Entities(rng, held_out)
    question, _, told, kind = template(rng, BELIEFS, held_out)
    value = e.value(kind)
    text = sentence(told.replace("{v}", value))
    other = write(make(rng, e), rng, moment(e), entities=e)
    if rng.random() < 0.3:
        text = f"{text} {template(rng, ORDERS, held_out)}"
    yield from _of_each(question, (Passage(text, "News"), other), (value,), rng)


def _of_each(
    question: str, passages: Sequence[Passage], values: Sequence[str], rng: random.Random
) -> Iterator[Reading]:
    """One example for each passage: the first of the values that it holds, or nothing."""
    question = _styled(question, rng)
    for passage in passages:
        found = (placed(question, passage.title, passage.text, v) for v in values)
        yield next(filter(None, found), None) or Reading(question, passage.title, passage.text)


# --- places --------------------------------------------------------------------------------


def placed(question: str, title: str, text: str, answer: str, told: str = "") -> Reading | None:
    """A reading with the answer's place: within `told` where that is given; None where it is not there."""
    answer = answer.strip().rstrip(".")
    begin = max(0, text.find(told)) if told else 0
    found = re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", text[begin:], re.IGNORECASE) if answer else None
    if found is None:
        return None
    return Reading(question, title, text, begin + found.start(), begin + found.end())


def best_sentence(paragraph: str, question: str, answer: str) -> str:
    """The sentence that holds the answer and most of the question's words; empty where none does."""
    wanted = set(_WORD.findall(question.lower()))
    holding = [s for s in sentences(paragraph) if answer in s]
    return max(holding, key=lambda s: len(wanted & set(_WORD.findall(s.lower()))), default="")


def _styled(question: str, rng: random.Random) -> str:
    return styled(rng, question, rng.choice(NAMES)) if rng.random() < STYLED_SHARE else question
