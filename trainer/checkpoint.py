"""Where a run stands: one safetensors file whose header holds the position as JSON. No pickles.

The file is replaced whole or not at all, so a kill at any moment leaves the last checkpoint. A run
goes on only with the recipe, data, persona and base that it began with.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.errors import InputError

FILE = "state.safetensors"
_FORMAT = 1


@dataclass(slots=True)
class RunState:
    """What is done, and how far the phase at work is."""

    fingerprint: dict[str, str]
    """Hashes of everything that may not change between a kill and the resume."""
    finished: list[dict[str, Any]] = field(default_factory=list)
    """Reports of the phases that are done."""
    done: bool = False
    phase: str = ""
    """The phase of `position`; empty before its first checkpoint."""
    position: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)


class Checkpoints:
    """The state file of one run.

    Args:
        folder: the run's.
        minutes: between checkpoints inside an epoch.
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        self._path = folder / FILE
        self._seconds = minutes * 60
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last checkpoint is older than it should be."""
        return time.monotonic() - self._last >= self._seconds

    def load(self) -> RunState | None:
        """The state on disk; None where there is none.

        Raises:
            InputError: it is damaged.
        """
        from safetensors import SafetensorError, safe_open

        if not self._path.is_file():
            return None
        try:
            with safe_open(str(self._path), framework="pt") as file:
                told = json.loads(file.metadata()["state"])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 no mapping
            if told.pop("format") != _FORMAT:
                raise ValueError("it was written by another version")
            return RunState(**told, tensors=tensors)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as exc:
            raise InputError(f"{self._path} cannot be resumed ({exc}); start anew with --fresh.") from exc

    def save(self, state: RunState) -> None:
        """Write the state in place of the last one."""
        from safetensors.torch import save_file

        told = {
            "format": _FORMAT,
            "fingerprint": state.fingerprint,
            "finished": state.finished,
            "done": state.done,
            "phase": state.phase,
            "position": state.position,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".tmp")
        tensors = {key: value.detach().cpu().contiguous() for key, value in state.tensors.items()}
        save_file(tensors, str(draft), metadata={"state": json.dumps(told)})
        draft.replace(self._path)
        self._last = time.monotonic()


def check_same(state: RunState, fingerprint: Mapping[str, str], folder: Path) -> None:
    """Refuse to go on with other things than the run began with.

    Raises:
        InputError: names what has changed.
    """
    keys = sorted(set(fingerprint) | set(state.fingerprint))
    changed = [key for key in keys if state.fingerprint.get(key) != fingerprint.get(key)]
    if changed:
        raise InputError(
            f"The unfinished run in {folder} began with another {', '.join(changed)}; put it back to go "
            "on, or start anew with --fresh."
        )
