"""Fills one token store at a time: generated skills, grounded answers, rewrites, chat, prose.

This module knows what a store holds and what is kept out of it; it knows nothing of training.
"""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from transformers import AutoTokenizer

from engine.prompt import Rendered, Renderer
from engine.types import Message
from trainer import corpus
from trainer.series import series
from trainer.skills import (
    about,
    analyzer,
    changes,
    copying,
    everyday,
    exam,
    grounded,
    identity,
    memory,
    rewrite,
    smalltalk,
)
from trainer.skills.case import Generate
from trainer.skills.listening import listened
from trainer.storeasked import asked, follow_ups
from trainer.storelong import grounded_long, skills_long
from trainer.storesink import MAX_TOKENS, SHORT_TOKENS, Job, Ledger, Sink, rows_of, shortened
from trainer.storetools import tool_use
from trainer.tokenizer import BOS, EOS_TEXT

SKILLS: tuple[tuple[Generate, int], ...] = (
    (grounded.generate, 40),
    (changes.generate, 8),
    (analyzer.generate, 16),
    (rewrite.generate, 16),
    (smalltalk.generate, 12),
    (everyday.generate, 12),
    (identity.generate, 16),
    (about.generate, 16),
    (memory.generate, 5),
    (copying.generate, 4),
)
TALK: tuple[tuple[Generate, int], ...] = (
    (everyday.generate, 60),
    (smalltalk.generate, 25),
    (identity.generate, 18),
    (memory.generate, 5),
)
SHORT: tuple[tuple[Generate, int], ...] = (
    (grounded.generate, 50),
    (changes.generate, 12),
    (copying.generate, 16),
    (rewrite.generate, 12),
    (memory.generate, 10),
    (identity.generate, 6),
    (smalltalk.generate, 6),
)
DENSE: tuple[tuple[Generate, int], ...] = (
    (grounded.generate, 60),
    (copying.generate, 15),
    (rewrite.generate, 10),
    (memory.generate, 15),
)
PROSE_TOKENS: dict[str, int] = {
    "prose_wikipedia_en": 3_500_000,
    "prose_gutenberg": 4_000_000,
    "news_wikinews_en": 2_200_000,
    "persona_twain_franklin": 1_500_000,
    "audience_onestopenglish": 600_000,
    "prose_openstax": 400_000,
}
PROSE_SHARE: dict[str, float] = {
    "prose_wikipedia_en": 0.22,
    "prose_gutenberg": 0.2,
    "news_wikinews_en": 0.6,
    "persona_twain_franklin": 0.5,
}


def run(job: Job) -> Ledger:
    """Build one store and its held-out part."""
    logging.getLogger("transformers").setLevel(logging.ERROR)  # long paragraphs are cut later, by `windows`
    renderer = Renderer(AutoTokenizer.from_pretrained(job.tokenizer_dir))
    return STORES[job.name](job, renderer, random.Random(f"{job.seed}:{job.name}"))


def _generated(
    job: Job,
    renderer: Renderer,
    rng: random.Random,
    makers: Sequence[tuple[Generate, int]],
    tokens: int,
    cap: int,
    dense: bool = False,
) -> Ledger:
    sink = Sink(job, cap)
    calls, weights = [m for m, _ in makers], [w for _, w in makers]
    seen: set[tuple[int, ...]] = set()
    for val in (True, False):
        while (sink.ledger.val < job.sizes.val_cases) if val else (sink.ledger.tokens < tokens):
            case = rng.choices(calls, weights)[0](rng, val)
            done = renderer.render(case.messages)
            if len(done.ids) < 90 and rng.random() < 0.9 and done.ids in seen:
                sink.ledger.notes["repeated"] += 1
                if sink.ledger.notes["repeated"] > 100_000:
                    break
                continue
            seen.add(done.ids)
            sink.put(done.ids, [True] * len(done.ids) if dense and not val else done.mask, val)
    return sink.close()


def _skills(job: Job, renderer: Renderer, rng: random.Random) -> Ledger:
    return _generated(job, renderer, rng, SKILLS, job.sizes.skills, MAX_TOKENS)


def _talk(job: Job, renderer: Renderer, rng: random.Random) -> Ledger:
    return _generated(job, renderer, rng, TALK, job.sizes.talk, SHORT_TOKENS)


def _skills_short(job: Job, renderer: Renderer, rng: random.Random) -> Ledger:
    return _generated(job, renderer, rng, SHORT, job.sizes.skills_short, SHORT_TOKENS)


def _skills_dense(job: Job, renderer: Renderer, rng: random.Random) -> Ledger:
    """As `skills_short`, but every token is to be predicted: names said again teach copying."""
    return _generated(job, renderer, rng, DENSE, job.sizes.skills_dense, SHORT_TOKENS, dense=True)


def _exams(job: Job, renderer: Renderer, rng: random.Random) -> Ledger:
    """Many questions about the same made-up news."""
    return _generated(job, renderer, rng, ((exam.generate, 1),), job.sizes.exams, MAX_TOKENS)


def _grounded(job: Job, renderer: Renderer, rng: random.Random) -> Ledger:
    sink = Sink(job, MAX_TOKENS)
    plan = (
        ("grounded_squad_part", 1.0, 0),
        ("grounded_wiki_templates", 0.5, job.sizes.wiki_rows),
        ("grounded_news_templates", 0.6, job.sizes.news_rows),
        ("grounded_xquad_en", 1.0, 600),
    )
    for name, share, limit in plan:
        taken = 0
        for row in rows_of(job, name, share, sink):
            if limit and taken >= limit:
                break
            made = corpus.grounded(row, rng)
            if made is None:
                sink.ledger.notes["no cited passage"] += 1
                continue
            val = name == "grounded_xquad_en" or corpus.kept_out(corpus.grounded_key(row))
            taken += sink.put(*_fitted(made, renderer, rng), val=val)
    return sink.close()


def _series(job: Job, renderer: Renderer, rng: random.Random) -> Ledger:
    """The human questions, many to a paragraph, read several times and drawn anew each time."""
    sink = Sink(job, MAX_TOKENS)
    together: dict[str, list[corpus.Row]] = defaultdict(list)
    for row in rows_of(job, "grounded_squad_part", 1.0, sink):
        if not row["task"].endswith("unanswerable"):
            together[corpus.grounded_key(row)].append(row)
    for _ in range(job.sizes.series_times):
        for val in (True, False):
            keys = [key for key in together if corpus.kept_out(key) is val]
            for key in keys:
                for messages in series(together[key], together[rng.choice(keys)], rng):
                    sink.put(*shortened(messages, renderer), val=val)
    return sink.close()


def _fitted(
    made: corpus.Grounded, renderer: Renderer, rng: random.Random
) -> tuple[Sequence[int], Sequence[bool]]:
    """As many passages as fit."""
    most = min(len(made.passages), rng.choice((1, 2, 2, 3)))
    done = Rendered((), ())
    for keep in range(max(1, most), 0, -1):
        done = renderer.render(made.messages(keep, rng))
        if len(done.ids) <= MAX_TOKENS:
            break
    return done.ids, done.mask


def _rewrite(job: Job, renderer: Renderer, rng: random.Random) -> Ledger:
    sink = Sink(job, MAX_TOKENS)
    for name, limit in (
        ("query_rewrite_canard_cast", 0),
        ("query_rewrite_wiki_templates", job.sizes.rewrite_rows // 2),
    ):
        for n, row in enumerate(rows_of(job, name, 0.6 if limit else 1.0, sink)):
            if limit and n >= limit:
                break
            made = corpus.rewrite(row, rng)
            if made is None:
                sink.ledger.notes["no question"] += 1
                continue
            _put(sink, renderer, made, row["source"] == "trec_cast_2022" or corpus.kept_out(made[1].content))
    return sink.close()


def _chat(job: Job, renderer: Renderer, rng: random.Random) -> Ledger:
    sink = Sink(job, MAX_TOKENS)
    listening = {"chat_self_dialogue": listened, "chat_topical": listened}
    plan = (
        (corpus.CHAT_FILES, "chat_self_dialogue", 0.4),
        (corpus.CHAT_FILES, "chat_topical", 0.15),
        (corpus.CHAT_FILES, "chat_fiction_dialogue", 0.15),
        (corpus.CHAT_FILES, "instruct_dolly_part", 0.15),
        (listening, "chat_self_dialogue", 0.3),
        (listening, "chat_topical", 0.05),
    )
    for makers, name, share in plan:
        budget = sink.ledger.tokens + share * job.sizes.chat
        for row in rows_of(job, name, 1.0, sink):
            if sink.ledger.tokens >= budget:
                break
            made = makers[name](row, rng)
            if made is None:
                sink.ledger.notes["unfit"] += 1
                continue
            _put(sink, renderer, made, corpus.kept_out(row["messages"][0]["content"]))
    return sink.close()


def _prose(job: Job, renderer: Renderer, rng: random.Random) -> Ledger:
    sink = Sink(job, MAX_TOKENS)
    for name, tokens in PROSE_TOKENS.items():
        budget = sink.ledger.tokens + tokens * job.sizes.prose_scale
        for row in rows_of(job, name, PROSE_SHARE.get(name, 1.0), sink):
            if sink.ledger.tokens >= budget:
                break
            parts = corpus.paragraphs(row)
            if not parts:
                sink.ledger.notes["no prose"] += 1
                continue
            val = corpus.kept_out(parts[0])
            for ids in windows(parts, renderer, MAX_TOKENS):
                sink.put(ids, [True] * len(ids), val)
    return sink.close()


def windows(parts: Sequence[str], renderer: Renderer, max_tokens: int) -> Iterator[list[int]]:
    """Paragraphs packed into windows that begin with the start token; the last ends with the end token."""
    tokenizer = renderer.tokenizer
    start, end = tokenizer.convert_tokens_to_ids([BOS, EOS_TEXT])
    pieces = tokenizer([renderer.safe(p) + "\n" for p in parts], add_special_tokens=False)["input_ids"]
    window = [start]
    for piece in pieces:
        if len(window) + len(piece) > max_tokens - 1 and len(window) > 64:
            yield window
            window = [start]
        while len(window) + len(piece) > max_tokens - 1:
            room = max_tokens - 1 - len(window)
            yield window + piece[:room]
            window, piece = [start], piece[room:]
        window += piece
    if len(window) > 16:
        yield [*window, end]


def _put(sink: Sink, renderer: Renderer, messages: Sequence[Message], val: bool) -> None:
    done = renderer.render(messages)
    sink.put(done.ids, done.mask, val)


STORES: dict[str, Callable[[Job, Renderer, random.Random], Ledger]] = {
    "skills": _skills,
    "prose": _prose,
    "skills_short": _skills_short,
    "skills_dense": _skills_dense,
    "grounded": _grounded,
    "series": _series,
    "chat": _chat,
    "talk": _talk,
    "rewrite": _rewrite,
    "skills_long": skills_long,
    "grounded_long": grounded_long,
    "tools": tool_use,
    "exams": _exams,
    "asked": asked,
    "follow_ups": follow_ups,
}
