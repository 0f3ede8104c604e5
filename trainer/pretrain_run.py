"""One process's view of a pretraining run: model, optimizers, data and where it stands.

It takes steps, evaluates, and turns into a checkpoint and back. It knows nothing of budgets
being used up, clocks, signals, log files or where checkpoints lie.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainer import varlen
from trainer.crossentropy import (
    Kernel,
    eval_loss,
    native_softmax_gradient,
    softmax_gradient,
    summed_loss,
)
from trainer.guide import guide_loss
from trainer.llama import Layer, Llama
from trainer.native import emulates_bf16
from trainer.optim import Muon, lr_factor
from trainer.packing import Packer, PackState, Row, held_out_rows
from trainer.pretrain_config import PretrainConfig, StageSection
from trainer.qkclip import clip_scores, score_peaks
from trainer.store import Store, StoreError
from trainer.warmstart import WarmStartError, warm_start

log = logging.getLogger(__name__)


class PretrainError(RuntimeError):
    """The run cannot start or go on; the message says how to mend it."""


@dataclass(slots=True)
class Progress:
    """Where a run stands; all of it is in the checkpoint."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: float = float("nan")
    eval_loss: float | None = None
    best_eval: float | None = None

    def share(self, config: PretrainConfig) -> float:
        """Share of the budget used, 0..1."""
        by_tokens = self.tokens / config.max_tokens if config.max_tokens else 0.0
        by_time = self.seconds / (60 * config.max_minutes) if config.max_minutes else 0.0
        return min(1.0, max(by_tokens, by_time))


class Run:
    """One process's view of a run: model, optimizers, data and where it stands."""

    def __init__(self, config: PretrainConfig) -> None:
        self.config, self.progress = config, Progress()
        self.device = _device(config)
        self.dtype = torch.bfloat16 if config.dtype == "bf16" else torch.float32
        if self.device.type == "cpu" and config.dtype == "bf16" and emulates_bf16():
            log.warning('This CPU has no instructions for bfloat16 and is slow at it; set dtype = "fp32".')
        torch.manual_seed(config.seed)
        self.model = Llama(config.model.shape(), config.seed).to(self.device)
        self.optimizers = build_optimizers(self.model, config)
        self.stores = open_stores(config)
        self.packer = self._packer(None)
        self.guide_loss: float | None = None
        self.loss_kernel: Kernel = softmax_gradient
        if config.compile:
            self._accelerate()

    def _accelerate(self) -> None:
        native_kernels = self.device.type == "cpu" and varlen.use_kernel()
        if native_kernels:
            self.loss_kernel = native_softmax_gradient
        if not can_compile(self.device):
            log.warning("no C++ compiler for torch.compile; training uncompiled, about 1.4x slower")
            return
        for layer in self.model.layers:
            layer.compile()
        if not native_kernels:
            self.loss_kernel = torch.compile(softmax_gradient, dynamic=True)

    def _packer(self, state: PackState | None) -> Packer:
        c = self.config
        guided = c.guide.stores if c.guide else ()
        return Packer(self.stores, c.seed, c.row_tokens, c.rows_per_step, state, guided)

    def start(self) -> None:
        """Takes the weights that a fresh run begins with.

        Raises:
            PretrainError: `init_from` is missing, or `model` is too small for it.
        """
        folder = self.config.init_from
        if folder is None:
            return
        try:
            places = warm_start(self.model, folder)
        except (OSError, WarmStartError) as error:
            raise PretrainError(f"init_from: {error}") from error
        log.info("starting from %s, whose layers are now %s of %d", folder, places, len(self.model.layers))

    def stage(self) -> StageSection:
        share = self.progress.share(self.config)
        return next((s for s in self.config.stage if share < s.until), self.config.stage[-1])

    def lr_share(self) -> float:
        o, p = self.config.optim, self.progress
        share = p.share(self.config)
        return lr_factor(share, p.step, o.warmup_steps, o.decay_fraction, o.decay, o.floor)

    def step(self) -> float:
        """One optimizer step; returns its mean loss in nats a trained token."""
        stage = self.stage()
        return self.train_on(self.packer.batch(stage.weights, stage.seq_len))

    def train_on(self, rows: list[Row]) -> float:
        """One optimizer step over these rows; returns as `step` does."""
        trained = max(1, sum(len(row.labels) for row in rows))
        guided = max(1, sum(len(row.guides) for row in rows))
        loss, told = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        for row in rows:
            part, guide = self._row_loss(row, 1.0 / trained, 1.0 / guided)
            torch.autograd.backward(part if guide is None else part + guide)
            loss += part.detach()
            told += 0.0 if guide is None else guide.detach()
        if self.config.optim.clip_norm:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optim.clip_norm)
        factor = self.lr_share()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak_lr"] * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if self.config.optim.score_limit and self.progress.step % self.config.optim.score_steps == 0:
            peaks = score_peaks(self.model, rows[0], self.dtype)
            clip_scores(self.model, peaks, self.config.optim.score_limit)
        self.progress.step += 1
        self.progress.tokens += sum(row.n_tokens for row in rows)
        self.progress.loss = float(loss)
        self.guide_loss = float(told) / self.config.guide.weight if self.config.guide else None
        return self.progress.loss

    def _hidden(self, row: Row, tap: int | None = None) -> tuple[Tensor, Tensor | None]:
        """States at the positions that predict, and all states that go into layer `tap`."""
        ids, positions = row.ids.to(self.device), row.positions.to(self.device)
        torch._dynamo.maybe_mark_dynamic(row.bounds, 0)  # rows hold any number of documents
        hidden, tapped = self.model.states(ids, positions, row.bounds, self.dtype, tap)
        return hidden.index_select(0, row.sources.to(self.device)), tapped

    def _row_loss(self, row: Row, scale: float, guide_scale: float) -> tuple[Tensor, Tensor | None]:
        """The row's share of the step's mean loss, and of the guided heads' where there are any."""
        labels, guide = row.labels.to(self.device), self.config.guide
        hidden, tapped = self._hidden(row, guide.layer if guide else None)
        loss = summed_loss(hidden, self.model.head, labels, scale, self.loss_kernel)
        if guide is None or tapped is None or not len(row.guides):
            return loss, None
        at, to, starts = row.guides.to(self.device).unbind(1)
        positions = row.positions.to(self.device)
        cos, sin = self.model.cos[positions].unsqueeze(1), self.model.sin[positions].unsqueeze(1)
        layer = self.model.layers[guide.layer]
        assert isinstance(layer, Layer)
        told = guide_loss(layer, guide.heads, tapped, cos, sin, starts, at, to)
        return loss, told * (guide_scale * guide.weight)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Held-out loss by store, in nats a trained token, and their "mean" by weight."""
        losses: dict[str, float] = {}
        seq_len = max(s.seq_len for s in self.config.stage)
        for name in self.stores:
            path = self.config.data_dir / f"{name}.val"
            if not path.is_dir():
                continue
            total, count, c = 0.0, 0, self.config
            for row in held_out_rows(Store(path), name, c.row_tokens, seq_len, c.eval_tokens):
                labels = row.labels.to(self.device)
                total += eval_loss(self._hidden(row)[0], self.model.head, labels)
                count += len(labels)
            if count:
                losses[name] = total / count
        if losses:
            losses["mean"] = weighted_mean(losses, self.config.stage[-1].weights)
        return losses

    def snapshot(self) -> dict[str, Any]:
        """All that resuming needs, as plain values and tensors."""
        p = self.progress
        return {
            "config": self.config.model_dump(mode="json"),
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "progress": {name: getattr(p, name) for name in Progress.__slots__},
            "packing": self.packer.state.as_dict(),
            "rng": torch.get_rng_state(),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Goes on from a snapshot.

        Raises:
            PretrainError: it is of another model shape or optimizer.
        """
        for key in ("model", "optim"):
            old, new = saved["config"][key], self.config.model_dump(mode="json")[key]
            if key == "model" and old != new:
                raise PretrainError(f"run_dir holds another shape: {old}, not {new}")
            if key == "optim" and old["kind"] != new["kind"]:
                raise PretrainError(f"run_dir was trained with {old['kind']}, not {new['kind']}")
        for key in ("stage", "row_tokens", "rows_per_step", "seed", "optim"):
            if saved["config"][key] != self.config.model_dump(mode="json")[key]:
                log.warning("%s changed since the checkpoint; going on with the new value", key)
        self.model.load_state_dict(saved["model"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            groups = [dict(group) for group in optimizer.param_groups]
            optimizer.load_state_dict(state)
            for group, fresh in zip(optimizer.param_groups, groups, strict=True):
                group.update({k: v for k, v in fresh.items() if k != "params"})
        self.progress = Progress(**saved["progress"])
        if saved["config"]["stage"] != self.config.model_dump(mode="json")["stage"]:
            self.progress.best_eval = None  # a mean by other weights; what was best cannot be told from it
        self.packer = self._packer(PackState.from_dict(saved["packing"]))
        torch.set_rng_state(saved["rng"])


def build_optimizers(model: Llama, config: PretrainConfig) -> list[torch.optim.Optimizer]:
    """AdamW alone, or Muon for the hidden matrices with AdamW for the rest."""
    o, s = config.optim, model.shape
    matrices = list(model.matrices())
    hidden = {id(p) for p in matrices}
    vectors = [p for p in model.parameters() if p.ndim < 2]
    tables = [p for p in model.parameters() if p.ndim == 2 and id(p) not in hidden]
    groups = [{"params": tables, "weight_decay": 0.0}, {"params": vectors, "weight_decay": 0.0}]
    made: list[torch.optim.Optimizer] = []
    if o.kind == "muon":
        splits = {
            s.d_model + 2 * s.d_kv: [s.d_model, s.d_kv, s.d_kv],
            2 * s.d_ff: [s.d_ff, s.d_ff],
        }
        made.append(
            Muon(
                matrices,
                o.matrix_lr,
                o.momentum,
                o.weight_decay,
                splits=lambda p: splits.get(p.shape[0], [p.shape[0]]),
                dtype=torch.bfloat16 if config.dtype == "bf16" else torch.float32,
            )
        )
    else:
        groups.append({"params": matrices, "weight_decay": o.weight_decay})
    made.append(torch.optim.AdamW(groups, o.lr, (o.beta_1, o.beta_2), eps=1e-8, fused=True))
    for optimizer in made:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return made


def open_stores(config: PretrainConfig) -> dict[str, Store]:
    """Every store that a stage gives a weight.

    Raises:
        PretrainError: one is missing or damaged.
    """
    names = {n for stage in config.stage for n, weight in stage.weights.items() if weight > 0}
    try:
        return {name: Store(config.data_dir / name) for name in sorted(names)}
    except StoreError as error:
        raise PretrainError(f"{error}; build it, or take its weight out of [[stage]]") from error


def weighted_mean(losses: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Mean by weight; plain when no store that was read has one."""
    known = {name: weights.get(name, 0.0) for name in losses}
    if not sum(known.values()):
        known = dict.fromkeys(losses, 1.0)
    return sum(losses[name] * w for name, w in known.items()) / sum(known.values())


def can_compile(device: torch.device) -> bool:
    """Whether torch.compile works here, by trying it on one line."""
    try:
        torch.compile(lambda x: x + 1)(torch.ones(8, device=device))
    except Exception as error:  # a missing compiler surfaces as any of several kinds
        log.debug("torch.compile: %s", error)
        return False
    return True


def _device(config: PretrainConfig) -> torch.device:
    if config.threads:
        torch.set_num_threads(config.threads)
    if config.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(config.device)
