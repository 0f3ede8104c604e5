"""How far a running trainer is, read from what it writes: events.jsonl, else lines of its log.

Nothing is asked of the trainer, and what it did not write is left out.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

TAIL_BYTES = 64_000
KEYS = (
    "phase", "epoch", "epochs", "step", "total_steps", "loss", "eval_loss", "start_loss",
    "tokens_per_s", "elapsed_s",
)  # fmt: skip
_EPOCH = re.compile(
    r"^(?P<phase>[a-z0-9_-]+) epoch (?P<epoch>\d+)(?:/(?P<epochs>\d+))?: "
    r"train (?P<loss>[\d.naif]+), held out (?P<eval_loss>[\d.naif]+)"
)


def read_progress(folder: Path, log_path: Path) -> dict[str, Any]:
    """The newest value of every number that is known.

    Args:
        folder: where the trainer writes; events.jsonl may be anywhere below.
        log_path: the trainer's stderr.
    """
    events = sorted(folder.rglob("events.jsonl"), key=lambda p: p.stat().st_mtime, reverse=True)
    if events and (found := _of_events(_tail(events[0]))):
        return found
    return _of_log(_tail(log_path))


def _of_events(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    steps: list[tuple[float, float]] = []  # step and second of the phase that runs
    for line in text.splitlines():
        event: object = None
        with suppress(ValueError):  # the first line may be cut, the last half written
            event = json.loads(line)
        if not isinstance(event, dict):
            continue
        if event.get("phase", "") != found.get("phase", ""):
            steps.clear()
        found |= {k: event[k] for k in KEYS if isinstance(event.get(k), int | float | str)}
        if event.get("kind") == "step":
            steps.append((float(event.get("step", 0)), float(event.get("elapsed_s", 0))))
    left = float(found.get("total_steps", 0)) - float(found.get("step", 0))
    if len(steps) > 1 and left >= 0 and steps[-1][0] > steps[0][0]:
        pace_s = (steps[-1][1] - steps[0][1]) / (steps[-1][0] - steps[0][0])
        # of this phase; how long a later one takes is not known yet
        found["eta_s"] = round(left * pace_s, 1)
    return found


def _of_log(text: str) -> dict[str, Any]:
    for line in reversed(text.replace("\r", "\n").split("\n")):
        if match := _EPOCH.match(line.strip()):
            found: dict[str, Any] = {"phase": match["phase"], "epoch": int(match["epoch"])}
            if match["epochs"]:
                found["epochs"] = int(match["epochs"])
            with suppress(ValueError):
                found |= {"loss": float(match["loss"]), "eval_loss": float(match["eval_loss"])}
            return found
    return {}


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
