"""The live collection: the pointer that names it, and how Chroma is opened.

Embedded, every build has a folder of its own inside the index folder, so nobody ever writes where
somebody reads, and a deleted build takes its files with it. On a server, builds are collections.
Either way `live.json` names the one that answers. This module knows nothing of scores or documents.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.errors import RetrievalError, UnderstudyError

POINTER = "live.json"
REBUILD = "run `understudy index build`"
_opening = threading.Lock()  # Chroma's table of open folders is not safe to fill from two threads

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Live:
    """What live.json says."""

    collection: str
    persona: str
    built_at: str
    """ISO time in UTC."""
    documents: int
    chunks: int
    embedder: str
    url: str = ""
    """The Chroma server that holds it; empty: a folder beside live.json."""
    fingerprint: str = ""
    """Hash of all that was indexed; equal means that nothing changed."""


def index_folder(data_path: Path, persona_id: str) -> Path:
    """Where a persona's index lives inside the data folder."""
    return data_path / "index" / persona_id


def stamp(folder: Path) -> Stamp | None:
    """Changes whenever live.json was swapped; None while there is none."""
    try:
        status = os.stat(folder / POINTER)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def read_live(folder: Path) -> Live:
    """The collection that answers now.

    Raises:
        RetrievalError: live.json is missing or damaged.
    """
    path = folder / POINTER
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Live(**{f.name: data[f.name] for f in fields(Live)})
    except FileNotFoundError as exc:
        raise RetrievalError(f"There is no knowledge index yet; {REBUILD}.") from exc
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise RetrievalError(f"{path} is damaged ({type(exc).__name__}); {REBUILD}.") from exc


def write_live(folder: Path, live: Live) -> None:
    """Swap the pointer: a reader, or a crash at any moment, sees the old one or the new one.

    Raises:
        RetrievalError: the folder cannot be written.
    """
    path, draft = folder / POINTER, folder / f"{POINTER}.new"
    try:
        with draft.open("w", encoding="utf-8") as file:
            json.dump(asdict(live), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as exc:
        raise RetrievalError(f"{path} cannot be written ({exc}); check the disk and its rights.") from exc


@contextmanager
def chroma_errors(doing: str, mend: str = REBUILD) -> Iterator[None]:
    """Map whatever Chroma raises, its Rust core's panics included, to RetrievalError."""
    try:
        yield
    except UnderstudyError:
        raise
    except BaseException as exc:
        if not isinstance(exc, Exception) and type(exc).__name__ != "PanicException":
            raise
        why = " ".join(str(exc).split())[:200] or type(exc).__name__
        raise RetrievalError(f"The knowledge index failed while {doing} ({why}); {mend}.") from exc


def open_client(folder: Path, url: str, collection: str) -> Any:
    """A Chroma client for one build: its own folder, or the server.

    Args:
        folder: the persona's index folder.
        url: a Chroma server; empty means embedded.
        collection: the build's name, which is also its folder's.

    Raises:
        RetrievalError: the folder or the server cannot be opened.
    """
    mend = "check that the server of retriever.url runs" if url else REBUILD
    with chroma_errors(f"opening {url or folder / collection}", mend), _opening:
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False)
        if not url:
            return chromadb.PersistentClient(str(folder / collection), settings=settings)
        parts = urlsplit(url)
        ssl = parts.scheme == "https"
        port = parts.port or (443 if ssl else 8000)
        return chromadb.HttpClient(host=parts.hostname or "", port=port, ssl=ssl, settings=settings)


def close_client(client: Any) -> None:
    """Release a client; Chroma counts its users, so other clients of the folder live on."""
    with chroma_errors("closing"), _opening:
        client.close()


class OpenCollection:
    """The collection that a pointer names, opened for reading.

    Args:
        folder: the persona's index folder.
        live: the pointer.

    Raises:
        RetrievalError: its folder, server or collection is missing or broken.
    """

    def __init__(self, folder: Path, live: Live) -> None:
        self.live = live
        if not live.url and not (folder / live.collection / "chroma.sqlite3").is_file():
            raise RetrievalError(f"The collection {live.collection} is missing; {REBUILD}.")
        self._client = open_client(folder, live.url, live.collection)
        try:
            with chroma_errors(f"opening the collection {live.collection}"):
                # None: we bring our own vectors, so Chroma's default model is never fetched.
                self.chroma: Any = self._client.get_collection(live.collection, embedding_function=None)
        except RetrievalError:
            self.close()
            raise

    def close(self) -> None:
        """Release it. Idempotent."""
        client, self._client = self._client, None
        if client is not None:
            close_client(client)
