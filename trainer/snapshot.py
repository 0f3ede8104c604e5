"""Checkpoints of a run: written beside and renamed, so a kill leaves a whole one.

`step-<n>.pt` holds all that resuming needs, the last two are kept; `best.pt` holds the
weights with the lowest held-out loss. Knows nothing of what is in them.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import torch

log = logging.getLogger(__name__)

KEEP = 2
BEST = "best.pt"


class SnapshotError(RuntimeError):
    """Checkpoints exist, but none of them can be read."""


def save(run_dir: Path, name: str, content: dict[str, Any]) -> Path:
    """Writes `content` under `name`, on disk before it takes the place of an older one."""
    run_dir.mkdir(parents=True, exist_ok=True)
    path, work = run_dir / name, run_dir / f".{name}.writing"
    with work.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    work.replace(path)
    return path


def save_step(run_dir: Path, step: int, content: dict[str, Any]) -> Path:
    """Writes a resumable checkpoint and drops all but the last `KEEP`."""
    path = save(run_dir, f"step-{step:08d}.pt", content)
    for old in steps(run_dir)[:-KEEP]:
        old.unlink(missing_ok=True)
    return path


def steps(run_dir: Path) -> list[Path]:
    """Resumable checkpoints, oldest first."""
    return sorted(run_dir.glob("step-*.pt"))


def load(path: Path) -> dict[str, Any]:
    """One checkpoint, tensors on the CPU; code in the file is never run."""
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content


def load_latest(run_dir: Path) -> dict[str, Any] | None:
    """The newest readable checkpoint; None when there are none.

    Raises:
        SnapshotError: there are some, all damaged.
    """
    found = steps(run_dir)
    for path in reversed(found):
        try:
            return load(path)
        except Exception as error:  # torch raises many kinds on a damaged file
            log.warning("checkpoint %s cannot be read (%s); trying an older one", path, error)
    if found:
        raise SnapshotError(f"no checkpoint in {run_dir} can be read; remove them to start anew")
    return None
