"""Starting from an exported folder: the same function, with room to grow."""

from pathlib import Path

import pytest
import torch

from trainer.llama import Layer, Llama, ModelShape, export_hf
from trainer.warmstart import WarmStartError, spread, warm_start

SHAPE = ModelShape(vocab_size=40, d_model=16, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=24, context=32)


def _trained(shape: ModelShape) -> Llama:
    model = Llama(shape, seed=3)
    torch.manual_seed(5)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    return model


def _logits(model: Llama) -> torch.Tensor:
    ids = torch.arange(12) % 40
    with torch.no_grad():
        return model.logits(model(ids, torch.arange(12), torch.tensor([0, 12])))


def test_warm_start_same_depth_same_logits(tmp_path: Path) -> None:
    old = _trained(SHAPE)
    export_hf(old, SHAPE, None, tmp_path, dtype=torch.float32)
    new = Llama(SHAPE, seed=9)
    assert warm_start(new, tmp_path) == [0, 1]
    assert torch.equal(_logits(new), _logits(old))


def test_warm_start_deeper_same_logits_and_new_layers_learn(tmp_path: Path) -> None:
    old = _trained(SHAPE)
    export_hf(old, SHAPE, None, tmp_path, dtype=torch.float32)
    shape = ModelShape(**{**SHAPE.as_dict(), "n_layers": 5})
    new = Llama(shape, seed=9)
    places = warm_start(new, tmp_path)
    torch.testing.assert_close(_logits(new), _logits(old))
    ids = torch.arange(12) % 40
    new.logits(new(ids, torch.arange(12), torch.tensor([0, 12]))).square().sum().backward()
    born = [layer for i, layer in enumerate(new.layers) if i not in places]
    assert len(born) == 3
    assert all(float(layer.out.grad.abs().sum()) > 0 for layer in born)


def test_warm_start_wider_and_deeper_same_logits_and_new_parts_learn(tmp_path: Path) -> None:
    narrow = ModelShape(**{**SHAPE.as_dict(), "n_heads": 4, "d_model": 32, "n_kv_heads": 2, "norm_eps": 1e-9})
    old = _trained(narrow)
    export_hf(old, narrow, None, tmp_path, dtype=torch.float32)
    wider = ModelShape(**{**narrow.as_dict(), "n_heads": 6, "d_model": 48, "d_ff": 40, "n_layers": 3})
    new = Llama(wider, seed=9)
    places = warm_start(new, tmp_path)
    torch.testing.assert_close(_logits(new), _logits(old), atol=1e-4, rtol=1e-4)
    ids = torch.arange(12) % 40
    new.logits(new(ids, torch.arange(12), torch.tensor([0, 12]))).square().sum().backward()
    kept = new.layers[places[0]]
    assert isinstance(kept, Layer)
    assert new.embed.grad is not None and kept.out.grad is not None and kept.down.grad is not None
    assert float(new.embed.grad[:, 32:].abs().sum()) > 0
    assert float(kept.out.grad[32:].abs().sum()) > 0  # the new dimensions are written
    assert float(kept.down.grad[:, 24:].abs().sum()) > 0  # by the new units too
    heads = kept.out.grad.view(48, 2, 3, 8)  # by group: two old heads, then a new one
    assert float(heads[:, :, 2].abs().sum()) > 0


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"d_ff": 16}, r"intermediate_size 24.*only d_ff 16"),
        ({"vocab_size": 50}, r"vocab_size 40.*vocab_size 50"),
        ({"d_model": 32}, "heads of 8.*of 16"),
    ],
)
def test_warm_start_unfit_shape_says_which_size(tmp_path: Path, sizes: dict[str, int], said: str) -> None:
    export_hf(_trained(SHAPE), SHAPE, None, tmp_path)
    with pytest.raises(WarmStartError, match=said):
        warm_start(Llama(ModelShape(**{**SHAPE.as_dict(), **sizes})), tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "places"), [(6, 8, [0, 1, 2, 4, 5, 6]), (2, 2, [0, 1]), (6, 9, [0, 1, 3, 4, 6, 7])]
)
def test_spread_keeps_order_and_first(old: int, new: int, places: list[int]) -> None:
    assert spread(old, new) == places


def test_spread_too_deep_refused() -> None:
    with pytest.raises(WarmStartError, match="6 layers"):
        spread(6, 4)
