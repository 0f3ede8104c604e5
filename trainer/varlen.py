"""Causal attention inside each document of a packed row, for CPU and CUDA.

Three ways, best first: torch's variable-length flash attention on CUDA; the C++ kernel
beside this file, built on first use, on CPUs with AVX512-BF16 and a compiler; one SDPA
call a document anywhere. All give the same numbers to rounding. Knows nothing of rotary
embeddings or weights.
"""

from __future__ import annotations

import ctypes
from itertools import pairwise
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer import native

_kernel: ctypes.CDLL | None = None  # set by use_kernel


def use_kernel() -> bool:
    """Has `attend` use the C++ kernel from now on; False where it cannot be built."""
    global _kernel
    _kernel = native.load("varlen")
    return _kernel is not None


def attend(q: Tensor, k: Tensor, v: Tensor, bounds: Tensor) -> Tensor:
    """Attention of each document to itself, causally.

    Args:
        q: (M, heads, head_dim).
        k, v: (M, kv_heads, head_dim); each kv head serves heads / kv_heads query heads.
        bounds: (documents + 1,) int64 on the CPU, rising; rows past the last are padding.

    Returns:
        (M, heads, head_dim); zero in padding rows.
    """
    if _kernel is not None and q.device.type == "cpu" and _fits_kernel(q):
        out, _ = _varlen(q, k, v, bounds)
        return cast(Tensor, out)
    if q.is_cuda and q.dtype in (torch.bfloat16, torch.float16):
        return cast(Tensor, attend_on_cuda(q, k, v, bounds))
    return cast(Tensor, attend_by_document(q, k, v, bounds))


def _fits_kernel(q: Tensor) -> bool:
    return q.dtype == torch.bfloat16 and q.shape[-1] % 16 == 0


@torch.compiler.disable  # type: ignore[untyped-decorator]
def attend_by_document(q: Tensor, k: Tensor, v: Tensor, bounds: Tensor) -> Tensor:
    """`attend`, by one call of torch's SDPA a document."""
    groups = q.shape[1] // k.shape[1]
    q, k, v = (x.transpose(0, 1).unsqueeze(0) for x in (q, k, v))  # (1, heads, M, head_dim)
    k = k.repeat_interleave(groups, dim=1)
    v = v.repeat_interleave(groups, dim=1)
    edges = bounds.tolist()
    parts = [
        F.scaled_dot_product_attention(q[:, :, a:b], k[:, :, a:b], v[:, :, a:b], is_causal=True)
        for a, b in pairwise(edges)
    ]
    if edges[-1] < q.shape[2]:
        parts.append(torch.zeros_like(q[:, :, edges[-1] :]))
    return torch.cat(parts, dim=2).squeeze(0).transpose(0, 1)


@torch.compiler.disable  # type: ignore[untyped-decorator]
def attend_on_cuda(q: Tensor, k: Tensor, v: Tensor, bounds: Tensor) -> Tensor:
    """`attend`, by torch's flash attention over variable lengths, padding as a last document."""
    from torch.nn.attention.varlen import varlen_attn

    rows, groups = q.shape[0], q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    if int(bounds[-1]) < rows:
        bounds = torch.cat((bounds, bounds.new_tensor([rows])))
    longest = int(bounds.diff().max())
    edges = bounds.to(q.device, torch.int32)
    q = q.contiguous()
    out = varlen_attn(q, k, v, edges, edges, longest, longest, window_size=(-1, 0))
    assert isinstance(out, Tensor)
    return out


def _strides(*tensors: Tensor) -> Any:
    values = [x.stride(axis) for x in tensors for axis in (0, 1)]
    return (ctypes.c_int64 * len(values))(*values)


def _pointers(*tensors: Tensor) -> list[ctypes.c_void_p]:
    return [ctypes.c_void_p(x.data_ptr()) for x in tensors]


def _sizes(q: Tensor, k: Tensor, bounds: Tensor) -> list[Any]:
    scale = ctypes.c_float(q.shape[2] ** -0.5)
    counts = [ctypes.c_int64(n) for n in (len(bounds) - 1, q.shape[1], k.shape[1], q.shape[2])]
    return [ctypes.c_void_p(bounds.data_ptr()), *counts, scale, torch.get_num_threads()]


def _rows(x: Tensor) -> Tensor:
    return x if x.stride(2) == 1 else x.contiguous()


@torch.library.custom_op("understudy::varlen", mutates_args=())
def _varlen(q: Tensor, k: Tensor, v: Tensor, bounds: Tensor) -> tuple[Tensor, Tensor]:
    assert _kernel is not None
    q, k, v, bounds = _rows(q), _rows(k), _rows(v), bounds.contiguous()
    out = q.new_empty(q.shape)
    out[int(bounds[-1]) :] = 0
    lse = torch.empty(q.shape[:2], dtype=torch.float32)  # (M, heads), base 2
    parts = _pointers(q, k, v, out, lse)
    _kernel.varlen_forward(*parts, _strides(q, k, v, out), *_sizes(q, k, bounds))
    return out, lse


@_varlen.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, bounds: Tensor) -> tuple[Tensor, Tensor]:
    return q.new_empty(q.shape), q.new_empty(q.shape[:2], dtype=torch.float32)


@torch.library.custom_op("understudy::varlen_backward", mutates_args=())
def _varlen_backward(
    d_out: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, bounds: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    assert _kernel is not None
    q, k, v, d_out, bounds = _rows(q), _rows(k), _rows(v), _rows(d_out), bounds.contiguous()
    dq, dk, dv = (x.new_empty(x.shape) for x in (q, k, v))
    for x in (dq, dk, dv):
        x[int(bounds[-1]) :] = 0
    parts = _pointers(q, k, v, out, d_out, dq, dk, dv, lse)
    strides = _strides(q, k, v, out, d_out, dq, dk, dv)
    _kernel.varlen_backward(*parts, strides, *_sizes(q, k, bounds))
    return dq, dk, dv


@_varlen_backward.register_fake
def _(
    d_out: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, bounds: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return q.new_empty(q.shape), k.new_empty(k.shape), v.new_empty(v.shape)


def _save(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs, *output)


def _gradient(ctx: Any, d_out: Tensor, _: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
    q, k, v, bounds, out, lse = ctx.saved_tensors
    dq, dk, dv = _varlen_backward(d_out, q, k, v, out, lse, bounds)
    return dq, dk, dv, None


_varlen.register_autograd(_gradient, setup_context=_save)
