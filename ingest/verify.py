"""Checks and numbers of an index that was built. Reads only.

This module knows nothing of how an index is built or of what was left out of it.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.collection import Live, OpenCollection, chroma_errors, read_live

SAMPLE = 40  # chunks asked for themselves when an index is checked
MIN_RECALL = 0.95  # the graph index is approximate; a broken one loses far more
UNRECALLED = "chunks do not find themselves"
TIES = 3  # chunks that begin alike may have equal vectors; if more do, the embedder is broken
TIE_DISTANCE = 1e-5  # cosine distance of vectors that count as equal


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether an index holds what its pointer says."""

    collection: str
    expected: int
    chunks: int
    sampled: int
    recalled: int
    """Sampled chunks that found themselves at rank 1."""
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """No problem was found."""
        return not self.problems

    @property
    def unrecalled(self) -> tuple[str, ...]:
        """Those of the problems that are only about chunks which do not find themselves."""
        return tuple(problem for problem in self.problems if problem.endswith(UNRECALLED))


@dataclass(frozen=True, slots=True)
class Stats:
    """The live index in numbers."""

    live: Live
    disk_bytes: int
    dated: int
    """Chunks with a publication date."""
    oldest: str
    newest: str


def index_stats(folder: Path) -> Stats:
    """Numbers of the live index.

    Raises:
        RetrievalError: it is missing or cannot be opened.
    """
    live = read_live(folder)
    collection = OpenCollection(folder, live)
    try:
        with chroma_errors("reading its numbers"):
            metas = collection.chroma.get(include=["metadatas"])["metadatas"]
    finally:
        collection.close()
    dates = sorted(str(m["published_at"]) for m in metas if m.get("published_at"))
    size = sum(p.stat().st_size for p in (folder / live.collection).rglob("*") if p.is_file())
    return Stats(live, size, len(dates), dates[0] if dates else "", dates[-1] if dates else "")


def verify_index(folder: Path) -> Verification:
    """Check the live index.

    Raises:
        RetrievalError: it is missing or cannot be opened.
    """
    return verify_live(folder, read_live(folder))


def verify_live(
    folder: Path, live: Live, expected: Set[str] = frozenset(), fresh: Sequence[str] = ()
) -> Verification:
    """Count a collection and let a sample of its chunks find themselves.

    Args:
        folder: the persona's index folder.
        live: its pointer.
        expected: the ids that it should hold; empty where they are not known.
        fresh: ids that were just put in; as many of them are sampled, too.
    """
    collection = OpenCollection(folder, live)
    try:
        with chroma_errors("checking itself"):
            count = int(collection.chroma.count())
            ids = collection.chroma.get(include=[])["ids"]
            held = set(ids)
            picked = list(dict.fromkeys([*_sample(sorted(ids)), *(i for i in _sample(fresh) if i in held)]))
            recalled = _recall(collection.chroma, picked)
    finally:
        collection.close()
    problems = []
    if count != live.chunks:
        problems.append(f"it holds {count} chunks of {live.chunks}")
    if expected and held != expected:
        problems.append(f"{len(expected - held)} chunks are missing, {len(held - expected)} are foreign")
    if recalled < MIN_RECALL * len(picked):
        problems.append(f"{len(picked) - recalled} of {len(picked)} {UNRECALLED}")
    return Verification(live.collection, live.chunks, count, len(picked), recalled, tuple(problems))


def _sample(ids: Sequence[str]) -> Sequence[str]:
    return ids[:: max(1, len(ids) // SAMPLE)]


def _recall(chroma: Any, ids: Sequence[str]) -> int:
    """How many chunks are the best match of their own vector, or one of a few equally good ones."""
    recalled = 0
    for id_ in ids:  # one at a time: Chroma holds the interpreter's lock while it answers
        stored = chroma.get(ids=[id_], include=["embeddings"])
        found = chroma.query(query_embeddings=stored["embeddings"], n_results=TIES, include=["distances"])
        hits, distances = found["ids"][0], found["distances"][0]
        best = [hit for hit, far in zip(hits, distances, strict=True) if far <= distances[0] + TIE_DISTANCE]
        recalled += id_ in best
    return recalled
