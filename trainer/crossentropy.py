"""Cross entropy over a vocabulary, chunk by chunk, its gradient made in the same pass.

Only one chunk's logits exist at a time, and the backward pass multiplies nothing again.
Knows nothing of masks: it is given only the rows that are trained.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from trainer import native

CHUNK = 1024  # rows of logits at a time

Kernel = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(logits, labels) -> (summed loss, gradient of the logits)."""


def softmax_gradient(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Summed loss, and d(loss)/d(logits). logits: (rows, vocab), labels: (rows,)."""
    wide = logits.float()
    log_sum = wide.logsumexp(-1, keepdim=True)
    picked = wide.gather(1, labels.unsqueeze(1))
    hot = torch.arange(logits.shape[1], device=logits.device) == labels.unsqueeze(1)
    gradient = (wide - log_sum).exp() - hot.float()
    return (log_sum - picked).sum(), gradient.to(logits.dtype)


def native_softmax_gradient(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """`softmax_gradient` in C++, in place: the logits become their gradient.

    Takes bf16 CPU logits of a vocabulary that is a multiple of 16; hands others on.
    """
    library = native.load("crossentropy")
    fits = logits.dtype == torch.bfloat16 and logits.shape[1] % 16 == 0
    if library is None or not fits or logits.is_cuda or not logits.is_contiguous():
        return softmax_gradient(logits, labels)
    losses = torch.empty(len(labels))
    pointers = [ctypes.c_void_p(x.data_ptr()) for x in (logits, labels, losses)]
    rows, vocab = (ctypes.c_int64(n) for n in logits.shape)
    library.softmax_gradient(*pointers, rows, vocab, torch.get_num_threads())
    return losses.sum(), logits


class _ChunkedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, head: Tensor, labels: Tensor, scale: float, kernel: Kernel
    ) -> Tensor:
        weight = head.to(hidden.dtype)
        loss = torch.zeros((), device=hidden.device)
        d_hidden = torch.empty_like(hidden)
        d_head = torch.zeros_like(head, dtype=torch.float32)
        for start in range(0, len(labels), CHUNK):
            rows = slice(start, start + CHUNK)
            part, gradient = kernel(hidden[rows] @ weight.T, labels[rows])
            loss += part
            torch.mm(gradient, weight, out=d_hidden[rows])
            d_head += gradient.T @ hidden[rows]
        ctx.save_for_backward(d_hidden.mul_(scale), d_head.mul_(scale))
        return loss * scale

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        d_hidden, d_head = ctx.saved_tensors
        (g,) = grads
        return d_hidden * g.to(d_hidden.dtype), d_head * g, None, None, None


def summed_loss(
    hidden: Tensor, head: Tensor, labels: Tensor, scale: float = 1.0, kernel: Kernel = softmax_gradient
) -> Tensor:
    """scale * sum of the cross entropies.

    Args:
        hidden: (K, d), the rows that predict.
        head: (vocab, d).
        labels: (K,) int64.
        kernel: `softmax_gradient`, it compiled, or `native_softmax_gradient`.
    """
    loss = _ChunkedLoss.apply(hidden, head, labels, scale, kernel)  # type: ignore[no-untyped-call]
    return cast(Tensor, loss)


@torch.no_grad()
def eval_loss(hidden: Tensor, head: Tensor, labels: Tensor) -> float:
    """The summed cross entropy, without gradients, in nats."""
    weight, total = head.to(hidden.dtype), 0.0
    for start in range(0, len(labels), CHUNK):
        logits = (hidden[start : start + CHUNK] @ weight.T).float()
        picked = labels[start : start + CHUNK]
        total += float(torch.nn.functional.cross_entropy(logits, picked, reduction="sum"))
    return total
