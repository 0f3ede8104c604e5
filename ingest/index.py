"""Building the knowledge index beside the one that answers, and swapping them.

A build embeds only what is new, writes a collection of its own, checks it, and then moves the
pointer; a failure or a kill at any moment leaves the old collection serving. It runs on the thread
or in the process of its caller and embeds in small batches, so that a bot keeps answering.
This module knows nothing of questions or replies.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from engine.collection import (
    Live,
    OpenCollection,
    chroma_errors,
    close_client,
    open_client,
    read_live,
    write_live,
)
from engine.embedder import TextEmbedder, Vectors
from engine.errors import BusyError, RetrievalError
from ingest.chunks import MAX_WORDS
from ingest.documents import Document, Refusal, read_knowledge
from ingest.records import Record, fingerprint, headlines, make_records
from ingest.sweep import discard, home_name, sweep
from ingest.verify import verify_live

log = logging.getLogger(__name__)

EMBED_BATCH = 8  # texts a turn on the embedder's thread: a question waits for one turn at most
BATCH = 16  # chunks read or written at once: Chroma holds the interpreter's lock meanwhile
HNSW = {"space": "cosine", "max_neighbors": 32, "ef_construction": 200, "ef_search": 200}
"""Chroma's graph index, set for recall: many news items resemble each other, and a default graph
of such can lose some of them."""
LOCK = "build.lock"


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a build did. Every file of the knowledge folder is counted here or refused by name."""

    persona: str
    collection: str
    documents: int
    chunks: int
    embedded: int
    reused: int
    refused: tuple[Refusal, ...]
    seconds: float
    changed: bool = True
    """False when nothing had changed and the live collection was kept."""


def build_index(
    knowledge: Path,
    folder: Path,
    embedder: TextEmbedder,
    *,
    persona: str,
    url: str = "",
    max_words: int = MAX_WORDS,
    only_if_changed: bool = False,
    extra: Sequence[Document] = (),
) -> Ledger:
    """Index a knowledge folder and make it live. Blocks: call it on a thread of its own.

    Args:
        knowledge: what to read, see `ingest.documents`.
        folder: the persona's index folder (`engine.collection.index_folder`).
        embedder: whose vectors are stored.
        persona: its id; collections are named after it.
        url: a Chroma server; empty means embedded in `folder`.
        max_words: longest chunk.
        only_if_changed: keep the live collection when it already holds exactly this.
        extra: further documents, such as collected news; their ids differ from the folder's.

    Raises:
        BusyError: another build of this index is running.
        RetrievalError: nothing can be indexed, or the new collection fails its check; the old one
            goes on serving.
    """
    started = time.perf_counter()
    with _only_build(folder):
        documents, refused = read_knowledge(knowledge)
        documents = [*documents, *extra]
        for refusal in refused:
            log.warning("not indexed: %s %s", refusal.name, refusal.reason)
        digest = headlines(documents)
        stored = [*documents, digest] if digest else documents
        records = [record for document in stored for record in make_records(document, max_words)]
        if not records:
            raise RetrievalError(_nothing(knowledge, refused))
        new = _plan(persona, url, embedder.name, len(documents), records)
        live = _live_or_none(folder)
        changed = not (only_if_changed and live and _same(folder, live, new))
        embedded = _build(folder, new, live, records, embedder) if changed else 0
    seconds = time.perf_counter() - started
    name = new.collection if changed or live is None else live.collection
    log.info("collection %s is live: %d chunks, %d embedded, %.1f s", name, new.chunks, embedded, seconds)
    reused = new.chunks - embedded
    return Ledger(
        persona, name, new.documents, new.chunks, embedded, reused, tuple(refused), round(seconds, 2), changed
    )


# --- steps of a build ----------------------------------------------------------------------


@contextmanager
def _only_build(folder: Path) -> Iterator[None]:
    """Hold the index folder's lock; the system frees it when the process dies."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, timeout=0)
        lock.acquire()
    except Timeout as exc:
        raise BusyError("Another refresh of the index is running; try again when it has finished.") from exc
    except OSError as exc:
        raise RetrievalError(f"{folder} cannot be written ({exc}); check the disk and its rights.") from exc
    try:
        yield
    finally:
        lock.release()


def _nothing(knowledge: Path, refused: Sequence[Refusal]) -> str:
    why = "; ".join(f"{r.name} {r.reason}" for r in refused[:5])
    return f"{knowledge} holds nothing that can be indexed" + (
        f": {why}." if why else "; put documents there."
    )


def _plan(persona: str, url: str, embedder: str, documents: int, records: Sequence[Record]) -> Live:
    """The pointer of a new build; its name sorts by time and never repeats."""
    now = datetime.now(UTC)
    return Live(
        collection=f"{persona}-{now:%Y%m%d%H%M%S}-{secrets.token_hex(3)}",
        persona=persona,
        built_at=now.isoformat(timespec="seconds"),
        documents=documents,
        chunks=len(records),
        embedder=embedder,
        url=url,
        fingerprint=fingerprint(records, embedder),
    )


def _build(
    folder: Path, new: Live, live: Live | None, records: Sequence[Record], embedder: TextEmbedder
) -> int:
    """Write the new collection, check it, swap the pointer, sweep; returns how many were embedded."""
    known = _known_vectors(folder, live, new.embedder)
    try:
        embedded = _write(folder, new, records, known, embedder)
        checked = verify_live(folder, new)
        if not checked.ok:
            raise RetrievalError(f"The new index failed its check: {'; '.join(checked.problems)}.")
        write_live(folder, new)
    except BaseException:
        discard(folder, new)
        raise
    sweep(folder, new)
    return embedded


def _live_or_none(folder: Path) -> Live | None:
    with suppress(RetrievalError):
        return read_live(folder)
    return None


def _same(folder: Path, live: Live, new: Live) -> bool:
    """Whether the live collection already holds what the new one would, and can be opened."""
    if (live.fingerprint, live.url) != (new.fingerprint, new.url):
        return False
    try:
        OpenCollection(folder, live).close()
    except RetrievalError as exc:
        log.warning("the live index is rebuilt: %s", exc)
        return False
    return True


def _known_vectors(folder: Path, live: Live | None, embedder: str) -> dict[str, Any]:
    """Vectors of the live collection by digest; a broken one only costs embedding anew."""
    if live is None or live.embedder != embedder:
        return {}
    known: dict[str, Any] = {}
    try:
        collection = OpenCollection(folder, live)
        try:
            for start in range(0, live.chunks, BATCH):
                with chroma_errors("reading back its vectors"):
                    rows = collection.chroma.get(
                        limit=BATCH, offset=start, include=["embeddings", "metadatas"]
                    )
                vectors = np.asarray(rows["embeddings"], dtype=np.float32)
                known |= {str(m["digest"]): v for m, v in zip(rows["metadatas"], vectors, strict=True)}
        finally:
            collection.close()
    except RetrievalError as exc:
        log.warning("no vectors are reused: %s", exc)
        return {}
    return known


def _write(
    folder: Path, new: Live, records: Sequence[Record], known: dict[str, Any], embedder: TextEmbedder
) -> int:
    """Create and fill the new collection; returns how many chunks had to be embedded."""
    client = open_client(folder, new.url, new.collection)
    try:
        with chroma_errors(f"writing {new.collection}"):
            chroma = client.create_collection(
                new.collection,
                embedding_function=None,
                configuration={"hnsw": HNSW},
                metadata={"persona": new.persona, "home": home_name(folder)},
            )
        embedded = 0
        for start in range(0, len(records), BATCH):
            batch = records[start : start + BATCH]
            missing = {r.digest: r.embedded_text for r in batch if r.digest not in known}
            known |= zip(missing, _embed(embedder, list(missing.values())), strict=True)
            embedded += len(missing)
            with chroma_errors(f"writing {new.collection}"):
                chroma.add(
                    ids=[r.id for r in batch],
                    embeddings=np.stack([known[r.digest] for r in batch]),
                    documents=[r.text for r in batch],
                    metadatas=[r.meta for r in batch],
                )
    finally:
        close_client(client)
    return embedded


def _embed(embedder: TextEmbedder, texts: Sequence[str]) -> list[Vectors]:
    vectors: list[Vectors] = []
    for start in range(0, len(texts), EMBED_BATCH):
        vectors.extend(embedder.embed_now(texts[start : start + EMBED_BATCH]))
    return vectors
