"""Pretraining of the small starter model: stores in, checkpoints and logs out.

`pretrain(config)` resumes by itself from what it finds in `run_dir`. One optimizer step is:
draw a batch, sum gradients over its rows, clip, move. Knows nothing of tokenizers or text.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trainer import snapshot
from trainer.journal import Journal
from trainer.llama import Llama, ModelShape
from trainer.pretrain_config import ModelSection, PretrainConfig
from trainer.pretrain_run import PretrainError, Run

__all__ = ["PretrainConfig", "PretrainError", "PretrainResult", "load_model", "pretrain"]

log = logging.getLogger(__name__)

_FAR = 1e9


@dataclass(frozen=True, slots=True)
class PretrainResult:
    """How a call of `pretrain` ended."""

    step: int
    tokens: int  # read over all resumes
    minutes: float  # of training over all resumes
    loss: float  # of the last step, nats a trained token
    eval_loss: float | None  # the last, weighted over stores
    best_eval: float | None
    finished: bool  # False: stopped by a signal or by `stop_after_steps`


def load_model(path: Path | str) -> Llama:
    """The model in one checkpoint file, such as `run_dir / "best.pt"`, in fp32 on the CPU."""
    saved = snapshot.load(Path(path))
    shape: ModelShape = ModelSection(**saved["config"]["model"]).shape()
    model = Llama(shape)
    model.load_state_dict(saved["model"])
    return model


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, while inside; a no-op off the main thread."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    kinds = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(kind, lambda *_: stop.set()) for kind in kinds]
    try:
        yield stop
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


def pretrain(
    config: PretrainConfig, *, quiet: bool = False, stop_after_steps: int | None = None
) -> PretrainResult:
    """Trains until the budget is used or a signal comes, going on from `run_dir`.

    Args:
        config: the run.
        quiet: no progress bar.
        stop_after_steps: ends this call, with a checkpoint, after so many steps.

    Returns:
        Where the run stands; call again with the same `run_dir` when not finished.

    Raises:
        PretrainError: stores are missing, the loss is not finite, or `run_dir` holds
            another model.
        SnapshotError: `run_dir` holds only damaged checkpoints.
    """
    run = Run(config)
    saved = snapshot.load_latest(config.run_dir)
    if saved is not None:
        run.restore(saved)
        log.info("going on at step %d, %d tokens", run.progress.step, run.progress.tokens)
    else:
        run.start()
    journal = Journal(run, quiet)
    try:
        with stop_signals() as stop:
            return _loop(run, journal, stop, stop_after_steps)
    finally:
        journal.close()


def _loop(run: Run, journal: Journal, stop: threading.Event, stop_after_steps: int | None) -> PretrainResult:
    """1 step; 2 log; 3 evaluate; 4 checkpoint; until the budget is used."""
    config, p = run.config, run.progress
    first, clock = p.step, time.monotonic()
    next_eval = p.seconds + 60 * config.eval_minutes
    next_save = p.seconds + 60 * config.checkpoint_minutes
    while p.share(config) < 1.0 and not stop.is_set():
        if stop_after_steps is not None and p.step - first >= stop_after_steps:
            break
        loss = run.step()
        if loss != loss or abs(loss) > _FAR:
            raise PretrainError(f"the loss is {loss} at step {p.step}; lower the rates and resume")
        now = time.monotonic()
        p.seconds, clock = p.seconds + now - clock, now
        journal.tick()
        if p.step % config.log_steps == 0:
            journal.step()
        if p.seconds >= next_eval:
            _evaluate(run, journal)
            next_eval = p.seconds + 60 * config.eval_minutes
        if p.seconds >= next_save:
            snapshot.save_step(config.run_dir, p.step, run.snapshot())
            next_save = p.seconds + 60 * config.checkpoint_minutes
    finished = p.share(config) >= 1.0
    if finished:
        _evaluate(run, journal)
    snapshot.save_step(config.run_dir, p.step, run.snapshot())
    return PretrainResult(p.step, p.tokens, p.seconds / 60, p.loss, p.eval_loss, p.best_eval, finished)


def _evaluate(run: Run, journal: Journal) -> None:
    losses, p = run.evaluate(), run.progress
    if not losses:
        return
    journal.eval(losses)
    log.info("held-out loss at step %d: %s", p.step, losses)
    p.eval_loss = losses["mean"]
    if p.best_eval is None or p.eval_loss < p.best_eval:
        p.best_eval = p.eval_loss
        content = {k: v for k, v in run.snapshot().items() if k in ("config", "model", "progress")}
        snapshot.save(run.config.run_dir, snapshot.BEST, content)
