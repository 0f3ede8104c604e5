"""Keeps pairs whose answer is about what was said, by the retriever's own embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.embedder import Embedder
from ingest.command import with_progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.jsonl import Row

BATCH = 256


def on_topic(rows: Sequence[Row], least: float) -> list[Row]:
    """The rows whose last turn and answer have a cosine of at least `least`, in their order.

    In novels many an answer has nothing to do with the words before it, and a small model that learns of
    such answers learns to ramble.

    Raises:
        RetrievalError: the embedding model cannot be loaded.
    """
    embedder = Embedder()
    kept: list[Row] = []
    try:
        starts = range(0, len(rows), BATCH)
        for start in with_progress(starts, "comparing"):
            part = rows[start : start + BATCH]
            said = np.asarray(embedder.embed_now([row["instruction"][-1] for row in part]))
            answers = np.asarray(embedder.embed_now([row["response"] for row in part]))
            cosine = (said * answers).sum(axis=1)  # the vectors are of unit length
            kept += [row for row, c in zip(part, cosine, strict=True) if c >= least]
    finally:
        embedder.close()
    return kept
