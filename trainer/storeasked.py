"""A store of questions asked of real articles, and one of follow-ups rewritten to stand alone.

Paragraphs of encyclopedia and news are read under the engine's own prompt; the questions come from
`trainer.corpus_questions`. Which articles are held out is a property of their titles alone.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.prompt import Renderer, reply_messages, rewrite_messages
from engine.types import Message, Passage, Turn
from trainer import corpus
from trainer.corpus_questions import Question, clean, questions, sentences
from trainer.skills import systems
from trainer.skills.case import closed
from trainer.skills.phrases import styled
from trainer.storesink import MAX_TOKENS, Job, Ledger, Sink, rows_of

FILES = (("news_wikinews_en", 1.0), ("prose_wikipedia_en", 0.5))
MIN_WORDS, MAX_WORDS = 25, 110
SHORT_SENTENCE = 26  # words; a longer one is not given as an answer
MOST_QUESTIONS = 6
LEADS = ("{Q}", "{Q}", "{q}", "And {q}", "Ok. {Q}", "Thanks. {Q}", "So {q}")
_POSSESSIVE = {"it": "its", "he": "his", "she": "her"}


@dataclass(frozen=True, slots=True)
class Read:
    """A paragraph with what can be asked of it."""

    passage: Passage
    asked: tuple[Question, ...]
    title: str


def read(row: corpus.Row, rng: random.Random) -> Iterator[Read]:
    """The fitting paragraphs of an article, their sentences cut to `MAX_WORDS`."""
    title = str(row.get("title", "Article"))
    day = row.get("date") or row.get("date_est")
    moment = datetime.fromisoformat(str(day)[:10]).replace(tzinfo=UTC) if day and rng.random() < 0.8 else None
    topic = "" if day or len(title.split()) > 4 or "List" in title else title.split(" (")[0]
    for paragraph in corpus.paragraphs(row)[1:]:
        kept: list[str] = []
        for one in sentences(clean(paragraph)):
            if sum(len(k.split()) for k in kept) + len(one.split()) > MAX_WORDS:
                break
            kept.append(one)
        if sum(len(k.split()) for k in kept) < MIN_WORDS:
            continue
        asked = [q for one in kept for q in _some(questions(one, topic, rng), rng)]
        if asked:
            yield Read(Passage(" ".join(kept), title, published_at=moment), tuple(asked), topic)


def _some(found: list[Question], rng: random.Random) -> list[Question]:
    """At most two questions of one sentence."""
    return rng.sample(found, min(2, len(found)))


def asked(job: Job, renderer: Renderer, rng: random.Random) -> Ledger:
    """Paragraphs with several questions each, some of which they do not answer."""
    sink = Sink(job, MAX_TOKENS)
    for name, share in FILES:
        budget = sink.ledger.tokens + job.sizes.asked / len(FILES)
        others: deque[Read] = deque(maxlen=40)
        for row in rows_of(job, name, share, sink):
            if sink.ledger.tokens >= budget:
                break
            found = list(read(row, rng))
            for one in rng.sample(found, min(3, len(found))):
                if len(others) > 4:
                    messages = conversation(one, found, others, rng)
                    done = renderer.render(messages)
                    sink.put(done.ids, done.mask, corpus.kept_out(one.passage.title))
            others.extend(found[:2])
    return sink.close()


def conversation(
    one: Read, same: Sequence[Read], others: Sequence[Read], rng: random.Random
) -> tuple[Message, ...]:
    """A system message, the passages, and questions with answers."""
    brief = rng.random() < 0.4
    who = systems.Persona(rng.choice(corpus.BRIEF)) if brief else systems.persona(rng, plain_share=0.4)
    passages = [one.passage]
    if rng.random() < 0.4:
        passages += [o.passage for o in rng.sample(list(others), min(rng.choice((1, 1, 2)), len(others)))]
    rng.shuffle(passages)
    picked = rng.sample(one.asked, min(len(one.asked), rng.choice((1, 2, 3, MOST_QUESTIONS))))
    pairs = [(q.text, _answer(q, brief, rng)) for q in picked]
    if rng.random() < 0.45:
        strange = [q for o in same if o is not one for q in o.asked] if rng.random() < 0.4 else []
        strange = strange or [
            q
            for o in rng.sample(list(others), min(2, len(others)))
            if o.passage not in passages
            for q in o.asked
        ]
        strange = [q for q in strange if q.span.lower() not in one.passage.text.lower()]
        if strange:
            pairs.insert(rng.randint(0, len(pairs)), (rng.choice(strange).text, rng.choice(corpus.UNKNOWN)))
    question, answer = pairs[0]
    messages = list(closed(reply_messages(who.system, (), styled(rng, question, who.name), passages), answer))
    for question, answer in pairs[1:]:
        messages += closed([Message("user", question)], answer)
    return tuple(messages)


def _answer(q: Question, brief: bool, rng: random.Random) -> str:
    """The few words asked for, or the sentence that holds them."""
    if not brief and len(q.sentence.split()) <= SHORT_SENTENCE and rng.random() < 0.8:
        return q.sentence
    return f"{q.span[0].upper()}{q.span[1:].rstrip('.')}."


def follow_ups(job: Job, renderer: Renderer, rng: random.Random) -> Ledger:
    """Two questions on one article, the second with "it", "he" or "she" for its subject."""
    sink = Sink(job, MAX_TOKENS)
    for name, share in (("prose_wikipedia_en", 1.0),):
        for row in rows_of(job, name, share, sink):
            if sink.ledger.tokens >= job.sizes.follow_ups:
                break
            for one in read(row, rng):
                made = follow_up(one, rng)
                if made:
                    done = renderer.render(made)
                    sink.put(done.ids, done.mask, corpus.kept_out(one.title))
    return sink.close()


def follow_up(one: Read, rng: random.Random) -> tuple[Message, ...]:
    """A rewriting case about the article's subject; empty where two questions do not name it."""
    about = [q for q in one.asked if one.title and one.title in q.text]
    if len(about) < 2:
        return ()
    pronoun = next((q.lead for q in one.asked if q.lead in ("he", "she")), "")
    pronoun = pronoun or ("it" if any(q.lead == "it" and q.sentence.startswith("It ") for q in about) else "")
    if not pronoun:
        return ()
    first, last = rng.sample(about, 2)
    if rng.random() < 0.4:
        lead = rng.choice(
            ("Tell me about {t}.", "What do you know about {t}?", "{t}", "Have you heard of {t}?")
        )
        told = next((q.sentence for q in about if q is not last), first.sentence)
        turns = [Turn("user", lead.format(t=one.title)), Turn("assistant", told)]
    else:
        turns = [Turn("user", first.text), Turn("assistant", first.sentence)]
    asked = _pronounced(last.text, one.title, pronoun)
    if asked == last.text:
        return ()
    form = rng.choice(LEADS)
    asked = form.format(Q=asked, q=asked[0].lower() + asked[1:])
    return closed(rewrite_messages(turns, asked), last.text)


def _pronounced(question: str, name: str, pronoun: str) -> str:
    """The question with the name as a pronoun, in the form that its place asks for."""
    question = question.replace(f"{name}'s ", f"{_POSSESSIVE[pronoun]} ")
    object_form = {"he": "him", "she": "her", "it": "it"}[pronoun]
    for before in (
        " by ",
        " of ",
        " at ",
        " for ",
        " to ",
        " with ",
        " in ",
        " from ",
        " founded ",
        " killed ",
    ):
        question = question.replace(f"{before}{name}", f"{before}{object_form}")
    return question.replace(name, pronoun)
