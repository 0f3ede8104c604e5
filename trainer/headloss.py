"""Cross entropy under a frozen output head, a chunk of rows at a time.

Only one chunk's logits exist at once, in the forward as in the backward pass, and the head itself
gets no gradient. Knows nothing of masks: it is given the rows that are trained.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK_LOGITS = 1 << 22  # 16 MiB of float32, on the CPU
CHUNK_LOGITS_CUDA = 1 << 27  # 512 MiB: few, large products
MIN_ROWS = 64  # fewer would read the head's weights too often


class _FrozenHeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor) -> Tensor:
        budget = CHUNK_LOGITS_CUDA if hidden.is_cuda else CHUNK_LOGITS
        rows = max(MIN_ROWS, budget // weight.shape[0])
        gradient = torch.empty_like(hidden) if hidden.requires_grad else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for at in range(0, len(labels), rows):
            part, wanted = hidden[at : at + rows], labels[at : at + rows, None]
            logits = F.linear(part.to(weight.dtype), weight, bias).float()  # (rows, V)
            log_sum = logits.logsumexp(-1, keepdim=True)
            total += (log_sum - logits.gather(1, wanted)).sum()
            if gradient is not None:
                logits.sub_(log_sum).exp_()
                logits.scatter_add_(1, wanted, torch.full_like(log_sum, -1.0))
                gradient[at : at + rows] = logits.to(weight.dtype) @ weight
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0].to(gradient.dtype), None, None, None


def frozen_head_loss(hidden: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor) -> Tensor:
    """Summed cross entropy in nats.

    Args:
        hidden: (K, d), the rows that predict.
        weight: (V, d); bias: (V,) or None. Neither gets a gradient.
        labels: (K,) int64.
    """
    return cast(Tensor, _FrozenHeadLoss.apply(hidden, weight, bias, labels))  # type: ignore[no-untyped-call]
