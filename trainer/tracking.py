"""A training's events for TensorBoard (by default) and Weights & Biases (by flag).

    run_dir/tensorboard/<phase>/events.out.tfevents.*      loss/step, loss/train, loss/held_out, …

Each phase is a run of its own with the same names of curves, so that they lie over one another. A
resumed phase replaces what was told behind its checkpoint. Counts and losses are told, never a text of
the data. This module knows nothing of models or how the events come about.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from trainer.events import Event

log = logging.getLogger(__name__)

_STEP = {"loss": "loss/step", "lr": "lr", "tokens_per_s": "tokens_per_s", "memory_mb": "memory_mb"}
_EPOCH = {"train_loss": "loss/train", "eval_loss": "loss/held_out"}
_PLAIN = ("recipe", "base", "quantization", "rows", "trained", "held_out", "refused", "processes")


def scalars(event: Event) -> dict[str, float]:
    """The curves' points in a step or an epoch."""
    names = _STEP if event["kind"] == "step" else _EPOCH if event["kind"] == "epoch" else {}
    return {tag: float(event[key]) for key, tag in names.items()}


class TensorBoardObserver:
    """Event files that `tensorboard --logdir RUN_DIR` shows.

    Args:
        run_dir: the run's folder.

    Raises:
        ConfigError: tensorboard is not installed.
    """

    def __init__(self, run_dir: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as exc:
            raise ConfigError(
                "TensorBoard is not installed; pip install 'understudy[train]', or give --no-tensorboard."
            ) from exc
        self._make: Any = SummaryWriter
        self._folder = run_dir / "tensorboard"
        self._writer: Any = None
        self._step = 0

    def event(self, event: Event) -> None:
        """Write its points."""
        kind = event["kind"]
        if kind == "run" and not event["resumed"]:
            for old in self._folder.glob("*/events.out.tfevents.*"):
                old.unlink()
        elif kind == "phase":
            self.close()
            self._step = int(event["step"])
            # points that an earlier process told behind the checkpoint are not shown
            purge = self._step + 1 if any((self._folder / event["phase"]).glob("events.*")) else None
            self._writer = self._make(str(self._folder / event["phase"]), purge_step=purge)
            if not self._step:
                self._writer.add_scalar("loss/held_out", event["start_loss"], 0)
        elif kind == "end":
            self.close()
        if self._writer is not None and kind in ("step", "epoch"):
            self._step = int(event.get("step", self._step)) if kind == "step" else self._step
            for tag, value in scalars(event).items():
                self._writer.add_scalar(tag, value, self._step)
            if kind == "epoch":
                self._writer.flush()

    def close(self) -> None:
        """Write what is left; may be called again."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class WandbObserver:
    """A run at Weights & Biases; WANDB_MODE=offline keeps it in the run's folder.

    Args:
        project: its name there.
        run_dir: the run's folder; a resumed run goes on under the same id.

    Raises:
        ConfigError: wandb is not installed.
    """

    def __init__(self, project: str, run_dir: Path) -> None:
        try:
            import wandb
        except ImportError as exc:
            raise ConfigError(
                "--wandb needs the wandb package, which is not installed: pip install 'understudy[wandb]'."
            ) from exc
        self._wandb: Any = wandb
        self._project, self._run_dir = project, run_dir
        self._run: Any = None
        self._failed = False

    def event(self, event: Event) -> None:
        """Tell it. Only a run that cannot begin raises; later faults are logged once.

        Raises:
            ConfigError: W&B refuses to begin (no login, no network).
        """
        if event["kind"] == "run":
            self._begin(event)
            return
        if self._run is None or self._failed:
            return
        try:
            self._tell(event)
        except Exception as exc:  # the client raises errors of many libraries
            self._failed = True
            log.warning("W&B gets no more of this run (%s); the training goes on.", type(exc).__name__)

    def _begin(self, event: Event) -> None:
        try:
            self._run_dir.mkdir(parents=True, exist_ok=True)
            self._run = self._wandb.init(
                project=self._project,
                name=f"{event['recipe']} {self._run_dir.name}",
                id=self._id(resumed=bool(event["resumed"])),
                resume="allow",
                dir=str(self._run_dir),
                config={key: event[key] for key in _PLAIN if key in event},
                settings={"console": "off", "disable_git": True, "disable_code": True},
            )
            for phase in event.get("phases", ()):
                self._run.define_metric(f"{phase}/*", step_metric=f"{phase}/step")
        except Exception as exc:
            raise ConfigError(
                f"W&B would not begin a run ({type(exc).__name__}): run `wandb login` or set WANDB_API_KEY, "
                "or set WANDB_MODE=offline."
            ) from exc

    def _tell(self, event: Event) -> None:
        points = {f"{event.get('phase')}/{tag}": value for tag, value in scalars(event).items()}
        if event["kind"] == "step":
            points[f"{event['phase']}/step"] = event["step"]
        if points:
            self._run.log(points)
        if event["kind"] == "end":
            for phase in event["phases"]:
                self._run.summary.update(_summary(phase))
            self.close()

    def close(self) -> None:
        """End the run there; may be called again."""
        if self._run is not None:
            self._run.finish()
            self._run = None

    def _id(self, *, resumed: bool) -> str:
        path = self._run_dir / "wandb-id"
        if resumed and path.is_file():
            return path.read_text(encoding="utf-8").strip()
        made = hashlib.sha256(f"{self._run_dir.resolve()} {time.time_ns()}".encode()).hexdigest()[:16]
        path.write_text(made, encoding="utf-8")
        return made


def _summary(phase: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in W&B's table of runs."""
    best = min([phase["start_loss"], *phase["eval_loss"]])
    name = phase["phase"]
    told = {f"{name}/best_loss": best, f"{name}/best_epoch": phase["best_epoch"]}
    return {**told, f"{name}/weights_hash": phase["weights_hash"]}
