"""Building the knowledge index beside the one that answers, and swapping them.

A build embeds only what is new. Where little changed it copies the live collection's files and
writes the changes into the copy, else it writes a collection from nothing; either way it checks the
new one and then moves the pointer. A failure or a kill at any moment leaves the old collection
serving. It runs on the thread or in the process of its caller, in small batches, so that a bot
keeps answering. This module knows nothing of questions or replies.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from engine.chunks import Chunking
from engine.collection import (
    Live,
    OpenCollection,
    chroma_errors,
    close_client,
    open_client,
    read_live,
    write_live,
)
from engine.embedder import TextEmbedder
from engine.errors import BusyError, RetrievalError
from engine.word_pieces import word_pieces
from ingest.copies import copy_collection, flush
from ingest.documents import Document, Refusal, read_knowledge
from ingest.manifest import Changes, Manifest, changes, read_manifest, write_manifest
from ingest.records import Record, fingerprint, headlines, make_records
from ingest.sweep import discard, home_name, sweep
from ingest.vectors import ROWS, Progress, Vector, forget_unfinished, gather
from ingest.verify import verify_live

log = logging.getLogger(__name__)

HNSW = {"space": "cosine", "max_neighbors": 32, "ef_construction": 200, "ef_search": 200}
"""Chroma's graph index, set for recall: many news items resemble each other, and a default graph
of such can lose some of them."""
MAX_CHURN = 0.2
"""Part of a collection's rows that may be put in by changes before the graph is built anew: removed
rows stay in it as dead ends."""
TITLE_TOKENS = 56
"""Room for a document's title, which is embedded with each of its chunks."""
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


def _silent(_doing: str, _done: int, _of: int) -> None:
    """Progress that nobody watches."""


def build_index(
    knowledge: Path,
    folder: Path,
    embedder: TextEmbedder,
    *,
    persona: str,
    url: str = "",
    chunking: Chunking | None = None,
    only_if_changed: bool = False,
    extra: Sequence[Document] = (),
    progress: Progress = _silent,
    must_recall: bool = True,
) -> Ledger:
    """Index a knowledge folder and make it live. Blocks: call it on a thread of its own.

    Args:
        knowledge: what to read, see `ingest.documents`.
        folder: the persona's index folder (`engine.collection.index_folder`).
        embedder: whose vectors are stored.
        persona: its id; collections are named after it.
        url: a Chroma server; empty means embedded in `folder`.
        chunking: how long chunks are; the default is the chunker's.
        only_if_changed: keep the live collection when it already holds exactly this, and change a
            copy of it when it holds nearly this; else it is written whole, whatever it holds.
        extra: further documents, such as collected news; their ids differ from the folder's.
        progress: told how far it is.
        must_recall: False: an index whose chunks do not all find themselves is told in the log and
            goes live, since an evaluation measures what it finds.

    Raises:
        BusyError: another build of this index is running.
        RetrievalError: nothing can be indexed, or the new collection fails its check; the old one
            goes on serving.
    """
    started = time.perf_counter()
    size = chunking or Chunking()
    with _only_build(folder):
        documents, refused = read_knowledge(knowledge)
        documents = [*documents, *extra]
        for refusal in refused:
            log.warning("not indexed: %s %s", refusal.name, refusal.reason)
        digest = headlines(documents)
        stored = [*documents, digest] if digest else documents
        lengths = word_pieces(embedder.name)
        _check_size(size, embedder.name, lengths.max_tokens)
        records = [record for document in stored for record in make_records(document, size, lengths)]
        if not records:
            raise RetrievalError(_nothing(knowledge, refused))
        form = json.dumps([embedder.name, HNSW])
        new = _plan(persona, url, embedder.name, len(documents), len(records))
        new = replace(new, fingerprint=fingerprint(records, f"{form} {size.name}"))
        live = _live_or_none(folder)
        changed = not (only_if_changed and live and _same(folder, live, new))
        how = _How(form, only_if_changed, must_recall, progress)
        embedded = _build(folder, new, live, records, embedder, how) if changed else 0
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


def _check_size(size: Chunking, embedder: str, max_tokens: int) -> None:
    """Refuse chunks whose end the embedder would not read."""
    limit = max_tokens - TITLE_TOKENS
    if max_tokens and size.chunk_tokens > limit:
        raise RetrievalError(
            f"index.chunk_tokens is {size.chunk_tokens}, but {embedder} reads {max_tokens} tokens with the "
            f"title; allowed: {limit} or less."
        )


def _nothing(knowledge: Path, refused: Sequence[Refusal]) -> str:
    why = "; ".join(f"{r.name} {r.reason}" for r in refused[:5])
    return f"{knowledge} holds nothing that can be indexed" + (
        f": {why}." if why else "; put documents there."
    )


def _plan(persona: str, url: str, embedder: str, documents: int, chunks: int) -> Live:
    """The pointer of a new build; its name sorts by time and never repeats."""
    now = datetime.now(UTC)
    return Live(
        collection=f"{persona}-{now:%Y%m%d%H%M%S}-{secrets.token_hex(3)}",
        persona=persona,
        built_at=now.isoformat(timespec="seconds"),
        documents=documents,
        chunks=chunks,
        embedder=embedder,
        url=url,
    )


@dataclass(frozen=True, slots=True)
class _How:
    """How a build goes about its work."""

    form: str
    """What the collection is built with."""
    may_copy: bool
    must_recall: bool
    progress: Progress


def _build(
    folder: Path, new: Live, live: Live | None, records: Sequence[Record], embedder: TextEmbedder, how: _How
) -> int:
    """Write the new collection, check it, swap the pointer, sweep; returns how many were embedded."""
    before = read_manifest(folder, live)
    step = _small_step(new, before, records, how.form) if how.may_copy else None
    embedded = 0
    try:
        if live is not None and before is not None and step is not None:
            vectors, embedded = gather(folder, live, before, step.put, embedder, how.progress)
            try:
                _change(folder, new, live, step, vectors, how.progress)
                _check(folder, new, records, how, step.put)
            except RetrievalError as exc:
                log.warning("the index is built whole, since a changed copy failed: %s", exc)
                discard(folder, new)
                step = None
        if step is None:
            vectors, more = gather(folder, live, before, records, embedder, how.progress)
            embedded += more
            _fill(folder, new, records, vectors, how.progress)
            _check(folder, new, records, how)
        if not new.url:
            churn = before.churn + step.churn if before and step else 0
            write_manifest(folder, new.collection, Manifest.of(records, how.form, churn))
            flush(folder, new.collection)
        write_live(folder, new)
    except BaseException:
        discard(folder, new)
        raise
    forget_unfinished(folder, embedder.name)
    sweep(folder, new)
    return embedded


def _small_step(new: Live, before: Manifest | None, records: Sequence[Record], form: str) -> Changes | None:
    """What to change in a copy of the live collection; None where a new one is better."""
    if before is None or new.url or before.form != form:
        return None
    step = changes(before, records)
    return step if before.churn + step.churn <= MAX_CHURN * len(records) else None


def _check(
    folder: Path, new: Live, records: Sequence[Record], how: _How, fresh: Sequence[Record] = ()
) -> None:
    """Raises RetrievalError when the new collection is not what it should be."""
    checked = verify_live(folder, new, {r.id for r in records}, [r.id for r in fresh])
    for problem in checked.problems:
        if how.must_recall or problem not in checked.unrecalled:
            raise RetrievalError(f"The new index failed its check: {'; '.join(checked.problems)}.")
        log.warning("the new index: %s", problem)


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


def _fill(
    folder: Path,
    new: Live,
    records: Sequence[Record],
    vectors: Mapping[str, Vector],
    progress: Progress,
) -> None:
    """Create the new collection and write all records."""
    client = open_client(folder, new.url, new.collection)
    try:
        with chroma_errors(f"writing {new.collection}"):
            chroma = client.create_collection(
                new.collection,
                embedding_function=None,
                configuration={"hnsw": HNSW},
                metadata={"persona": new.persona, "home": home_name(folder)},
            )
            _add(chroma, records, vectors, progress)
    finally:
        close_client(client)


def _change(
    folder: Path,
    new: Live,
    live: Live,
    step: Changes,
    vectors: Mapping[str, Vector],
    progress: Progress,
) -> None:
    """Copy the live collection and write the changes into the copy."""
    copy_collection(folder, live.collection, new.collection)
    client = open_client(folder, "", new.collection)
    try:
        with chroma_errors(f"writing {new.collection}"):
            chroma = client.get_collection(live.collection, embedding_function=None)
            chroma.modify(name=new.collection)
            for start in range(0, len(step.gone), ROWS):
                chroma.delete(ids=list(step.gone[start : start + ROWS]))
            _add(chroma, step.put, vectors, progress)
    finally:
        close_client(client)


def _add(chroma: Any, records: Sequence[Record], vectors: Mapping[str, Vector], progress: Progress) -> None:
    for start in range(0, len(records), ROWS):
        batch = records[start : start + ROWS]
        chroma.add(
            ids=[r.id for r in batch],
            embeddings=np.stack([vectors[r.digest] for r in batch]),
            documents=[r.text for r in batch],
            metadatas=[r.meta for r in batch],
        )
        progress("writing", start + len(batch), len(records))
