"""Removing collections that do not answer: the old one after a swap, and what killed builds left.

Only collections of one persona and one index folder are touched, on disk or on a shared server.
This module knows nothing of what a collection holds.
"""

from __future__ import annotations

import logging
import re
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from engine.collection import REBUILD, Live, chroma_errors, close_client, open_client
from engine.errors import RetrievalError

log = logging.getLogger(__name__)

HOME = "home"


def discard(folder: Path, new: Live) -> None:
    """Remove a build that will not go live; what cannot be removed now is swept by the next one."""
    try:
        _remove(folder, new.url, [new.collection])
    except RetrievalError as exc:
        log.warning("an unfinished collection stays behind: %s", exc)


def sweep(folder: Path, live: Live) -> None:
    """Remove this persona's other collections: the old one and what killed builds left."""
    build = re.compile(re.escape(live.persona) + r"-\d{14}-[0-9a-f]{6}")
    old = [
        p.name
        for p in folder.iterdir()
        if p.is_dir() and build.fullmatch(p.name) and p.name != live.collection
    ]
    try:
        _remove(folder, "", old)
        if live.url:
            client = open_client(folder, live.url, live.collection)
            try:
                with chroma_errors("listing collections"):
                    own = {"persona": live.persona, "home": home_name(folder)}
                    there = [
                        c.name for c in client.list_collections() if own.items() <= (c.metadata or {}).items()
                    ]
            finally:
                close_client(client)
            _remove(folder, live.url, [name for name in there if name != live.collection])
    except RetrievalError as exc:
        log.warning("an old collection stays behind: %s", exc)


def _remove(folder: Path, url: str, names: Sequence[str]) -> None:
    if not url:
        for name in names:
            shutil.rmtree(folder / name, ignore_errors=True)
        return
    client = open_client(folder, url, "")
    try:
        for name in names:
            with chroma_errors(f"deleting {name}"):
                client.delete_collection(name)
    finally:
        close_client(client)


def home_name(folder: Path) -> str:
    """A lasting random name of this index folder, so that two hosts can share one server."""
    path = folder / HOME
    try:
        if not path.is_file():
            path.write_text(secrets.token_hex(8), encoding="ascii")
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise RetrievalError(f"{path} cannot be read or written ({exc}); delete it and {REBUILD}.") from exc
