"""Writing result files: all of them whole, or none changed.

Knows nothing of what is in them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from engine.errors import StorageError


def write_files(texts: Mapping[Path, str]) -> None:
    """Write every text beside its place first, then put them in place in order.

    Raises:
        StorageError: a folder or the disk refuses; files not yet in place are as they were.
    """
    drafts: list[tuple[str, Path]] = []
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            drafts.append((draft, path))
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(draft, 0o666 & ~_umask())
        while drafts:
            draft, path = drafts[0]
            os.replace(draft, path)
            drafts.pop(0)
    except OSError as exc:
        raise StorageError(f"{exc.filename or 'A result file'} cannot be written: {exc.strerror}.") from exc
    finally:
        for draft, _ in drafts:
            Path(draft).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
