"""Vectors of records: read back from the live collection, from a build that was stopped, or embedded.

What is embedded is kept in a file until the build is done, so that a build that was stopped goes
on where it was. This module knows nothing of how a collection is written.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from os import SEEK_END
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.collection import Live, OpenCollection, chroma_errors
from engine.embedder import TextEmbedder
from engine.errors import RetrievalError
from ingest.manifest import Manifest
from ingest.records import Record

log = logging.getLogger(__name__)

Vector = NDArray[np.float32]
Progress = Callable[[str, int, int], None]
"""Told what is being done, how many are done and of how many."""

EMBED_BATCH = 16  # texts a turn on the embedder's thread: a question waits for one turn at most
ROWS = 64  # chunks read or written at once: Chroma holds the interpreter's lock for about 90 ms
HEAD = 4  # bytes in which the journal says how wide its vectors are
UNIT = 1e-2  # vectors have length 1; what differs by more was torn by a crash


class Journal:
    """The vectors of builds that were not finished: a width, then rows of digest and vector.

    Args:
        folder: the index folder.
        embedder: whose vectors; each has a file of its own.
    """

    def __init__(self, folder: Path, embedder: str) -> None:
        name = hashlib.sha256(embedder.encode()).hexdigest()[:8]
        self._path = folder / f"vectors-{name}.part"

    def read(self) -> dict[str, Vector]:
        """What is there by digest; a torn end is left out."""
        try:
            data = self._path.read_bytes()
        except OSError:
            return {}
        dtype = self._dtype(int.from_bytes(data[:HEAD], "little"))
        count = max(0, len(data) - HEAD) // dtype.itemsize
        rows = np.frombuffer(data, dtype, count, HEAD if count else 0)
        whole = abs(np.linalg.norm(rows["vector"], axis=1) - 1.0) < UNIT
        return {row["digest"].decode("ascii", "replace"): row["vector"] for row in rows[whole]}

    def append(self, digests: Sequence[str], vectors: Vector) -> None:
        """Keep embedded vectors (N, D). Raises RetrievalError when the disk is full."""
        rows = np.empty(len(digests), self._dtype(vectors.shape[1]))
        rows["digest"] = [digest.encode() for digest in digests]
        rows["vector"] = vectors
        head = vectors.shape[1].to_bytes(HEAD, "little")
        try:
            self._path.touch()
            with self._path.open("r+b") as file:
                if file.read(HEAD) != head:
                    file.truncate(0)  # new, or of a model that was replaced under the same name
                    file.seek(0)
                    file.write(head)
                end = file.seek(0, SEEK_END)
                file.seek(end - (end - HEAD) % rows.dtype.itemsize)  # over a torn row
                file.write(rows.tobytes())
        except OSError as exc:
            raise RetrievalError(f"{self._path} cannot be written ({exc}); check the disk.") from exc

    def forget(self) -> None:
        """The build is done."""
        self._path.unlink(missing_ok=True)

    @staticmethod
    def _dtype(width: int) -> np.dtype[Any]:
        return np.dtype([("digest", "S32"), ("vector", "<f4", (width,))])


def gather(
    folder: Path,
    live: Live | None,
    manifest: Manifest | None,
    records: Sequence[Record],
    embedder: TextEmbedder,
    progress: Progress,
) -> tuple[dict[str, Vector], int]:
    """The vector of each record by digest, and how many had to be embedded.

    Args:
        folder: the index folder.
        live: the collection that answers now; its vectors are reused when they are the embedder's.
        manifest: what it holds, where that is known.
        records: whose vectors are wanted.
        embedder: embeds the rest.
        progress: told how far that is.

    Raises:
        RetrievalError: the embedder failed, or the disk is full.
    """
    wanted = {record.digest: record.embedded_text for record in records}
    known: dict[str, Vector] = {}
    if live is not None and live.embedder == embedder.name:
        known = _known(folder, live, manifest, wanted.keys())
    journal = Journal(folder, embedder.name)
    if len(known) < len(wanted):
        known |= journal.read()
    # Texts of about one length are embedded together: none is filled up to a much longer one.
    missing = sorted((d for d in wanted if d not in known), key=lambda d: len(wanted[d]))
    for start in range(0, len(missing), EMBED_BATCH):
        digests = missing[start : start + EMBED_BATCH]
        vectors = embedder.embed_now([wanted[d] for d in digests])
        journal.append(digests, vectors)
        known |= zip(digests, vectors, strict=True)
        progress("embedding", start + len(digests), len(missing))
    return known, len(missing)


def forget_unfinished(folder: Path, embedder: str) -> None:
    """Drop what stopped builds left, after one that went well."""
    Journal(folder, embedder).forget()


def _known(folder: Path, live: Live, manifest: Manifest | None, wanted: Iterable[str]) -> dict[str, Vector]:
    """Vectors of the live collection; a broken one only costs embedding anew."""
    ids: list[str] = []
    if manifest is not None:
        at = {digest: id_ for id_, (digest, _) in manifest.rows.items()}
        ids = [at[digest] for digest in wanted if digest in at]
        if not ids:
            return {}
    try:
        collection = OpenCollection(folder, live)
        try:
            pages: Iterable[dict[str, Any]] = (
                ({"ids": ids[start : start + ROWS]} for start in range(0, len(ids), ROWS))
                if ids
                else ({"limit": ROWS, "offset": start} for start in range(0, live.chunks, ROWS))
            )
            return {digest: vector for page in pages for digest, vector in _page(collection, page)}
        finally:
            collection.close()
    except RetrievalError as exc:
        log.warning("no vectors are reused: %s", exc)
        return {}


def _page(collection: OpenCollection, page: dict[str, Any]) -> list[tuple[str, Vector]]:
    with chroma_errors("reading back its vectors"):
        rows = collection.chroma.get(**page, include=["embeddings", "metadatas"])
    vectors = np.asarray(rows["embeddings"], dtype=np.float32)
    return [(str(m["digest"]), v) for m, v in zip(rows["metadatas"], vectors, strict=True)]
