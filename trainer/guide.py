"""Guided attention: some heads are told, in training, where in the passage an answer's words stand.

An answer that is copied from its prompt has a source: the place where the same tokens stand. Left to
itself a small model finds out late that looking there helps. Here the attention of chosen heads, at
the position that predicts a copied token, is also trained to fall on that token's place. It is one
more loss; the model that comes out is a plain Llama.

Sources: guided alignment, https://arxiv.org/abs/1607.01628; supervised attention,
https://arxiv.org/abs/1609.04186.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from trainer.llama import Layer

LONGEST_MATCH = 8  # tokens that are compared to tell two places apart


def sources(ids: Sequence[int], mask: Sequence[int]) -> list[tuple[int, int]]:
    """Where each copied token of the trained turns comes from.

    A token's place is that of the prompt where the longest run of the answer's tokens stands; where two
    places tie, none is told. Behind a told token its neighbour is told too as long as the copy goes on.

    Args:
        ids: (T,) of one document.
        mask: (T,), 1 where the token is trained.

    Returns:
        pairs of (position that predicts, position of the token to be copied), rising.
    """
    places: dict[int, list[int]] = {}
    found: list[tuple[int, int]] = []
    last, n = -1, len(ids)
    for t in range(n):
        token = ids[t]
        if not mask[t]:
            places.setdefault(token, []).append(t)
            last = -1
            continue
        if last >= 0 and not mask[last + 1] and ids[last + 1] == token:
            last += 1
        else:
            last = _place(ids, mask, t, places.get(token, ()))
        if last >= 0 and t:
            found.append((t - 1, last))
    return found


def _place(ids: Sequence[int], mask: Sequence[int], t: int, candidates: Sequence[int]) -> int:
    """The candidate whose tokens go on longest as the answer does; -1 on a tie or without any."""
    best, length, tied = -1, 0, False
    for at in candidates:
        run = 1
        while (
            run < LONGEST_MATCH
            and t + run < len(ids)
            and mask[t + run]
            and not mask[at + run]
            and ids[at + run] == ids[t + run]
        ):
            run += 1
        if run > length:
            best, length, tied = at, run, False
        elif run == length:
            tied = True
    return -1 if tied else best


def guide_loss(
    layer: Layer,
    heads: Sequence[int],
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    starts: Tensor,
    at: Tensor,
    to: Tensor,
) -> Tensor:
    """Cross entropy of the heads' attention against the told places, summed over places, mean over heads.

    Args:
        layer: whose heads they are.
        heads: query heads.
        x: (M, d), what goes into the layer.
        cos, sin: (M, 1, head_dim / 2).
        starts: (G,) first position of each place's document.
        at: (G,) positions that predict.
        to: (G,) positions to be looked at; starts <= to <= at.
    """
    from trainer.llama import rms_norm, rotate

    s = layer.shape
    h = rms_norm(x, layer.norm_1, s.norm_eps)
    weight = layer.qkv.to(x.dtype)
    keys_at = torch.arange(len(x), device=x.device)
    hidden = (keys_at < starts[:, None]) | (keys_at > at[:, None])  # (G, M)
    total = x.new_zeros((), dtype=torch.float32)
    for head in heads:
        group = head // (s.n_heads // s.n_kv_heads)
        q_rows = weight[head * s.head_dim : (head + 1) * s.head_dim]
        begin = s.d_model + group * s.head_dim
        q = rotate(F.linear(h[at], q_rows).unsqueeze(1), cos[at], sin[at])[:, 0]
        k = rotate(F.linear(h, weight[begin : begin + s.head_dim]).unsqueeze(1), cos, sin)[:, 0]
        scores = (q @ k.T).float() * s.head_dim**-0.5
        total = total + F.cross_entropy(scores.masked_fill(hidden, float("-inf")), to, reduction="sum")
    return total / len(heads)
