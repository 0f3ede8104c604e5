"""Stores of long examples, so that the model is trained over its whole context.

A generated case gets a real chat before it; corpus questions keep all their passages. Which rows and
names are held out is decided as in `trainer.storebuild`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from engine.prompt import Renderer
from engine.types import Message
from trainer import corpus
from trainer.skills import grounded, identity, memory, smalltalk
from trainer.skills.case import Generate
from trainer.storesink import LONG_TOKENS, Job, Ledger, Sink, rows_of

MIN_TOKENS = 400
MAKERS: tuple[tuple[Generate, int], ...] = (
    (grounded.generate, 70),
    (memory.generate, 10),
    (identity.generate, 10),
    (smalltalk.generate, 10),
)
FILES = (("grounded_squad_part", 0.5), ("grounded_wiki_templates", 0.5), ("grounded_news_templates", 1.0))


def skills_long(job: Job, renderer: Renderer, rng: random.Random) -> Ledger:
    """Generated cases after a chat of several turns on other matters."""
    sink = Sink(job, LONG_TOKENS)
    calls, weights = [m for m, _ in MAKERS], [w for _, w in MAKERS]
    for row in rows_of(job, "chat_self_dialogue", 1.0, sink):
        if sink.ledger.tokens >= job.sizes.skills_long:
            break
        chat = corpus.chat(row, rng)
        if chat is None:
            sink.ledger.notes["unfit"] += 1
            continue
        val = sink.ledger.val < job.sizes.val_cases // 4
        case = rng.choices(calls, weights)[0](rng, val)
        done = renderer.render(after(chat, case.messages))
        if len(done.ids) < MIN_TOKENS and rng.random() < 0.8:
            sink.ledger.notes["short"] += 1
            continue
        sink.put(done.ids, done.mask, val)
    return sink.close()


def after(chat: Sequence[Message], messages: Sequence[Message]) -> tuple[Message, ...]:
    """A case's conversation with a chat between its system message and its first turn."""
    earlier = tuple(Message(m.role, m.content) for m in chat if m.role != "system")
    return (messages[0], *earlier, *messages[1:])


def grounded_long(job: Job, renderer: Renderer, rng: random.Random) -> Ledger:
    """Corpus questions with every passage that fits."""
    sink = Sink(job, LONG_TOKENS)
    for name, share in FILES:
        budget = sink.ledger.tokens + job.sizes.grounded_long / len(FILES)
        for row in rows_of(job, name, share, sink):
            if sink.ledger.tokens >= budget:
                break
            made = corpus.grounded(row, rng)
            if made is None:
                sink.ledger.notes["no cited passage"] += 1
                continue
            done = renderer.render(made.messages(len(made.passages), rng))
            if len(done.ids) < MIN_TOKENS:
                sink.ledger.notes["short"] += 1
                continue
            sink.put(done.ids, done.mask, corpus.kept_out(corpus.grounded_key(row)))
    return sink.close()
