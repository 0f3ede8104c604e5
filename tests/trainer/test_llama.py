"""The training Llama against transformers' own, and documents against one another."""

from pathlib import Path

import pytest
import torch

from trainer import varlen
from trainer.llama import Llama, ModelShape, export_hf, hf_config, hf_state_dict

SHAPE = ModelShape(vocab_size=96, d_model=32, n_layers=2, n_heads=4, n_kv_heads=2, d_ff=48, context=64)


def _model(shape: ModelShape = SHAPE, seed: int = 1) -> Llama:
    """Random weights everywhere: zero outputs would hide mistakes."""
    model = Llama(shape, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.2)
    return model


def _packed(*lengths: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, SHAPE.vocab_size, (sum(lengths),), generator=generator)
    positions = torch.cat([torch.arange(n) for n in lengths])
    bounds = torch.tensor([0, *lengths]).cumsum(0)
    return ids, positions, bounds


@pytest.mark.parametrize("tied", [True, False])
def test_logits_equal_transformers_in_fp32(tied: bool) -> None:
    from transformers import LlamaForCausalLM

    shape = ModelShape(**{**SHAPE.as_dict(), "tied": tied, "rope_theta": 500.0})
    model = _model(shape)
    peer = LlamaForCausalLM(hf_config(shape)).eval()
    missing, unexpected = peer.load_state_dict(hf_state_dict(model, torch.float32), strict=False)
    assert not unexpected
    assert set(missing) <= {"lm_head.weight"}
    ids, positions, bounds = _packed(40)
    with torch.no_grad():
        ours = model.logits(model(ids, positions, bounds))
        theirs = peer(ids.unsqueeze(0)).logits[0]
    assert (ours - theirs).abs().max() < 1e-4


def test_export_hf_loads_in_transformers_with_its_ends(tmp_path: Path) -> None:
    from safetensors import safe_open
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    model = _model()
    export_hf(model, SHAPE, None, tmp_path, torch.float32, eos_ids=[3, 5])
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert "lm_head.weight" not in file.keys()  # noqa: SIM118 - not a dict
    assert AutoConfig.from_pretrained(tmp_path).eos_token_id == [3, 5]
    assert GenerationConfig.from_pretrained(tmp_path).eos_token_id == [3, 5]
    peer = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    ids, positions, bounds = _packed(20)
    with torch.no_grad():
        ours = model.logits(model(ids, positions, bounds))
        assert (ours - peer(ids.unsqueeze(0)).logits[0]).abs().max() < 1e-4


def test_changing_one_document_leaves_the_others_unchanged() -> None:
    model = _model()
    ids, positions, bounds = _packed(9, 17, 12)
    other = ids.clone()
    other[:9] = (other[:9] + 1) % SHAPE.vocab_size
    other[26:] = (other[26:] + 1) % SHAPE.vocab_size
    with torch.no_grad():
        before = model(ids, positions, bounds)
        after = model(other, positions, bounds)
    assert torch.equal(before[9:26], after[9:26])
    assert not torch.allclose(before[:9], after[:9])


def test_packed_documents_equal_documents_alone() -> None:
    model = _model()
    ids, positions, bounds = _packed(9, 17, 12)
    with torch.no_grad():
        together = model(ids, positions, bounds)
        alone = model(ids[9:26], positions[9:26], torch.tensor([0, 17]))
    assert (together[9:26] - alone).abs().max() < 1e-5


def test_changing_a_token_leaves_earlier_ones_unchanged() -> None:
    model = _model()
    ids, positions, bounds = _packed(20)
    other = ids.clone()
    other[10] = (other[10] + 1) % SHAPE.vocab_size
    with torch.no_grad():
        before, after = model(ids, positions, bounds), model(other, positions, bounds)
    assert torch.equal(before[:10], after[:10])


def test_padding_rows_get_no_attention_and_no_gradient() -> None:
    q, k, v = (torch.randn(12, heads, 8, requires_grad=True) for heads in (4, 2, 2))
    out = varlen.attend(q, k, v, torch.tensor([0, 4, 9]))
    assert not out[9:].any()
    out.sum().backward()
    assert q.grad is not None
    assert not q.grad[9:].any()


def test_shape_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="n_heads"):
        ModelShape(d_model=30, n_heads=4)
