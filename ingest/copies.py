"""Files of an embedded collection: a copy of the live one to change, and a flush before the swap.

Chroma fills its graph and its text index row by row; a copy of the files takes a hundredth of that
time. The live collection is only read. This module knows nothing of rows.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from engine.collection import REBUILD
from engine.errors import RetrievalError
from ingest.manifest import FILE

DATABASE = "chroma.sqlite3"


def copy_collection(folder: Path, live: str, new: str) -> None:
    """Copy a collection's files under another name.

    The database is copied by SQLite itself, so that a reader or a writer beside cannot tear it.

    Raises:
        RetrievalError: it is missing or broken, or the disk is full; nothing of it stays behind
            that the caller's `discard` does not remove.
    """
    source, target = folder / live, folder / new
    try:
        shutil.copytree(source, target, ignore=_database)
        address = f"file:{(source / DATABASE).as_posix()}?mode=ro"
        with (
            closing(sqlite3.connect(address, uri=True, timeout=30.0)) as old,
            closing(sqlite3.connect(target / DATABASE)) as copy,
        ):
            old.backup(copy)
    except (OSError, sqlite3.Error) as exc:
        raise RetrievalError(f"{source} cannot be copied ({exc}); {REBUILD}.") from exc


def flush(folder: Path, collection: str) -> None:
    """Wait until a collection is on the disk, so that a power cut after the swap loses nothing.

    Raises:
        RetrievalError: the disk failed.
    """
    root = folder / collection
    try:
        for path in (*root.rglob("*"), root):
            if os.name == "nt" and path.is_dir():
                continue  # Windows cannot flush folders
            handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    except OSError as exc:
        raise RetrievalError(f"{root} cannot be written ({exc}); check the disk and its rights.") from exc


def _database(_: str, names: list[str]) -> set[str]:
    return {name for name in names if name.startswith(DATABASE) or name == FILE}
