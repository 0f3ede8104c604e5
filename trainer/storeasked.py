"""A store of questions asked of real articles, and one of follow-ups rewritten to stand alone.

Paragraphs of encyclopedia and news are read under the engine's own prompt; the questions come from
`trainer.corpus_questions`. Which articles are held out is a property of their titles alone.
"""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.prompt import Renderer, reply_messages, rewrite_messages
from engine.types import Message, Passage, Turn
from trainer import corpus
from trainer.cloze import clozes
from trainer.corpus_questions import Question, clean, questions, sentences
from trainer.followup_lines import FORMS, PERSON, THING, with_name, with_pronoun
from trainer.pointers import UNREAD_SHARE, asked_again
from trainer.pointers import read as pointed
from trainer.shorter import shorter
from trainer.skills import systems
from trainer.skills.case import closed
from trainer.skills.phrases import UNSAID, in_few_words, styled
from trainer.storesink import MAX_TOKENS, Job, Ledger, Sink, rows_of, shortened
from trainer.swaps import swapped
from trainer.synonyms import reworded

FILES = (("news_wikinews_en", 1.0), ("prose_wikipedia_en", 0.5), ("prose_wikipedia_en_more", 0.5))
MIN_WORDS, MAX_WORDS, LONGER_WORDS = 20, 64, 120
LONGER_SHARE = 0.25  # of articles whose paragraphs may be longer
SWAP_SHARE = 0.5  # of articles told of other people, years and figures
SPAN_SHARE = 0.7  # of answers that are a few words, whoever is asked
LONGEST_SENTENCE = 24  # words
MOST_MORE = 7  # questions behind the first
COMPANY_SHARE = 0.6  # of conversations with other paragraphs, which are asked about too
WITHHELD_SHARE, STRANGE_SHARE = 0.15, 0.15  # of first questions that cannot be answered
STRANGE_MORE = 0.2  # of the questions behind it that cannot
LEADS = ("{Q}", "{Q}", "{q}", "And {q}", "Ok. {Q}", "Thanks. {Q}", "So {q}")
OPENERS = ("Tell me about {t}.", "What do you know about {t}?", "{t}", "Have you heard of {t}?")
_PERSON = re.compile(r"[A-Z][\w.’'-]+(?: [A-Z][\w.’'-]+){1,2}")


@dataclass(frozen=True, slots=True)
class Read:
    """A paragraph with what can be asked of it."""

    passage: Passage
    asked: tuple[Question, ...]
    """In good English, by the rules of `trainer.corpus_questions`."""
    rough: tuple[Question, ...]
    """In rough English, by `trainer.cloze`."""
    topic: str
    """The article's subject where it is named in few words, else empty."""
    held_out: bool = False

    @property
    def both(self) -> tuple[Question, ...]:
        """All its questions."""
        return self.asked + self.rough

    @property
    def pronoun(self) -> str:
        """What the topic is called in this paragraph; empty where that is not plain."""
        leads = {q.lead for q in self.asked if q.lead in ("he", "she")}
        if leads:
            return min(leads)
        return "it" if any(q.sentence.startswith("It ") for q in self.asked) else ""


def read(row: corpus.Row, rng: random.Random) -> Iterator[Read]:
    """The fitting paragraphs of an article, their sentences cut to `MAX_WORDS` or so."""
    title = str(row.get("title", "Article"))
    held_out = corpus.kept_out(title)
    paragraphs = [clean(p) for p in corpus.paragraphs(row)[1:]]
    if rng.random() < SWAP_SHARE:
        title, *paragraphs = swapped([title, *paragraphs], rng)
    day = row.get("date") or row.get("date_est")
    moment = datetime.fromisoformat(str(day)[:10]).replace(tzinfo=UTC) if day and rng.random() < 0.8 else None
    topic = "" if day or len(title.split()) > 4 or "List" in title else title.split(" (")[0]
    most = LONGER_WORDS if rng.random() < LONGER_SHARE else MAX_WORDS
    for paragraph in paragraphs:
        kept = _cut(paragraph, most)
        if sum(len(k.split()) for k in kept) < MIN_WORDS:
            continue
        asked = [q for one in kept for q in _some(questions(one, topic, rng), rng)]
        rough = [q for one in kept for q in _some(clozes(one, topic, rng), rng)]
        if asked or rough:
            passage = Passage(" ".join(kept), title, published_at=moment)
            yield Read(passage, tuple(asked), tuple(rough), topic, held_out)


def _cut(paragraph: str, most: int) -> list[str]:
    """Its first sentences, up to `most` words."""
    kept: list[str] = []
    for one in sentences(paragraph):
        if sum(len(k.split()) for k in kept) + len(one.split()) > most:
            break
        kept.append(one)
    return kept


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
            for one in rng.sample(found, min(5, len(found))):
                if len(others) > 4:
                    strangers = [o for o in others if o.passage.title != one.passage.title]
                    messages = conversation(one, found, strangers, rng)
                    sink.put(*shortened(messages, renderer), val=one.held_out)
            others.extend(found[:2])
    return sink.close()


def conversation(
    one: Read, same: Sequence[Read], others: Sequence[Read], rng: random.Random
) -> tuple[Message, ...]:
    """A system message, the passages and a question with its answer; now and then more of both.

    Of the first questions some cannot be answered: the sentence that would is taken out, or they are
    asked of another paragraph.
    """
    who = systems.persona(rng, plain_share=0.5)
    if rng.random() < 0.2:
        who = systems.Persona(rng.choice(corpus.BRIEF))
    brief = who.system in corpus.BRIEF
    first = rng.choice(one.both)
    values: tuple[str, ...]
    shown, answer, values = one.passage, _answer(first, brief, rng), (first.span,)
    roll = rng.random()
    if roll < WITHHELD_SHARE and (left := without(one.passage, first)):
        shown, answer, values = left, rng.choice(UNSAID), ()
    elif roll < WITHHELD_SHARE + STRANGE_SHARE and (strange := _strange(one, same, others, rng)):
        first, answer, values = strange, rng.choice(UNSAID), ()
    passages, more = [shown], [q for q in one.both if q.text != first.text and shown is one.passage]
    if rng.random() < COMPANY_SHARE:
        drawn = rng.sample(list(others), min(rng.choice((1, 1, 2)), len(others)))
        drawn = [o for o in drawn if first.span.lower() not in o.passage.text.lower()]
        passages += [o.passage for o in drawn]
        more += [q for o in drawn for q in o.both if q.text != first.text]
    rng.shuffle(passages)
    question = styled(rng, worded(first, rng), who.name)
    reading = rng.random() > UNREAD_SHARE
    first_read = pointed(passages, values, rng) if reading else passages
    messages = list(closed(reply_messages(who.system, (), question, first_read), answer))
    told = " ".join(p.text for p in passages).lower()
    for q in rng.sample(more, min(len(more), MOST_MORE)):
        answer, values = _answer(q, brief, rng), (q.span,)
        strange = _strange(one, same, others, rng) if rng.random() < STRANGE_MORE else None
        if strange and strange.span.lower() not in told:
            q, answer, values = strange, rng.choice(UNSAID), ()
        question = worded(q, rng)
        turn = asked_again(passages, values, question, rng) if reading else Message("user", question)
        messages += closed([turn], answer)
    return tuple(messages)


def worded(q: Question, rng: random.Random) -> str:
    """The question as someone might put it who has not read the sentence."""
    return reworded(shorter(q.text, rng), rng)


def without(passage: Passage, asked: Question) -> Passage | None:
    """The passage without the sentence that answers; None where too little is left or it tells it too."""
    kept = [s for s in sentences(passage.text) if s != asked.sentence]
    text = " ".join(kept)
    if len(kept) < 2 or asked.span.lower() in text.lower():
        return None
    return Passage(text, passage.title, published_at=passage.published_at)


def _strange(one: Read, same: Sequence[Read], others: Sequence[Read], rng: random.Random) -> Question | None:
    """A question that another paragraph answers and this one does not; None where there is none."""
    found = [q for o in same if o is not one for q in o.both] if rng.random() < 0.5 else []
    found = found or [q for o in rng.sample(list(others), min(2, len(others))) for q in o.both]
    found = [q for q in found if q.span.lower() not in one.passage.text.lower()]
    return rng.choice(found) if found else None


def _answer(q: Question, brief: bool, rng: random.Random) -> str:
    """The few words asked for, or the sentence that holds them where it begins as the question does.

    A small model that has to begin with the first word of a sentence must know the sentence before it
    says anything; a name from the question or the answer itself it finds by looking.
    """
    whole = q.subject and q.sentence.startswith(q.subject) and len(q.sentence.split()) <= LONGEST_SENTENCE
    if whole and not brief and rng.random() > SPAN_SHARE:
        return q.sentence
    return in_few_words(q.span, brief)


def follow_ups(job: Job, renderer: Renderer, rng: random.Random) -> Ledger:
    """A second question that leans on the first or on its answer, rewritten to stand alone."""
    sink = Sink(job, MAX_TOKENS)
    for row in rows_of(job, "prose_wikipedia_en", 1.0, sink):
        if sink.ledger.tokens >= job.sizes.follow_ups:
            break
        for one in list(read(row, rng))[:4]:
            for made in filter(
                None, (follow_up(one, rng), next_of_person(one, rng), next_of_topic(one, rng))
            ):
                done = renderer.render(made)
                sink.put(done.ids, done.mask, one.held_out)
    return sink.close()


def follow_up(one: Read, rng: random.Random) -> tuple[Message, ...]:
    """Two questions on the article's subject, the second with a pronoun; empty where there are not two."""
    about = [q for q in one.asked if one.topic and one.topic in q.text]
    pronoun = one.pronoun
    if len(about) < 2 or not pronoun:
        return ()
    first, last = rng.sample(about, 2)
    asked = _pronounced(last.text, one.topic, pronoun)
    if asked == last.text:
        return ()
    return _rewriting(_opening(one, first, rng), asked, last.text, one.topic, rng)


def next_of_person(one: Read, rng: random.Random) -> tuple[Message, ...]:
    """A question whose answer is a person, and one about that person; empty where there is none."""
    found = [q for q in one.asked if q.text.startswith("Who ") and _PERSON.fullmatch(q.span)]
    if not found:
        return ()
    q, line = rng.choice(found), rng.choice(PERSON)
    turns = [Turn("user", q.text), Turn("assistant", q.sentence)]
    pronoun = rng.choice(("he", "she"))
    return _rewriting(turns, with_pronoun(line, pronoun), with_name(line, q.span), q.span, rng)


def next_of_topic(one: Read, rng: random.Random) -> tuple[Message, ...]:
    """A question on the article's subject, and one that people ask of any such; empty where it has none."""
    about = [q for q in one.asked if one.topic and one.topic in q.text]
    if not about or not one.pronoun:
        return ()
    line = rng.choice(THING if one.pronoun == "it" else PERSON)
    turns = _opening(one, rng.choice(about), rng)
    return _rewriting(turns, with_pronoun(line, one.pronoun), with_name(line, one.topic), one.topic, rng)


def _opening(one: Read, first: Question, rng: random.Random) -> list[Turn]:
    """What was said before: that question and its answer, or a lead on the topic."""
    if rng.random() < 0.6:
        return [Turn("user", first.text), Turn("assistant", first.sentence)]
    return [Turn("user", rng.choice(OPENERS).format(t=one.topic)), Turn("assistant", first.sentence)]


def _rewriting(
    turns: Sequence[Turn], asked: str, full: str, name: str, rng: random.Random
) -> tuple[Message, ...]:
    """The rewriter's conversation, its question typed as people type; empty where it never names the name."""
    if not any(name in turn.text for turn in turns):
        return ()
    asked = rng.choice(LEADS).format(Q=asked, q=asked[0].lower() + asked[1:])
    if rng.random() < 0.25:
        asked = (asked[0].lower() + asked[1:]).rstrip("?")
    return closed(rewrite_messages(turns, asked), full)


def _pronounced(question: str, name: str, pronoun: str) -> str:
    """The question with the name as a pronoun, in the form that its place asks for."""
    plain, genitive, objective = FORMS[pronoun]
    question = question.replace(f"{name}'s ", f"{genitive} ")
    for before in ("by", "of", "at", "for", "to", "with", "in", "from", "founded", "killed", "about"):
        question = question.replace(f" {before} {name}", f" {before} {objective}")
    return question.replace(name, plain)
