"""Which rows a collection holds, kept beside it, so that the next build can tell what changed.

Reading it takes a tenth of a second where asking Chroma for the same takes seconds. This module
knows nothing of Chroma or vectors.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.collection import Live
from engine.errors import RetrievalError
from ingest.records import Record

log = logging.getLogger(__name__)

FILE = "rows.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A collection's rows."""

    form: str
    """How it was stored; collections of two forms are never mixed."""
    churn: int
    """Rows removed or put in since the graph was built whole."""
    rows: dict[str, tuple[str, str]]
    """Of each id: digest of what was embedded, hash of all that was stored."""

    @classmethod
    def of(cls, records: Sequence[Record], form: str, churn: int = 0) -> Manifest:
        """What a collection of these records holds."""
        return cls(form, churn, {r.id: (r.digest, r.row) for r in records})


@dataclass(frozen=True, slots=True)
class Changes:
    """From one collection to the next."""

    gone: tuple[str, ...]
    """Ids to remove; a changed row is removed, too."""
    put: tuple[Record, ...]

    @property
    def churn(self) -> int:
        """How many rows they touch."""
        return max(len(self.gone), len(self.put))


def changes(before: Manifest, records: Sequence[Record]) -> Changes:
    """What must be written to get from a collection to these records."""
    put = [r for r in records if before.rows.get(r.id, ("", ""))[1] != r.row]
    kept = {r.id for r in records} - {r.id for r in put}
    return Changes(tuple(id_ for id_ in before.rows if id_ not in kept), tuple(put))


def write_manifest(folder: Path, collection: str, manifest: Manifest) -> None:
    """Write it into the collection's own folder, with which it goes.

    Raises:
        RetrievalError: the disk is full or read-only.
    """
    path = folder / collection / FILE
    data = {"form": manifest.form, "churn": manifest.churn, "rows": manifest.rows}
    try:
        path.write_text(json.dumps(data), encoding="utf-8")
    except OSError as exc:
        raise RetrievalError(f"{path} cannot be written ({exc}); check the disk and its rights.") from exc


def read_manifest(folder: Path, live: Live | None) -> Manifest | None:
    """The live collection's rows; None where they are not known, which only costs time."""
    if live is None or live.url:
        return None
    path = folder / live.collection / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        rows = {str(id_): (str(digest), str(row)) for id_, (digest, row) in data["rows"].items()}
        manifest = Manifest(str(data["form"]), int(data["churn"]), rows)
    except FileNotFoundError:
        return None  # built before manifests were
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        log.warning("%s is damaged (%s): the next index is built whole", path, type(exc).__name__)
        return None
    return manifest if len(rows) == live.chunks else None
