"""Versions of an adapter on disk: the live folder, and beside it those that were live before.

    adapters/
      style/                   live
      style@3fa9c1d07be2/      an earlier version, named by the first 12 digits of its weights' hash
      style@history.json       the hashes of the earlier versions, oldest first

Folders change places by renaming, so that a reader finds a whole version or none, and a change that
was cut short is put right by the next one. This module loads nothing: whoever serves the adapter reads
it again afterwards.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from engine.adapters import CONFIG, MANIFEST, WEIGHTS, open_adapter, read_manifest
from engine.errors import AdapterError, StorageError

log = logging.getLogger(__name__)

HASH_DIGITS = 12
KEEP = 5
"""Earlier versions that are kept; older ones are deleted."""


def versions(folder: Path) -> tuple[str, ...]:
    """Hashes of the earlier versions of `folder` that are still there, oldest first."""
    try:
        listed = json.loads(_history(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    return tuple(h for h in listed if isinstance(h, str) and _beside(folder, h).is_dir())


def current(folder: Path) -> str:
    """Hash of the live version; empty when there is none that can be read."""
    try:
        return read_manifest(folder).weights_hash[:HASH_DIGITS]
    except AdapterError:
        return ""


def install(folder: Path, fresh: Path, keep: int = KEEP) -> str:
    """Make the adapter in `fresh` the live one; the one before is kept beside it.

    Args:
        folder: the live adapter's, such as adapters/style; it need not be there yet.
        fresh: a whole adapter folder; it is copied.
        keep: earlier versions to keep.

    Returns:
        the new version's hash.

    Raises:
        AdapterError: `fresh` is no whole adapter.
        StorageError: the disk refuses; the live adapter is as it was.
    """
    new = open_adapter(fresh).manifest.weights_hash[:HASH_DIGITS]
    try:
        _mend(folder)
        old = current(folder)
        if old == new:
            return new
        draft = _beside(folder, "new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name in (WEIGHTS, CONFIG, MANIFEST):
            shutil.copy2(fresh / name, draft / name)
        earlier = [h for h in versions(folder) if h not in (old, new)]
        _set_aside(folder, old, [*earlier, old] if old else earlier)
        draft.rename(folder)
        _prune(folder, keep)
    except OSError as exc:
        raise StorageError(f"{folder} cannot be changed: {exc.strerror or exc}.") from exc
    return new


def rollback(folder: Path) -> tuple[str, str]:
    """Make the version before the live one live again; the one that was live is kept on disk.

    Returns:
        hash of the version that was live, and of the one that is now.

    Raises:
        AdapterError: there is no earlier version, or it is damaged.
        StorageError: the disk refuses.
    """
    try:
        _mend(folder)
        earlier = versions(folder)
        if not earlier:
            raise AdapterError(f"Adapter {folder.name} has no earlier version to go back to.")
        target = _beside(folder, earlier[-1])
        open_adapter(target)
        old = current(folder)
        _set_aside(folder, old, earlier)
        target.rename(folder)
        _write_history(folder, earlier[:-1])
    except OSError as exc:
        raise StorageError(f"{folder} cannot be changed: {exc.strerror or exc}.") from exc
    return old, earlier[-1]


def _set_aside(folder: Path, old: str, history: Sequence[str]) -> None:
    """Note the history, then move the live version away; what is cut short here is mended later."""
    _write_history(folder, history)
    if folder.is_dir():
        place = _beside(folder, old or "damaged")
        shutil.rmtree(place, ignore_errors=True)
        folder.rename(place)


def _mend(folder: Path) -> None:
    """Put the last version back where a change was cut short between two renames."""
    earlier = versions(folder)
    if not folder.exists() and earlier:
        log.warning("adapter %s was left without a live version; %s is put back", folder.name, earlier[-1])
        _beside(folder, earlier[-1]).rename(folder)
        _write_history(folder, earlier[:-1])


def _prune(folder: Path, keep: int) -> None:
    earlier = versions(folder)
    for old in earlier[: max(0, len(earlier) - keep)]:
        shutil.rmtree(_beside(folder, old), ignore_errors=True)
    _write_history(folder, versions(folder))


def _write_history(folder: Path, hashes: Sequence[str]) -> None:
    path = _history(folder)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(list(hashes)) + "\n", encoding="utf-8")
    draft.replace(path)


def _history(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}@history.json")


def _beside(folder: Path, version: str) -> Path:
    return folder.with_name(f"{folder.name}@{version}")
