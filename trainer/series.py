"""Several questions that people asked of one paragraph, as one conversation.

The paragraph is read once and asked about many times, so that most of what is trained are answers.
Where it is cut, what was cut away is not answered: a question keeps its answer only when every
sentence that holds it is shown. This module knows nothing of files, tokens or stores.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from engine.prompt import reply_messages
from engine.types import Message, Passage
from trainer import corpus
from trainer.corpus_questions import sentences
from trainer.pointers import UNREAD_SHARE, asked_again, read
from trainer.skills import systems
from trainer.skills.case import closed
from trainer.skills.phrases import UNSAID, in_few_words, styled

MOST_WORDS = 170  # of what is shown
MOST_QUESTIONS, MOST_OF_WHOLE = 8, 5
WHOLE_SHARE = 0.15  # of paragraphs that are shown whole
ABSENT_SHARE = 0.5  # of questions whose sentence was cut away that are asked all the same
COMPANY_SHARE = 0.6  # of conversations with a second paragraph
STRANGE_SHARE = 0.5  # of the others that are asked a question on another paragraph
SENTENCE_SHARE = 0.08  # of answers that are the whole sentence
BRIEF_SHARE = 0.3  # of conversations with an assistant told to be brief


def series(
    rows: Sequence[corpus.Row], others: Sequence[corpus.Row], rng: random.Random
) -> Iterator[tuple[Message, ...]]:
    """Conversations that ask every one of `rows` at least once.

    Args:
        rows: answerable questions on one paragraph, as the corpus holds them.
        others: questions on another, which now and then is shown and asked about beside it.
    """
    left = _mixed(rows, rng)
    while left:
        shown, asked, left = _drawn(left, rng)
        passages = [Passage(shown, rng.choice(corpus.UNTITLED))]
        if others and rng.random() < COMPANY_SHARE:
            other, more, _ = _drawn(_mixed(others, rng), rng)
            if len(shown.split()) + len(other.split()) <= MOST_WORDS:
                passages.append(Passage(other, rng.choice(corpus.UNTITLED)))
                asked += more
        elif others and rng.random() < STRANGE_SHARE:  # asked of what is not shown
            asked += [
                (q, "", "") for q, words, _ in _drawn(_mixed(others, rng), rng)[1][:1] if words not in shown
            ]
        rng.shuffle(passages)
        rng.shuffle(asked)
        yield _conversation(passages, asked[:MOST_QUESTIONS], rng)


def _mixed(rows: Sequence[corpus.Row], rng: random.Random) -> list[corpus.Row]:
    return rng.sample(rows, len(rows))


def _drawn(
    rows: list[corpus.Row], rng: random.Random
) -> tuple[str, list[tuple[str, str, str]], list[corpus.Row]]:
    """What is shown, its questions as (question, words, sentence), and the rows that are still to be asked.

    The first row is always answered. An empty answer means that it was cut away.
    """
    paragraph = " ".join(corpus.grounded_key(rows[0]).split())
    parts = sentences(paragraph)
    question, answer = corpus.asked_and_answered(rows[0])
    holding = [p for p in parts if answer in p]
    fits = len(paragraph.split()) <= MOST_WORDS
    whole = len(holding) != 1 or (fits and rng.random() < WHOLE_SHARE)
    shown = paragraph if whole else corpus.cropped(paragraph, holding[0], rng)
    most = MOST_OF_WHOLE if whole else MOST_QUESTIONS
    asked = [(question, answer, holding[0] if len(holding) == 1 else "")]
    left: list[corpus.Row] = []
    for row in rows[1:]:
        question, answer = corpus.asked_and_answered(row)
        holding = [p for p in parts if answer in p]
        told = [p in shown for p in holding]
        if len(asked) < most and told and all(told):
            asked.append((question, answer, holding[0] if len(holding) == 1 else ""))
            continue
        if len(asked) < most and answer not in shown and rng.random() < ABSENT_SHARE:
            asked.append((question, "", ""))
        left.append(row)
    return shown, asked, left


def _conversation(
    passages: Sequence[Passage], asked: Sequence[tuple[str, str, str]], rng: random.Random
) -> tuple[Message, ...]:
    brief = rng.random() < BRIEF_SHARE
    who = systems.Persona(rng.choice(corpus.BRIEF)) if brief else systems.persona(rng, plain_share=0.4)
    messages: list[Message] = []
    reading = rng.random() > UNREAD_SHARE
    for question, words, told in asked:
        if not words:
            answer = rng.choice(UNSAID)
        elif not brief and 0 < len(told.split()) <= corpus.LONGEST_SENTENCE and rng.random() < SENTENCE_SHARE:
            answer = told
        else:
            answer = in_few_words(words, brief)
        if not messages:
            shown = read(passages, (words,), rng) if reading else passages
            messages += closed(reply_messages(who.system, (), styled(rng, question, who.name), shown), answer)
        else:
            turn = asked_again(passages, (words,), question, rng) if reading else Message("user", question)
            messages += closed([turn], answer)
    return tuple(messages)
