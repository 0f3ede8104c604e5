"""What a pretraining run tells: log.jsonl, TensorBoard and the progress bar on stderr."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from trainer.pretrain_run import Run

log = logging.getLogger(__name__)


def _board(run_dir: Path) -> Any:
    """TensorBoard's writer, or None where the `train` extra is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.warning("no tensorboard installed; scalars go to log.jsonl only")
        return None
    return SummaryWriter(str(run_dir / "tensorboard"), flush_secs=30)


class Journal:
    """log.jsonl, TensorBoard and the progress bar of one run."""

    def __init__(self, run: Run, quiet: bool) -> None:
        run_dir = run.config.run_dir
        run_dir.mkdir(parents=True, exist_ok=True)
        self._run = run
        self._file = (run_dir / "log.jsonl").open("a", encoding="utf-8", buffering=1)
        self._board: Any = _board(run_dir) if run.config.tensorboard else None
        self._bar = tqdm(
            total=1.0,
            initial=run.progress.share(run.config),
            disable=quiet,
            bar_format="{percentage:3.1f}%|{bar}| {elapsed}<{remaining} {postfix}",
        )
        self._mark = (run.progress.tokens, run.progress.seconds)

    def step(self) -> None:
        """Writes the training scalars since the last call."""
        p = self._run.progress
        tokens, seconds = self._mark
        speed = (p.tokens - tokens) / max(1e-9, p.seconds - seconds)
        self._mark = (p.tokens, p.seconds)
        values = {"loss": p.loss, "lr": self._run.lr_share(), "tokens_per_s": speed}
        if self._run.guide_loss is not None:
            values["guide_loss"] = self._run.guide_loss
        self._write("train", values)
        self._bar.set_postfix_str(f"step {p.step} loss {p.loss:.3f} {speed:,.0f} tok/s")

    def tick(self) -> None:
        """Moves the bar."""
        self._bar.update(self._run.progress.share(self._run.config) - self._bar.n)

    def eval(self, losses: Mapping[str, float]) -> None:
        self._write("eval", dict(losses))

    def _write(self, kind: str, values: Mapping[str, float]) -> None:
        p = self._run.progress
        line = {"kind": kind, "step": p.step, "tokens": p.tokens, "elapsed_s": round(p.seconds, 2)}
        rounded = {name: round(value, 5) for name, value in values.items()}
        self._file.write(json.dumps(line | rounded) + "\n")
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{kind}/{name}", value, p.step)

    def close(self) -> None:
        self._bar.close()
        self._file.close()
        if self._board is not None:
            self._board.close()
