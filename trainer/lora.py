"""One phase of adapter training: the loop over epochs, steps and micro-batches.

Loss is taken on the final response's tokens alone. The best epoch by held-out loss is kept. Every
step seeds its own randomness, so a run that was killed goes on to the same weights. This module
knows nothing of personas, files or chat templates; `keeper` stores where it stands.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from engine.errors import ModelError
from trainer import packattention
from trainer.attach import adapter_hash, attach, trained_parameters
from trainer.batching import Layout
from trainer.evaluating import eval_mode, evaluate, mean_loss
from trainer.events import Observer
from trainer.losses import summed_loss
from trainer.masters import MasterAdamW
from trainer.memory import peak_memory_mb
from trainer.pairs import Example
from trainer.phase import Keeper, PhaseReport, Position
from trainer.processes import Processes
from trainer.recipe import Phase, Recipe

__all__ = ["PhaseReport", "adapter_hash", "attach", "evaluate", "train_phase"]

NOT_A_NUMBER = "was not a number"


def train_phase(
    model: Any,
    phase: Phase,
    recipe: Recipe,
    train: Sequence[Example],
    held_out: Sequence[Example],
    pad_id: int,
    progress: Callable[[str], None] = lambda _: None,
    *,
    fresh: Callable[[int], Sequence[Example]] = lambda _: (),
    observers: Sequence[Observer] = (),
    keeper: Keeper | None = None,
    processes: Processes | None = None,
) -> PhaseReport:
    """Train the adapter named `phase.name` in place and leave its best epoch loaded.

    Args:
        model: the PeftModel that `attach` returned.
        train, held_out: rendered examples.
        fresh: what to train beside in an epoch (from 0): as many in each, none longer than the window.
        pad_id: token used for padding.
        progress: told one line after each epoch.
        observers: told every event.
        keeper: keeps checkpoints; None: a killed phase begins anew.
        processes: of `accelerate launch`; found by themselves when left out.

    Raises:
        ModelError: the loss was not a number before any epoch got better.
    """
    loop = _Loop(model, phase, recipe, train, fresh, held_out, pad_id, progress, observers, keeper, processes)
    with loop.ready():
        return loop.run()


class _Loop:
    def __init__(
        self,
        model: Any,
        phase: Phase,
        recipe: Recipe,
        train: Sequence[Example],
        fresh: Callable[[int], Sequence[Example]],
        held_out: Sequence[Example],
        pad_id: int,
        progress: Callable[[str], None],
        observers: Sequence[Observer],
        keeper: Keeper | None,
        processes: Processes | None,
    ) -> None:
        self.model, self.phase, self.recipe = model, phase, recipe
        self.train, self.fresh = train, fresh
        shown = [*train, *(beside := fresh(0))]
        self.progress, self.observers, self.keeper = progress, observers, keeper
        self.processes = processes or Processes()
        longest = max(len(e) for e in (*shown, *held_out))
        window = recipe.max_length if beside else longest  # of later epochs' too
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        plain = not phase.learns_prompt and not train[0].source
        self.packed = recipe.packing and plain and packattention.can_pack(base, window)
        self.base = base
        mean = sum(map(len, shown)) / len(shown)
        most = max(longest, math.ceil(recipe.batch_size * mean))
        # The varying-length kernels, CUDA's and the CPU's bfloat16 one, know no shared start.
        share = model.device.type == "cpu" and base.dtype == torch.float32
        self.layout = Layout(recipe.batch_size, pad_id, most if self.packed else 0, share)
        self.held_out = self.layout.batches(self.processes.share(held_out))
        self.optimizer = MasterAdamW(trained_parameters(model), phase.learning_rate, phase.weight_decay)
        self.per_step = recipe.batch_size * recipe.accumulation
        self.steps_per_epoch = math.ceil(len(shown) / self.per_step)
        self.total_steps = self.steps_per_epoch * phase.epochs
        self.warmup = min(phase.warmup_steps, self.total_steps // 4)
        self.at = Position()
        self.best_weights: dict[str, Tensor] = {}

    # --- the phase, from the top ------------------------------------------------------------

    @contextmanager
    def ready(self) -> Iterator[None]:
        """The model as training needs it, and as it was afterwards."""
        checkpointing = self.recipe.gradient_checkpointing and self.phase.method != "prefix"
        if checkpointing:
            self.base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        try:
            with packattention.packing(self.base) if self.packed else nullcontext():
                yield
        finally:
            if checkpointing:
                self.base.gradient_checkpointing_disable()
            eval_mode(self.model)

    def run(self) -> PhaseReport:
        """All epochs that are left."""
        self._begin()
        while self.at.epoch < self.phase.epochs and not self.at.stop_reason:
            if self._epoch():
                self._judge()
        if self.at.stop_reason.endswith(NOT_A_NUMBER) and not self.at.best_epoch:
            raise ModelError(f"Phase {self.phase.name}: {self.at.stop_reason}; lower its learning_rate.")
        self._load(self.best_weights)
        return self._report()

    def _begin(self) -> None:
        kept = self.keeper.resume() if self.keeper else None
        if kept:
            position, tensors = kept
            self.at = Position(**position)
            self.best_weights = _named(tensors, "best.")
            self.optimizer.restore(_named(tensors, "adam."))
        else:
            self.at.start_loss = self.at.best = self._evaluate()
            self.best_weights = self._snapshot()
        self._tell(
            kind="phase",
            phase=self.phase.name,
            parameters=sum(p.numel() for p in self.optimizer.parameters.values()),
            epochs=self.phase.epochs,
            step=self.at.epoch * self.steps_per_epoch + self.at.step,
            total_steps=self.total_steps,
            packed=self.packed,
            start_loss=self.at.start_loss,
        )

    def _epoch(self) -> bool:
        """The rest of an epoch; False when the loss was not a number."""
        shown = [*self.train, *self.fresh(self.at.epoch)]
        random.Random(f"{self.recipe.seed}/{self.at.epoch}").shuffle(shown)
        self.model.train()
        while self.at.step < self.steps_per_epoch:
            first = self.at.step * self.per_step
            if not self._step(shown[first : first + self.per_step]):
                return False
            if self.keeper and self.keeper.due and self.at.step < self.steps_per_epoch:
                self._keep()
        return True

    def _step(self, examples: Sequence[Example]) -> bool:
        began = time.perf_counter()
        number = self.at.epoch * self.steps_per_epoch + self.at.step
        torch.manual_seed(_seed(self.recipe.seed, self.phase.name, number, self.processes.index))
        trained = sum(e.trained for e in examples)
        total = torch.zeros((), device=self.model.device)
        share = self.processes.share(sorted(examples, key=len))
        for batch in self.layout.batches(share):
            loss, _ = summed_loss(self.model, batch)
            # Divided by the step's tokens, not by micro-batches, so short replies weigh no more.
            (loss / trained).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        loss_sum = float(self.processes.sum(total))
        if not math.isfinite(loss_sum):
            self._stop(f"the loss of step {number + 1} {NOT_A_NUMBER}")
            return False
        self.processes.sum_gradients(self.optimizer.parameters.values())
        rate = cosine_rate(number, self.warmup, self.total_steps)
        self.optimizer.step(rate)
        self._count(loss_sum, trained, time.perf_counter() - began, number + 1, rate)
        return True

    def _count(self, loss_sum: float, trained: int, seconds: float, number: int, rate: float) -> None:
        at = self.at
        at.step += 1
        at.loss += loss_sum
        at.seen += trained
        at.tokens += trained
        at.seconds += seconds
        self._tell(
            kind="step",
            phase=self.phase.name,
            epoch=at.epoch + 1,
            step=number,
            total_steps=self.total_steps,
            loss=loss_sum / trained,
            lr=self.phase.learning_rate * rate,
            tokens=at.tokens,
            tokens_per_s=round(trained / seconds, 1),
            elapsed_s=round(at.seconds, 3),
            memory_mb=peak_memory_mb(self.model.device),
        )

    def _judge(self) -> None:
        """An epoch is over: evaluate, keep it if it is the best, decide whether to go on."""
        at, name = self.at, self.phase.name
        at.train_losses.append(at.loss / at.seen)
        at.eval_losses.append(loss := self._evaluate())
        at.epoch, at.step, at.loss, at.seen = at.epoch + 1, 0, 0.0, 0
        wanted = self.phase.keep == "last" and loss <= at.best * self.recipe.divergence  # not: no number
        if loss < at.best or wanted:
            at.best, at.best_epoch, self.best_weights = min(at.best, loss), at.epoch, self._snapshot()
        train = at.train_losses[-1]
        self._tell(
            kind="epoch",
            phase=name,
            epoch=at.epoch,
            epochs=self.phase.epochs,
            train_loss=train,
            eval_loss=loss,
        )
        self.progress(f"{name} epoch {at.epoch}: train {train:.4f}, held out {loss:.4f}")
        if reason := self._reason(loss):
            self._stop(reason)
        if self.keeper:
            self._keep()

    def _reason(self, loss: float) -> str:
        """Why to stop after an epoch with this held-out loss; empty to go on."""
        at, factor = self.at, self.recipe.divergence
        if not math.isfinite(loss):
            return f"the held-out loss of epoch {at.epoch} {NOT_A_NUMBER}"
        if loss > at.best * factor:
            return (
                f"the held-out loss of epoch {at.epoch}, {loss:.3f}, is more than {factor} times the best, "
                f"{at.best:.3f}"
            )
        if self.recipe.patience and at.epoch - at.best_epoch >= self.recipe.patience:
            return f"no epoch after epoch {at.best_epoch} was better"
        return ""

    def _stop(self, reason: str) -> None:
        self.at.stop_reason = reason
        self.progress(f"{self.phase.name} stopped: {reason}")

    # --- parts --------------------------------------------------------------------------------

    def _evaluate(self) -> float:
        return mean_loss(self.model, self.held_out, self.processes)

    def _snapshot(self) -> dict[str, Tensor]:
        return {name: p.detach().clone() for name, p in self.optimizer.parameters.items()}

    @torch.no_grad()
    def _load(self, weights: Mapping[str, Tensor]) -> None:
        for name, parameter in self.optimizer.parameters.items():
            parameter.copy_(weights[name])

    def _keep(self) -> None:
        assert self.keeper is not None
        position = {name: getattr(self.at, name) for name in Position.__slots__}
        best = {f"best.{name}": value for name, value in self.best_weights.items()}
        adam = {f"adam.{name}": value for name, value in self.optimizer.state().items()}
        if self.processes.main:
            self.keeper.keep(position, {**best, **adam})

    def _tell(self, **event: Any) -> None:
        if self.processes.main:
            for observer in self.observers:
                observer.event(event)

    def _report(self) -> PhaseReport:
        at = self.at
        return PhaseReport(
            self.phase.name,
            tuple(at.train_losses),
            tuple(at.eval_losses),
            at.best_epoch,
            at.start_loss,
            at.tokens,
            stopped_early=bool(at.stop_reason),
            stop_reason=at.stop_reason,
            steps=at.epoch * self.steps_per_epoch + at.step,
            packed=self.packed,
            seconds=round(at.seconds, 3),
            tokens_per_s=round(at.tokens / max(1e-9, at.seconds), 1),
            peak_memory_mb=peak_memory_mb(self.model.device),
        )


def _named(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _seed(seed: int, phase: str, step: int, process: int) -> int:
    return random.Random(f"{seed}/{phase}/{step}/{process}").getrandbits(48)


def cosine_rate(step: int, warmup: int, total: int) -> float:
    """Linear warm-up, then cosine to a tenth."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, total - warmup)
    return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
