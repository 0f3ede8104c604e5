"""Muon for the hidden matrices, AdamW for the rest, and the learning-rate schedule.

Muon (Jordan et al., https://kellerjordan.github.io/posts/muon/) replaces the momentum of a
matrix by the nearest orthogonal one, found with five Newton-Schulz steps; matrices of one
shape are done in one batched product. Knows nothing of models or data.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Literal, cast

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
Decay = Literal["linear", "sqrt", "cosine"]


def orthogonalize(update: Tensor, steps: int, dtype: torch.dtype) -> Tensor:
    """About U V^T of each matrix. update: (n, rows, cols) -> the same, in `dtype`."""
    a, b, c = NEWTON_SCHULZ
    x = update.to(dtype)
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return cast(Tensor, x.mT if tall else x)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised, for 2-D weights.

    Args:
        params: hidden matrices.
        lr: step as spectral norm, before the shape's scale of sqrt(max(1, rows / cols)).
        momentum: of the running gradient, Nesterov.
        weight_decay: decoupled, times lr.
        splits: rows of stacked matrices (q over k over v) that are orthogonalised apart.
        dtype: of the Newton-Schulz products.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        splits: Callable[[nn.Parameter], list[int]] | None = None,
        dtype: torch.dtype = torch.bfloat16,
        steps: int = 5,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._splits, self._dtype, self._steps = splits, dtype, steps

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            self._step_group(group["params"], group["lr"], group["momentum"], group["weight_decay"])

    def _step_group(
        self, params: list[nn.Parameter], lr: float, momentum: float, weight_decay: float
    ) -> None:
        by_shape: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for p in params:
            if p.grad is None:
                continue
            state = self.state[p]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(p)
            running = state["momentum"].lerp_(p.grad, 1 - momentum)
            ahead = p.grad.lerp(running, momentum)  # Nesterov
            sizes = self._splits(p) if self._splits else [p.shape[0]]
            if weight_decay:
                p.mul_(1 - lr * weight_decay)
            for weight, update in zip(torch.split(p, sizes), torch.split(ahead, sizes), strict=True):
                by_shape[weight.shape].append((weight, update))
        for shape, pairs in by_shape.items():
            update = orthogonalize(torch.stack([u for _, u in pairs]), self._steps, self._dtype)
            scale = -lr * math.sqrt(max(1.0, shape[0] / shape[1]))
            for (weight, _), step in zip(pairs, update, strict=True):
                weight.add_(step.to(weight.dtype), alpha=scale)


def lr_factor(
    progress: float, step: int, warmup_steps: int, decay_fraction: float, decay: Decay, floor: float
) -> float:
    """The learning rate over its peak: warm up by steps, hold, then decay by progress.

    Args:
        progress: share of the budget used, 0..1.
        decay_fraction: the last share of the budget, in which it decays; 1 with "cosine" is
            the usual cosine schedule.
        floor: what is left at the end.
    """
    warm = min(1.0, (step + 1) / max(1, warmup_steps))
    start = 1.0 - decay_fraction
    if progress <= start or decay_fraction <= 0:
        return warm
    done = min(1.0, (progress - start) / decay_fraction)
    shapes = {
        "linear": 1.0 - done,
        "sqrt": 1.0 - math.sqrt(done),
        "cosine": 0.5 * (1.0 + math.cos(math.pi * done)),
    }
    return warm * (floor + (1.0 - floor) * shapes[decay])
