"""The values of one phase's training: where it stands, how it went, and who keeps its position."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor


class Keeper(Protocol):
    """Where a phase's position is kept; see `trainer.checkpoint`."""

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint inside the epoch."""
        ...

    def resume(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Position and tensors of this phase's last checkpoint, if there is one."""
        ...

    def keep(self, position: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Store a checkpoint."""
        ...


@dataclass(frozen=True, slots=True)
class PhaseReport:
    """How a phase went; losses are nats per trained token."""

    phase: str
    train_loss: tuple[float, ...]
    eval_loss: tuple[float, ...]
    best_epoch: int
    """Counted from 1; 0 is the untrained adapter."""
    start_loss: float
    trained_tokens: int
    stopped_early: bool
    stop_reason: str = ""
    steps: int = 0
    packed: bool = False
    seconds: float = 0.0
    tokens_per_s: float = 0.0
    """Trained tokens, evaluation time left out."""
    peak_memory_mb: float = 0.0


@dataclass(slots=True)
class Position:
    """Where the loop stands; all of it is in a checkpoint."""

    epoch: int = 0
    step: int = 0  # inside the epoch
    loss: float = 0.0  # summed over the epoch's tokens so far
    seen: int = 0  # trained tokens of the epoch so far
    tokens: int = 0  # trained tokens of the phase
    seconds: float = 0.0  # of training
    start_loss: float = math.nan
    best: float = math.inf
    best_epoch: int = 0
    stop_reason: str = ""
    train_losses: list[float] = field(default_factory=list)
    eval_losses: list[float] = field(default_factory=list)
