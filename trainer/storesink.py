"""What fills a token store: its sizes, its job, its two writers and the ledger of what was left out.

This module knows nothing of where examples come from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.prompt import Renderer
from engine.types import Message
from trainer import corpus
from trainer.store import StoreWriter

MAX_TOKENS = 512
SHORT_TOKENS = 256
LONG_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many tokens each store holds; the corpus parts end earlier where their files do."""

    skills: int = 16_000_000
    skills_short: int = 5_000_000
    skills_dense: int = 2_000_000
    chat: int = 6_000_000
    talk: int = 3_000_000
    skills_long: int = 3_000_000
    grounded_long: int = 3_000_000
    tools: int = 4_000_000
    exams: int = 8_000_000
    asked: int = 12_000_000
    follow_ups: int = 1_000_000
    rewrite_rows: int = 12_000
    wiki_rows: int = 9_000
    news_rows: int = 3_500
    series_times: int = 4
    """How often the human questions are drawn, several to a paragraph."""
    val_cases: int = 600
    prose_scale: float = 1.0


@dataclass(slots=True)
class Ledger:
    """What one store took and left, and why."""

    name: str
    examples: int = 0
    tokens: int = 0
    trained: int = 0
    val: int = 0
    notes: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        notes = ", ".join(f"{k} {v}" for k, v in sorted(self.notes.items()))
        return (
            f"{self.name}: {self.examples} examples, {self.tokens} tokens, {self.trained} trained on; "
            f"{self.val} held out; {notes}"
        )


@dataclass(frozen=True, slots=True)
class Job:
    """One store to build in one process."""

    name: str
    corpus_dir: Path
    out_dir: Path
    tokenizer_dir: Path
    seed: int
    sizes: Sizes


class Sink:
    """Two writers of one store: training and held-out."""

    def __init__(self, job: Job, max_tokens: int) -> None:
        self.ledger = Ledger(job.name)
        self.max_tokens = max_tokens
        self.train = StoreWriter(job.out_dir / job.name)
        self.val = StoreWriter(job.out_dir / f"{job.name}.val")

    def put(self, ids: Sequence[int], mask: Sequence[bool], val: bool) -> bool:
        """Store one example unless it is too long or has nothing to learn."""
        if len(ids) > self.max_tokens:
            self.ledger.notes["too long"] += 1
            return False
        if len(ids) < 2 or not any(mask):
            self.ledger.notes["nothing to learn"] += 1
            return False
        (self.val if val else self.train).append(ids, mask)
        if val:
            self.ledger.val += 1
        else:
            self.ledger.examples += 1
            self.ledger.tokens += len(ids)
            self.ledger.trained += sum(mask)
        return True

    def close(self) -> Ledger:
        for writer, count in ((self.train, self.ledger.examples), (self.val, self.ledger.val)):
            if count:
                writer.close()
            else:
                writer.abort()
        return self.ledger


def rows_of(job: Job, name: str, share: float, sink: Sink) -> Iterator[corpus.Row]:
    """The rows of one corpus file; none where it is absent."""
    path = job.corpus_dir / f"{name}.jsonl.xz"
    if not path.is_file():
        sink.ledger.notes[f"{name} absent"] += 1
        return
    for row in corpus.rows(path, share, job.seed):
        sink.ledger.notes[f"{name} rows"] += 1
        yield row


def shortened(messages: Sequence[Message], renderer: Renderer) -> tuple[Sequence[int], Sequence[bool]]:
    """As many of the last questions dropped as it takes to fit; the first stays."""
    done = renderer.render(messages)
    while len(done.ids) > MAX_TOKENS and len(messages) > 3:
        messages = messages[:-2]
        done = renderer.render(messages)
    return done.ids, done.mask
