"""Teaches a transformers model to attend inside each example of a packed row, and to nothing else.

The model's own code runs unchanged: its attention function is replaced for as long as the training
lasts, and told by `rows` where the examples of the running forward begin. Families that are not
listed may scale, cap or window their attention in ways of their own; they are padded instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer import varlen

NAME = "understudy_packed"
FAMILIES = ("gpt2", "llama", "mistral", "phi3", "qwen2")
"""Model types whose packed loss a test compares with the padded one."""

_bounds: Tensor | None = None  # of the forward that runs, or whose backward runs
_masks: list[Tensor] = []  # of its examples, (t, shared + t) each; empty where nothing is shared


def can_pack(model: Any, longest: int) -> bool:
    """Whether a model's examples of up to `longest` tokens may share a row."""
    config = model.config
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    own_scale = getattr(config, "scale_attn_by_inverse_layer_idx", False) or getattr(
        config, "reorder_and_upcast_attn", False
    )
    return config.model_type in FAMILIES and not own_scale and (window is None or longest <= window)


@contextmanager
def packing(model: Any) -> Iterator[None]:
    """Forwards inside the block take packed rows, announced by `rows`, and no others."""
    from transformers import AttentionInterface

    global _bounds, _masks
    AttentionInterface.register(NAME, attend_packed)
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        _bounds, _masks = None, []
        model.set_attn_implementation(before)


def rows(bounds: Tensor, shared: int = 0) -> None:
    """Say what the next forward, and its backward, have in their row.

    Args:
        bounds: (examples + 1,) on the CPU, where each example begins and the last ends.
        shared: tokens before them that all of them attend to.
    """
    global _bounds, _masks
    _bounds = bounds
    lengths = bounds.diff().tolist() if shared else []
    _masks = [torch.ones(n, shared + n, dtype=torch.bool).tril(shared) for n in lengths]


def attend_packed(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Any = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """transformers' attention function. query: (1, heads, T, head_dim) -> (1, T, heads, head_dim)."""
    bounds = _bounds
    assert bounds is not None and int(bounds[-1]) == query.shape[2], "the row was not announced"
    usual = query.shape[-1] ** -0.5
    scale = usual if scaling is None else scaling
    if _masks:
        return _attend_shared(query, key, value, scale, dropout), None
    fast = query.dtype in (torch.bfloat16, torch.float16) and not dropout
    if fast and (query.is_cuda or varlen.use_kernel()):
        q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))  # (T, heads, head_dim)
        q = q if scale == usual else q * (scale / usual)
        return varlen.attend(q, k, v, bounds).unsqueeze(0), None
    parts = [
        _sdpa(query[:, :, a:b], key[:, :, a:b], value[:, :, a:b], scale, dropout)
        for a, b in pairwise(bounds.tolist())
    ]
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


def _attend_shared(query: Tensor, key: Tensor, value: Tensor, scale: float, dropout: float) -> Tensor:
    """The shared start attends to itself, each example to it and to its own past."""
    assert _bounds is not None
    edges = _bounds.tolist()
    own = slice(0, edges[0])
    start_key, start_value = key[:, :, own], value[:, :, own]
    parts = [_sdpa(query[:, :, own], start_key, start_value, scale, dropout)]
    for (a, b), mask in zip(pairwise(edges), _masks, strict=True):
        k = torch.cat((start_key, key[:, :, a:b]), dim=2)
        v = torch.cat((start_value, value[:, :, a:b]), dim=2)
        parts.append(_sdpa(query[:, :, a:b], k, v, scale, dropout, mask.to(query.device)))
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous()


def _sdpa(
    q: Tensor, k: Tensor, v: Tensor, scale: float, dropout: float, mask: Tensor | None = None
) -> Tensor:
    return F.scaled_dot_product_attention(
        q,
        k,
        v,
        attn_mask=mask,
        is_causal=mask is None,
        dropout_p=dropout,
        scale=scale,
        enable_gqa=k.shape[1] != q.shape[1],
    )
