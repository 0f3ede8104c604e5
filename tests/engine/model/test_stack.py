"""The rank-masked stack against PEFT, against rows run alone, and against the untouched model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from engine.adapters import open_adapter
from engine.config import ProfileConfig
from engine.errors import AdapterError
from engine.model.load import load_model
from engine.model.lora import LoraPair, read_lora
from engine.model.stack import MaskedLinear, RankStack
from engine.types import Stack
from tests.engine.model.conftest import Tiny
from tests.tiny import make_tiny_adapter

CPU = torch.device("cpu")
IDENTITY, STYLE = ("identity", 1.0), ("style", 1.0)
SELECTIONS: dict[str, Stack] = {
    "base": (),
    "identity": (IDENTITY,),
    "style": (STYLE,),
    "both": (IDENTITY, STYLE),
}
IDS = torch.randint(0, 512, (4, 17), generator=torch.Generator().manual_seed(3))


def load(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()


def stacked(tiny: Tiny, dtype: torch.dtype = torch.float32) -> tuple[Any, RankStack]:
    model = load(tiny.model, dtype)
    stack = RankStack(model, CPU, dtype)
    for name, folder in (("identity", tiny.identity), ("style", tiny.style)):
        stack.add(name, read_lora(open_adapter(folder)))
    return model, stack


@torch.inference_mode()
def logits(model: Any, stack: RankStack, rows: list[Stack], ids: torch.Tensor = IDS) -> torch.Tensor:
    with stack.rows(stack.mask(rows)):
        out: torch.Tensor = model(input_ids=ids).logits
    return out


# --- against PEFT --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def peft_logits(tiny: Tiny) -> dict[str, torch.Tensor]:
    """What PEFT's own stacked adapters say, for each selection."""
    model = PeftModel.from_pretrained(load(tiny.model), tiny.identity, adapter_name="identity")
    model.load_adapter(tiny.style, "style")
    out = {}
    with torch.inference_mode():
        for name, selection in SELECTIONS.items():
            if selection:
                model.base_model.set_adapter([adapter for adapter, _ in selection])
                out[name] = model(input_ids=IDS).logits
            else:
                with model.disable_adapter():
                    out[name] = model(input_ids=IDS).logits
    return out


@pytest.mark.parametrize("selection", SELECTIONS)
def test_stack_selection_equals_peft(
    tiny: Tiny, peft_logits: dict[str, torch.Tensor], selection: str
) -> None:
    """Ranks 8 (LoRA, all layers) and 32 (rsLoRA, q/k/v only) side by side."""
    model, stack = stacked(tiny)
    mine = logits(model, stack, [SELECTIONS[selection]])
    assert (mine - peft_logits[selection]).abs().max() <= 1e-5
    if selection != "base":  # the adapters do something, so the equality above means something
        assert (mine - peft_logits["base"]).abs().max() > 1e-2


def test_stack_alpha_pattern_equals_peft(tiny: Tiny, tmp_path: Path) -> None:
    folder = make_tiny_adapter(
        tiny.model,
        tmp_path / "a",
        "odd",
        4,
        8.0,
        5,
        alpha_pattern={"k_proj": 1.0, "layers.0.mlp.up_proj": 32.0},
    )
    model = load(tiny.model)
    stack = RankStack(model, CPU, torch.float32)
    stack.add("odd", read_lora(open_adapter(folder)))
    theirs = PeftModel.from_pretrained(load(tiny.model), folder)
    with torch.inference_mode():
        expected = theirs(input_ids=IDS).logits
    assert (logits(model, stack, [(("odd", 1.0),)]) - expected).abs().max() <= 1e-5


def test_stack_gpt2_conv1d_equals_peft() -> None:
    """GPT-2 keeps its linear layers transposed, in a class of its own."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=512, n_positions=64, n_embd=32, n_layer=2, n_head=2)
    base = GPT2LMHeadModel(config).eval()
    state = {k: v.clone() for k, v in base.state_dict().items()}
    lora = LoraConfig(r=4, lora_alpha=8, target_modules=["c_attn", "c_fc"], fan_in_fan_out=True)
    theirs = get_peft_model(base, lora).eval()
    pairs: dict[str, LoraPair] = {}
    for name, module in theirs.base_model.model.named_modules():
        if hasattr(module, "lora_A") and "default" in module.lora_A:
            nn.init.normal_(module.lora_B["default"].weight, std=0.05)
            a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
            pairs[name] = LoraPair(a.detach().clone(), b.detach().clone() * 2.0)  # alpha / r
    assert len(pairs) == 4
    mine = GPT2LMHeadModel(config).eval()
    mine.load_state_dict(state)
    stack = RankStack(mine, CPU, torch.float32)
    stack.add("x", pairs)
    with torch.inference_mode():
        expected = theirs(input_ids=IDS).logits
    assert (logits(mine, stack, [(("x", 1.0),)]) - expected).abs().max() <= 1e-5


# --- mixed batches -------------------------------------------------------------------------


def test_stack_mixed_batch_rows_equal_the_rows_alone(tiny: Tiny) -> None:
    model, stack = stacked(tiny)
    rows: list[Stack] = [(), (IDENTITY, STYLE), (IDENTITY,), (("identity", 0.25), ("style", 0.5))]
    together = logits(model, stack, rows)
    for i, row in enumerate(rows):
        alone = logits(model, stack, [row], IDS[i : i + 1])
        assert (together[i : i + 1] - alone).abs().max() <= 1e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_stack_base_rows_are_the_base_model_bit_for_bit(tiny: Tiny, dtype: torch.dtype) -> None:
    with torch.inference_mode():
        untouched = load(tiny.model, dtype)(input_ids=IDS).logits
    model, stack = stacked(tiny, dtype)
    assert torch.equal(logits(model, stack, [()]), untouched)
    mixed = logits(model, stack, [(), (IDENTITY, STYLE), (STYLE,), ()])
    assert torch.equal(mixed[[0, 3]], untouched[[0, 3]])
    assert not torch.equal(mixed[1], untouched[1])
    assert not torch.equal(mixed[2], untouched[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_layer_base_row_keeps_negative_zero_and_survives_overflow(dtype: torch.dtype) -> None:
    """0 * inf is NaN and -0.0 + 0.0 is 0.0: a masked-out row must meet neither."""
    layer, stack = one_layer(dtype)
    layer.base = NegativeZeros(4, 3, bias=False, dtype=dtype)
    layer.a.fill_(torch.finfo(dtype).max)  # A x is inf in every row
    x = torch.ones(3, 2, 4, dtype=dtype)
    with stack.rows(stack.mask([(), (("p", 1.0),), (("q", 1.0),)])):
        y = layer(x)
    assert torch.equal(y[0], torch.zeros(2, 3, dtype=dtype))
    assert y[0].signbit().all()
    assert not torch.isfinite(y[1]).all()  # the row that asked for it does overflow


class NegativeZeros(nn.Linear):
    """A layer whose every output is -0.0, which a product of matrices rarely is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.full((*x.shape[:-1], self.out_features), -0.0, dtype=x.dtype)


def test_layer_column_off_survives_overflow_of_another_adapter() -> None:
    """An adapter that overflows spoils the rows it is on in, not those of the adapter beside it."""
    layer, stack = one_layer(torch.float32)
    with torch.no_grad():
        layer.a[2:].fill_(torch.finfo(torch.float32).max)  # q's columns; p has the first two
    x = torch.ones(1, 2, 4)
    for rows in ([(("p", 1.0),)], [(("p", 1.0),), (("p", 1.0), ("q", 0.0))]):
        with stack.rows(stack.mask(rows)):
            assert torch.isfinite(layer(x.expand(len(rows), 2, 4))).all()


def one_layer(dtype: torch.dtype) -> tuple[MaskedLinear, RankStack]:
    """A model of one 4 -> 3 layer with adapters p (rank 2) and q (rank 5)."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 3, bias=False, dtype=dtype))
    stack = RankStack(model, CPU, dtype)
    stack.add("p", {"0": LoraPair(torch.randn(2, 4), torch.randn(3, 2))})
    stack.add("q", {"0": LoraPair(torch.randn(5, 4), torch.randn(3, 5))})
    layer = model[0]
    assert isinstance(layer, MaskedLinear)
    return layer, stack


def test_layer_packed_tokens_take_their_own_masks() -> None:
    layer, stack = one_layer(torch.float32)
    tokens: list[Stack] = [(), (("p", 1.0),), (("p", 0.5), ("q", 1.0)), (("q", 1.0),), ()]
    x = torch.randn(1, len(tokens), 4)
    with stack.rows(stack.mask(tokens, per_token=True)):
        packed = layer(x)
    for i, token in enumerate(tokens):
        with stack.rows(stack.mask([token])):
            assert torch.allclose(packed[:, i], layer(x[:, i : i + 1])[:, 0], atol=1e-6)
    assert torch.equal(packed[:, [0, 4]], layer.base(x)[:, [0, 4]])


def test_layer_strength_scales_the_delta() -> None:
    layer, stack = one_layer(torch.float32)
    x = torch.randn(1, 3, 4)
    base = layer.base(x)

    def delta(strength: float) -> torch.Tensor:
        with stack.rows(stack.mask([(("p", strength),)])):
            out: torch.Tensor = layer(x) - base
        return out

    assert torch.allclose(delta(0.25), delta(1.0) * 0.25, atol=1e-6)
    assert torch.equal(delta(0.0), torch.zeros_like(base))


def test_layer_flattened_batch_of_unlike_rows_is_refused() -> None:
    layer, stack = one_layer(torch.float32)
    with stack.rows(stack.mask([(), (("p", 1.0),)])), pytest.raises(AdapterError, match="flattens"):
        layer(torch.randn(6, 4))
    with stack.rows(stack.mask([(("p", 1.0),)])):  # rows alike need no telling apart
        assert layer(torch.randn(6, 4)).shape == (6, 3)


# --- coming and going ----------------------------------------------------------------------


def test_stack_outside_of_rows_is_the_base_model(tiny: Tiny) -> None:
    model, stack = stacked(tiny)
    with torch.inference_mode():
        assert torch.equal(model(input_ids=IDS).logits, load(tiny.model)(input_ids=IDS).logits)
    with pytest.raises(KeyError), stack.rows(stack.mask([(IDENTITY,)])):
        raise KeyError
    with torch.inference_mode():  # a forward that failed leaves no mask behind
        assert torch.equal(model(input_ids=IDS).logits, load(tiny.model)(input_ids=IDS).logits)


def test_stack_remove_leaves_the_other_adapter_and_then_plain_layers(
    tiny: Tiny, peft_logits: dict[str, torch.Tensor]
) -> None:
    model, stack = stacked(tiny)
    mask = stack.mask([(IDENTITY, STYLE)])  # made before, used after: it follows the layout
    stack.remove("identity")
    with torch.inference_mode(), stack.rows(mask):
        assert (model(input_ids=IDS).logits - peft_logits["style"]).abs().max() <= 1e-5
    assert type(model.model.layers[0].mlp.up_proj) is nn.Linear  # style has no columns there
    stack.remove("style")
    assert not any(isinstance(m, MaskedLinear) for m in model.modules())
    assert stack.names == ()


def test_stack_add_after_remove_goes_behind_the_others(
    tiny: Tiny, peft_logits: dict[str, torch.Tensor]
) -> None:
    model, stack = stacked(tiny)
    stack.remove("identity")
    stack.add("identity", read_lora(open_adapter(tiny.identity)))
    assert stack.names == ("style", "identity")
    assert (logits(model, stack, [(IDENTITY, STYLE)]) - peft_logits["both"]).abs().max() <= 1e-5


@pytest.mark.parametrize(
    ("module", "shape", "message"),
    [
        ("model.layers.9.self_attn.q_proj", (64, 64), "which this model lacks"),
        ("model.layers.0.self_attn.q_proj", (63, 64), "maps 63 to 64"),
        ("model.norm", (64, 64), "not a linear layer"),
    ],
)
def test_stack_add_that_does_not_fit_changes_nothing(
    tiny: Tiny, module: str, shape: tuple[int, int], message: str
) -> None:
    model, stack = stacked(tiny)
    before = logits(model, stack, [(IDENTITY, STYLE)])
    fits = LoraPair(torch.ones(2, 64), torch.ones(64, 2))
    wrong = LoraPair(torch.ones(2, shape[0]), torch.ones(shape[1], 2))
    with pytest.raises(AdapterError, match=message):
        stack.add("bad", {"model.layers.1.self_attn.q_proj": fits, module: wrong})
    assert stack.names == ("identity", "style")
    assert torch.equal(logits(model, stack, [(IDENTITY, STYLE)]), before)


def test_stack_add_twice_and_remove_unknown_are_refused(tiny: Tiny) -> None:
    _, stack = stacked(tiny)
    with pytest.raises(AdapterError, match="loaded already"):
        stack.add("style", read_lora(open_adapter(tiny.style)))
    with pytest.raises(AdapterError, match="not loaded"):
        stack.remove("humour")


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_stack_quantized_base_keeps_its_bits_and_gets_the_delta(tiny: Tiny, quantization: Any) -> None:
    """A packed weight says nothing of a layer's sizes, and PEFT on top of one is no reference on a CPU."""
    profile = ProfileConfig(device="cpu", dtype="float32", quantization=quantization)
    model = load_model(str(tiny.model), profile).model
    layer = model.model.layers[1].mlp.down_proj
    assert type(layer).__name__ == {"nf4": "Linear4bit", "int8": "Linear8bitLt"}[quantization]
    stack = RankStack(model, CPU, torch.float32)
    x = torch.randn(4, 5, 128, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        untouched, plain = model(input_ids=IDS).logits, layer(x)
    pairs = read_lora(open_adapter(tiny.identity))
    stack.add("identity", pairs)
    rows: list[Stack] = [(), (IDENTITY,), (("identity", 0.5),), ()]
    assert torch.equal(logits(model, stack, [()]), untouched)
    if quantization == "nf4":  # int8 picks its outlier columns over all rows of a batch
        assert torch.equal(logits(model, stack, rows)[[0, 3]], untouched[[0, 3]])
    with torch.inference_mode(), stack.rows(stack.mask(rows)):
        y = model.model.layers[1].mlp.down_proj(x)
    pair = pairs["model.layers.1.mlp.down_proj"]
    delta = x @ pair.a.T @ pair.b.T * torch.tensor([0.0, 1.0, 0.5, 0.0])[:, None, None]
    assert delta[1].abs().max() > 0.1
    assert torch.equal(y[[0, 3]], plain[[0, 3]])
    assert torch.allclose(y, plain + delta, atol=1e-4)
    stack.remove("identity")
    assert model.model.layers[1].mlp.down_proj is layer
