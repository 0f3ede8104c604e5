"""What a training tells while it runs, and two who listen: events.jsonl and a progress bar.

    {"kind": "run",   "recipe", "base", "rows", "trained", "held_out", "refused", "resumed", …}
              also "refusals", "warnings", "hashes", "plan" (the recipe), "out", "command", "started"
    {"kind": "phase", "phase", "parameters", "epochs", "total_steps", "packed", "start_loss", …}
    {"kind": "step",  "phase", "epoch", "step", "total_steps", "loss", "lr", "tokens", "tokens_per_s",
                      "elapsed_s", "memory_mb"}
    {"kind": "epoch", "phase", "epoch", "epochs", "train_loss", "eval_loss"}
    {"kind": "end",   "seconds", "phases"}

Steps and epochs count from 1, losses are nats per trained token, tokens are trained ones since the
phase began. After a resume the steps behind the checkpoint are told again; the later line holds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

Event = Mapping[str, Any]


class Observer(Protocol):
    """Is told every event, in order, by the training's thread; should be quick and never raise."""

    def event(self, event: Event) -> None:
        """One of the objects above."""
        ...


class JsonlObserver:
    """Appends every event to a file, a line each."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def event(self, event: Event) -> None:
        """Write it at once, so that another process can follow."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(event), ensure_ascii=False) + "\n")


class ProgressBar:
    """A bar on stderr with loss, tokens/s and the time left; silent where stderr is no terminal."""

    def __init__(self) -> None:
        self._bar: Any = None

    def event(self, event: Event) -> None:
        """Move the bar; each phase has its own."""
        kind = event["kind"]
        if kind in ("phase", "end") and self._bar is not None:
            self._bar.close()
            self._bar = None
        if kind == "phase":
            self._bar = tqdm(
                total=event["total_steps"], initial=event["step"], desc=event["phase"], unit="step",
                file=sys.stderr, disable=None,
            )  # fmt: skip
        elif kind == "step" and self._bar is not None:
            self._bar.set_postfix_str(
                f"loss {event['loss']:.3f}, {event['tokens_per_s']:,.0f} tok/s", refresh=False
            )
            self._bar.update(event["step"] - self._bar.n)


def read_events(path: Path) -> list[dict[str, Any]]:
    """The events of a run, each step and epoch once; a line that was cut by a kill is left out."""
    found: dict[object, dict[str, Any]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        at = event.get("step") if event["kind"] == "step" else event.get("epoch")
        key: object = (event["kind"], event.get("phase"), at) if at is not None else number
        found.pop(key, None)
        found[key] = event
    return list(found.values())
