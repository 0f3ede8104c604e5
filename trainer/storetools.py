"""The store of tool use: made-up weather questions and corpus dialogues, in the engine's own format.

Which towns and wordings are held out is the generator's business; corpus dialogues fall to evaluation
by their first message.
"""

from __future__ import annotations

import random

from engine.prompt import Renderer
from trainer import corpus, corpus_tools
from trainer.skills import tools
from trainer.storesink import MAX_TOKENS, Job, Ledger, Sink, rows_of

CORPUS_SHARE = 0.25


def tool_use(job: Job, renderer: Renderer, rng: random.Random) -> Ledger:
    """Corpus dialogues up to their share, then generated cases up to the store's size."""
    sink = Sink(job, MAX_TOKENS)
    for name in corpus_tools.FILES:
        for row in rows_of(job, name, 0.5, sink):
            if sink.ledger.tokens >= CORPUS_SHARE * job.sizes.tools:
                break
            val = corpus.kept_out(row["messages"][1]["content"])
            for messages in corpus_tools.conversations(row, rng, sink.ledger.notes):
                done = renderer.render(messages)
                sink.put(done.ids, done.mask, val)
    held = 0
    while held < job.sizes.val_cases // 2:
        done = renderer.render(tools.generate(rng, True).messages)
        held += sink.put(done.ids, done.mask, True)
    while sink.ledger.tokens < job.sizes.tools:
        done = renderer.render(tools.generate(rng).messages)
        sink.put(done.ids, done.mask, False)
    return sink.close()
