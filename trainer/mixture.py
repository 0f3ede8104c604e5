"""Builds the starter model's token stores from the corpus and the skill generators.

`build` is deterministic for a seed: every store has its own random stream. It reports a ledger of
what went in, what came out and why the rest was left out. What goes into one store is
`trainer.storebuild`'s business.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from trainer import corpus
from trainer.storebuild import PROSE_SHARE, PROSE_TOKENS, SKILLS, STORES, run
from trainer.storesink import Job, Ledger, Sizes

__all__ = ["STORES", "Ledger", "Sizes", "build", "tokenizer_texts"]


def build(
    corpus_dir: Path,
    out_dir: Path,
    tokenizer: Any,
    seed: int = 0,
    sizes: Sizes | None = None,
    processes: int = 2,
    only: Sequence[str] = (),
    report: Callable[[str], None] = print,
) -> list[Ledger]:
    """All stores, or those named in `only`, into `out_dir`.

    Args:
        corpus_dir: folder of the corpus files; those that are absent are left out.
        tokenizer: a tokenizer with a chat template.
        seed: same seed, same stores.
        processes: 1 builds in this process.
        report: gets one ledger line for each store.
    """
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        names = [n for n in STORES if not only or n in only]
        jobs = [Job(n, corpus_dir, out_dir, Path(folder), seed, sizes or Sizes()) for n in names]
        out: list[Ledger] = []
        if processes == 1:
            results: Iterator[Ledger] = map(run, jobs)
            for ledger in results:
                report(str(ledger))
                out.append(ledger)
            return out
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            for ledger in pool.map(run, jobs):
                report(str(ledger))
                out.append(ledger)
        return out


def tokenizer_texts(corpus_dir: Path, seed: int = 0, cases: int = 12_000, rows: int = 2500) -> Iterator[str]:
    """A sample of everything that the model reads, for `train_tokenizer`."""
    rng = random.Random(f"{seed}:tokenizer")
    for make, weight in SKILLS:
        for _ in range(cases * weight // 100):
            yield "\n".join(f"{m.role}\n\n{m.content}" for m in make(rng).messages)
    for name in (*PROSE_TOKENS, *corpus.CHAT_FILES, "grounded_squad_part", "grounded_news_templates"):
        path = corpus_dir / f"{name}.jsonl.xz"
        if not path.is_file():
            continue
        share = PROSE_SHARE.get(name, 0.5 if name in corpus.CHAT_FILES else 1.0)
        for n, row in enumerate(corpus.rows(path, share, seed)):
            if n >= rows:
                break
            said = "\n".join(f"{m['role']}\n\n{m['content']}" for m in row.get("messages", ()))
            yield f"{said}\n{row.get('text', '')[:4000]}"
