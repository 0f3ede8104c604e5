"""Bits per byte of held-out prose: the served model beside an n-gram table of the same size.

Held out are the rows that training keeps out by their own text (`trainer.corpus.kept_out`); the
table is trained on the others, with the model's own tokens. A baseline of GPT-2's architecture is
not trained here: it would cost as much as the model itself.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.prompt import Renderer
from trainer import corpus
from trainer.evaluation.session import Session

FILES = (
    "prose_wikipedia_en",
    "prose_gutenberg",
    "news_wikinews_en",
    "persona_twain_franklin",
    "prose_openstax",
)
"""OneStopEnglish is left out: it tells each article three times, and rows are held out one by one."""
WINDOW = 512  # tokens
HELD_OUT_BYTES = 32_000  # of each file
ROW_BYTES = 4_000  # of each held-out row
CHARS_PER_TOKEN = 4  # about
NGRAM_TOKENS = 12_000_000  # of all files together, about
LIMITED_TOKENS = 1_000_000  # with --limit
PIECE_ROWS = 64
LN2 = math.log(2.0)


@dataclass(frozen=True, slots=True)
class Text:
    """Held-out windows of one file."""

    name: str
    windows: tuple[tuple[int, ...], ...]
    size_bytes: int


async def bits_per_byte(
    session: Session, folder: Path, *, limit: int | None, say: Callable[[str], None]
) -> dict[str, Any]:
    """Model and n-gram on the same held-out bytes.

    Args:
        session: started; the base model without adapters is scored.
        folder: the corpus.
        limit: windows of each file's held-out text; the n-gram then reads LIMITED_TOKENS.
        say: told what is being read.
    """
    renderer = session.renderer
    texts = [t for t in (held_out(folder, name, renderer, limit) for name in FILES) if t.windows]
    if not texts:
        return {"n": 0}
    windows = [window for text in texts for window in text.windows]
    scores: list[float] = []

    async def score(_: int, window: tuple[int, ...]) -> float:
        return -sum(await session.worker.score(window))

    async for nats in session.each("prose", windows, score):
        scores.append(nats)
    size = model_bytes(Path(session.config.model_ref))
    budget = NGRAM_TOKENS if limit is None else LIMITED_TOKENS
    say(f"Training the n-gram baseline, {size / 1e6:.0f} MB, on up to {budget / 1e6:g} M tokens …")
    train = list(training_windows(folder, renderer, budget))
    total = sum(t.size_bytes for t in texts)
    sums = _sums(texts, scores)
    report: dict[str, Any] = {
        "bits_per_byte": sum(scores) / LN2 / total,
        "n": len(windows),
        "bytes": total,
        "model_bytes": size,
        "by_file": {t.name: nats / LN2 / t.size_bytes for t, nats in zip(texts, sums, strict=True)},
    }
    return report | _baseline(train, texts, len(renderer.tokenizer), size)


def held_out(folder: Path, name: str, renderer: Renderer, limit: int | None) -> Text:
    """Windows of a file's kept-out rows, taken evenly from all of it, about HELD_OUT_BYTES."""
    texts = [text for text, kept_out in _texts(folder / f"{name}.jsonl.xz") if kept_out]
    step = max(1, len(texts) * ROW_BYTES // HELD_OUT_BYTES)
    windows: list[tuple[int, ...]] = []
    size = 0
    for text in texts[::step]:
        if limit is not None and len(windows) >= limit:
            break
        safe = renderer.safe(text[:ROW_BYTES])
        windows += cut(ids_of(renderer, [safe])[0], start_id(renderer))
        size += len(safe.encode())
    return Text(name, tuple(windows), size)


def training_windows(folder: Path, renderer: Renderer, budget: int) -> Iterator[tuple[int, ...]]:
    """Windows of kept-in rows, taken evenly from all of each file, about an equal share from each."""
    start, share = start_id(renderer), budget * CHARS_PER_TOKEN // len(FILES)
    for name in FILES:
        path = folder / f"{name}.jsonl.xz"
        total = sum(len(text) for text, kept_out in _texts(path) if not kept_out)
        rng = random.Random(name)
        waiting: list[str] = []
        for text, kept_out in _texts(path):
            if not kept_out and rng.random() * total < share:
                waiting.append(renderer.safe(text))
            if len(waiting) == PIECE_ROWS:
                yield from (window for ids in ids_of(renderer, waiting) for window in cut(ids, start))
                waiting.clear()
        yield from (window for ids in ids_of(renderer, waiting) for window in cut(ids, start))


def _texts(path: Path) -> Iterator[tuple[str, bool]]:
    """A file's rows as texts, and whether training keeps them out; none where it is absent."""
    for row in corpus.rows(path) if path.is_file() else ():
        parts = corpus.paragraphs(row)
        if parts:
            yield "\n".join(parts) + "\n", corpus.kept_out(parts[0])


def ids_of(renderer: Renderer, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of texts; none are too long here, since they are cut afterwards."""
    if not texts:
        return []
    logging.getLogger("transformers").setLevel(logging.ERROR)
    ids: list[list[int]] = renderer.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    return ids


def cut(ids: Sequence[int], start: int) -> list[tuple[int, ...]]:
    """Windows of WINDOW tokens, each with the start token before it."""
    step = WINDOW - 1
    return [(start, *ids[at : at + step]) for at in range(0, len(ids), step)]


def start_id(renderer: Renderer) -> int:
    """The tokenizer's start token, or the end token of one that has none."""
    tokenizer = renderer.tokenizer
    found = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return int(found)


def model_bytes(folder: Path) -> int:
    """Bytes of the weights on disk; 64 MB for a model that is no folder."""
    return sum(p.stat().st_size for p in folder.glob("*.safetensors")) or 64_000_000


def _baseline(
    train: Sequence[Sequence[int]], texts: Sequence[Text], vocab_size: int, size: int
) -> dict[str, Any]:
    from trainer.evaluation.ngram import Ngram

    order = 4
    while (vocab_size - 1).bit_length() * order > 62:
        order -= 1
    model = Ngram(train, vocab_size, size, order)
    nats = [-sum(float(model.log_probabilities(w).sum()) for w in t.windows) for t in texts]
    return {
        "ngram_bits_per_byte": sum(nats) / LN2 / sum(t.size_bytes for t in texts),
        "ngram_order": order,
        "ngram_bytes": model.size_bytes,
        "ngram_tokens": sum(map(len, train)),
        "ngram_by_file": {t.name: n / LN2 / t.size_bytes for t, n in zip(texts, nats, strict=True)},
    }


def _sums(texts: Sequence[Text], scores: Sequence[float]) -> list[float]:
    """Scores of windows added up by file."""
    sums, at = [], 0
    for text in texts:
        sums.append(sum(scores[at : at + len(text.windows)]))
        at += len(text.windows)
    return sums
