"""The C++ attention against one SDPA call a document, where this machine can build it."""

import pytest
import torch

from trainer import varlen
from trainer.crossentropy import native_softmax_gradient, softmax_gradient

LENGTHS = [1, 2, 31, 32, 33, 70, 129, 0, 200]
PADDING = 7


@pytest.fixture(scope="module", autouse=True)
def kernel() -> None:
    if not varlen.use_kernel():
        pytest.skip("needs a C++ compiler and AVX512-BF16")


def _run(attend: object, dtype: torch.dtype, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Output and gradient of one fused q, k, v; values are bf16's whatever the dtype."""
    generator = torch.Generator().manual_seed(dim)
    bounds = torch.tensor([0, *LENGTHS]).cumsum(0)
    rows = int(bounds[-1]) + PADDING
    fused = torch.randn(rows, 8, dim, generator=generator).bfloat16().to(dtype).requires_grad_()
    upstream = torch.randn(rows, 4, dim, generator=generator).bfloat16().to(dtype)
    assert callable(attend)
    out = attend(*fused.split([4, 2, 2], dim=1), bounds)
    out.backward(upstream)
    assert fused.grad is not None
    return out.detach(), fused.grad


def _error(x: torch.Tensor, exact: torch.Tensor) -> float:
    return float((x.float() - exact).norm() / exact.norm())


@pytest.mark.parametrize("dim", [16, 32, 64, 80])
def test_kernel_is_as_exact_as_sdpa_in_bf16(dim: int) -> None:
    exact = _run(varlen.attend_by_document, torch.float32, dim)
    peer = _run(varlen.attend_by_document, torch.bfloat16, dim)
    ours = _run(varlen.attend, torch.bfloat16, dim)
    for mine, theirs, truth in zip(ours, peer, exact, strict=True):
        assert _error(mine, truth) < max(1.2 * _error(theirs, truth), 3e-3)
        assert not mine[-PADDING:].any()


def test_kernel_gives_the_same_bits_at_any_thread_count() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = _run(varlen.attend, torch.bfloat16, 64)
        torch.set_num_threads(2)
        two = _run(varlen.attend, torch.bfloat16, 64)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_kernel_keeps_large_scores_finite() -> None:
    q, k, v = (torch.full((40, heads, 16), 60.0).bfloat16() for heads in (2, 1, 1))
    out = varlen.attend(q, k, v, torch.tensor([0, 40]))
    assert torch.equal(out, torch.full_like(out, 60.0))


def test_native_loss_equals_torchs_in_bf16() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = (torch.randn(50, 96, generator=generator) * 4).bfloat16()
    labels = torch.randint(0, 96, (50,), generator=generator)
    loss, gradient = softmax_gradient(logits, labels)
    native_loss, native_gradient = native_softmax_gradient(logits.clone(), labels)
    torch.testing.assert_close(native_loss, loss, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(native_gradient, gradient, rtol=1e-2, atol=1e-5)
