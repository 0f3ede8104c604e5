"""The processes of `accelerate launch`: who computes what, and how gradients meet.

Each step's micro-batches are dealt out, and summed gradients are what one process would have had,
so the number of processes changes the time and not the result. One process alone costs nothing.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")


def _leave() -> None:
    """Close the group before the interpreter goes: its threads, still running then, abort the process."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


class Processes:
    """This process among its peers."""

    def __init__(self) -> None:
        self._state: Any = None
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from accelerate import PartialState  # type: ignore[import-untyped]

            self._state = PartialState(cpu=not torch.cuda.is_available())  # gloo there, else NCCL
            atexit.register(_leave)

    @property
    def count(self) -> int:
        """How many there are."""
        return 1 if self._state is None else int(self._state.num_processes)

    @property
    def index(self) -> int:
        """Which one this is, from 0."""
        return 0 if self._state is None else int(self._state.process_index)

    @property
    def main(self) -> bool:
        """Whether this one writes files and speaks."""
        return self.index == 0

    @property
    def device(self) -> torch.device | None:
        """The device of this process; None alone, where the profile decides."""
        return None if self._state is None else self._state.device

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Every `count`-th item, beginning with this process's."""
        return items[self.index :: self.count]

    def sum(self, value: Tensor) -> Tensor:
        """The sum over all processes."""
        if self._state is not None:
            torch.distributed.all_reduce(value)
        return value

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up the gradients, in one message."""
        if self._state is None:
            return
        params = list(parameters)
        flat = torch.cat(
            [(torch.zeros_like(p) if p.grad is None else p.grad).float().flatten() for p in params]
        )
        self.sum(flat)
        at = 0
        for p in params:
            p.grad = flat[at : at + p.numel()].view_as(p).to(p.dtype)
            at += p.numel()

    def wait(self) -> None:
        """Until all are here."""
        if self._state is not None:
            self._state.wait_for_everyone()
