"""Keeps attention scores in bounds while a model trains, by scaling a head's queries and keys.

Muon's steps are of one size whatever the gradient, so query and key matrices grow as long as
training goes on, and with them the scores. Past some tens the softmax is one place or another and
passes no gradient: the head cannot learn any more. So a head whose largest score exceeds the limit
gets its queries and keys scaled down to it.

Source: QK-clip, Kimi K2, https://arxiv.org/abs/2507.20534.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.llama import Layer, Llama, rms_norm, rotate
from trainer.packing import Row

SAMPLE_TOKENS = 768


@torch.no_grad()
def score_peaks(model: Llama, row: Row, dtype: torch.dtype) -> Tensor:
    """The largest attention score of each head over the first documents of a row, (layers, heads)."""
    s, device = model.shape, model.embed.device
    ends = row.bounds[row.bounds <= SAMPLE_TOKENS]
    n = int(ends[-1]) or min(int(row.bounds[1]), SAMPLE_TOKENS)
    bounds = ends if int(ends[-1]) else torch.tensor([0, n])
    at = torch.arange(n, device=device)
    document = torch.bucketize(at, bounds.to(device), right=True)
    seen = (at[:, None] >= at[None, :]) & (document[:, None] == document[None, :])  # (n, n)
    positions = row.positions[:n].to(device)
    cos, sin = model.cos[positions].unsqueeze(1), model.sin[positions].unsqueeze(1)
    x = F.embedding(row.ids[:n].to(device), model.embed).to(dtype)
    peaks = []
    for layer in model.layers:
        assert isinstance(layer, Layer)
        h = rms_norm(x, layer.norm_1, s.norm_eps)
        q, k, _ = F.linear(h, layer.qkv.to(dtype)).tensor_split([s.d_model, s.d_model + s.d_kv], dim=-1)
        q = rotate(q.reshape(n, s.n_heads, s.head_dim), cos, sin).float()
        k = rotate(k.reshape(n, s.n_kv_heads, s.head_dim), cos, sin).float()
        k = k.repeat_interleave(s.n_heads // s.n_kv_heads, dim=1)
        scores = torch.einsum("qhd,khd->hqk", q, k) * s.head_dim**-0.5
        peaks.append(scores.masked_fill(~seen, 0.0).abs().amax((1, 2)))
        x = layer.forward(x, cos, sin, bounds)  # not the compiled call: this length is seldom
    return torch.stack(peaks)


@torch.no_grad()
def clip_scores(model: Llama, peaks: Tensor, limit: float) -> int:
    """Scale queries and keys so that no head's score exceeds `limit`; returns how many heads did.

    Args:
        model: changed in place.
        peaks: (layers, heads) as `score_peaks` measured.
        limit: of the largest score.
    """
    s, clipped = model.shape, 0
    group = s.n_heads // s.n_kv_heads
    for layer, row in zip(model.layers, peaks, strict=True):
        assert isinstance(layer, Layer)
        factors = (limit / row.clamp_min(1e-9)).clamp_max(1.0)  # (heads,)
        clipped += int((factors < 1).sum())
        shared = factors.reshape(s.n_kv_heads, group).amax(1).sqrt()  # what every head of the group can bear
        queries = factors / shared.repeat_interleave(group)
        layer.qkv[: s.d_model].mul_(queries.repeat_interleave(s.head_dim)[:, None])
        layer.qkv[s.d_model : s.d_model + s.d_kv].mul_(shared.repeat_interleave(s.head_dim)[:, None])
    return clipped
