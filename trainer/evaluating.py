"""Mean loss over held-out examples, without dropout or gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from trainer.batching import Batch, padded
from trainer.losses import summed_loss
from trainer.pairs import Example
from trainer.processes import Processes


@torch.no_grad()
def evaluate(model: Any, examples: Sequence[Example], batch_size: int, pad_id: int) -> float:
    """Mean loss in nats per trained token."""
    order = sorted(examples, key=len)
    groups = [order[at : at + batch_size] for at in range(0, len(order), batch_size)]
    return mean_loss(model, [padded(group, pad_id) for group in groups], Processes())


@torch.no_grad()
def mean_loss(model: Any, batches: Sequence[Batch], processes: Processes) -> float:
    eval_mode(model)
    total = torch.zeros(2, dtype=torch.float64)
    for batch in batches:
        loss, count = summed_loss(model, batch)
        total += torch.tensor([loss.item(), count], dtype=torch.float64)
    total = processes.sum(total if processes.device is None else total.to(processes.device))
    return float(total[0] / total[1].clamp(min=1))


def eval_mode(model: Any) -> None:
    """No dropout. 4-bit layers on the CPU would repack themselves for inference, and train no more."""
    model.eval()
    if model.device.type == "cpu" and getattr(model, "is_loaded_in_4bit", False):
        for module in model.modules():
            if type(module).__name__ == "Linear4bit" and not hasattr(module, "base_layer"):
                module.training = True
