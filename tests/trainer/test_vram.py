"""The memory estimate against counted tensors of a real training, and against known models' sizes."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
from small_models import (
    CAUSAL,
    examples,
    one_thread,  # noqa: F401 a fixture
    small_config,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from engine.errors import ConfigError
from trainer.attach import attach, trained_parameters
from trainer.lora import train_phase
from trainer.recipe import Phase, Recipe
from trainer.vram import (
    PRECISIONS,
    Load,
    adapter_shapes,
    estimate,
    llama_config,
    meta_model,
    model_shape,
)


class CountedTensors(TorchDispatchMode):
    """Bytes of all tensors that are alive, and the most there ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, int] = {}
        self.now = self.peak = 0

    def see(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self.alive and storage.nbytes():
            self.alive[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._gone, key)

    def _gone(self, key: int) -> None:
        self.now -= self.alive.pop(key, 0)

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        for value in tree_iter((args, kwargs, out)):
            if isinstance(value, torch.Tensor):
                self.see(value)
        return out


def phase(**changes: Any) -> Phase:
    return Phase(**{"name": "style", "r": 8, "learning_rate": 1e-3, "epochs": 2, **changes})


@pytest.mark.parametrize(
    ("checkpointing", "dropout", "dtype"),
    [
        (False, 0.1, torch.float32),
        (False, 0.0, torch.float32),
        (True, 0.1, torch.float32),
        (False, 0.1, torch.bfloat16),
    ],
)
def test_estimate_of_a_real_training_is_near_its_counted_peak(
    checkpointing: bool, dropout: float, dtype: torch.dtype
) -> None:
    from transformers import AutoModelForCausalLM

    config = small_config(
        "llama", hidden_size=128, intermediate_size=320, num_hidden_layers=4, num_attention_heads=8,
        num_key_value_heads=4, vocab_size=1024,
    )  # fmt: skip
    base = AutoModelForCausalLM.from_config(config).to(dtype).requires_grad_(False)
    one = phase(dropout=dropout)
    recipe = Recipe(batch_size=4, accumulation=1, phase=[one], gradient_checkpointing=checkpointing)
    rows = examples([256] * 4)
    model = attach(base, one, [])
    with CountedTensors() as counted:
        for parameter in model.parameters():
            counted.see(parameter)
        train_phase(model, one, recipe, rows, examples([32], seed=1), 3)
    told = estimate(
        model_shape(meta_model(config)),
        adapter_shapes(config, [one]),
        [Load(4 * 256, sum(e.trained for e in rows))],
        "fp32" if dtype == torch.float32 else "bf16",
        checkpointing=checkpointing,
        cuda=False,
    )
    assert 0.95 < told.total / counted.peak < 1.2


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("Llama 1B", 1_235_814_400), ("Llama 3B", 3_212_749_824), ("Llama 8B", 8_030_261_248)],
)
def test_llama_shapes_have_the_published_parameter_counts(name: str, parameters: int) -> None:
    shape = model_shape(meta_model(llama_config(name)))
    assert shape.parameters == parameters
    embeddings = shape.vocabulary * shape.hidden * (2 if name == "Llama 8B" else 1)
    norms = shape.hidden * (2 * shape.layers + 1)
    assert shape.linear == parameters - embeddings - norms


def test_adapter_shapes_of_llama_3b_match_the_arithmetic_of_ranks() -> None:
    (adapter,) = adapter_shapes(llama_config("Llama 3B"), [phase(r=8)])
    assert adapter.parameters == 28 * 8 * ((3072 + 3072) + 2 * (3072 + 1024))
    assert adapter.inputs == 3 * 3072  # with dropout each of q, k and v keeps its own


@pytest.mark.parametrize("family", CAUSAL)
@pytest.mark.parametrize("method", ["lora", "dora", "prefix", "p-tuning"])
def test_adapter_shapes_count_what_a_real_model_would_train(family: str, method: str) -> None:
    from small_models import small_model

    one = phase(method=method)
    real = trained_parameters(attach(small_model(family), one, []))
    (told,) = adapter_shapes(small_config(family), [one])
    assert told.parameters == sum(p.numel() for p in real.values()) > 0


def test_adapter_shapes_unknown_layer_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="flux"):
        adapter_shapes(small_config("llama"), [phase(target_modules=["flux"])])


def test_nf4_bytes_are_those_of_bitsandbytes() -> None:
    functional = pytest.importorskip("bitsandbytes.functional")
    packed, state = functional.quantize_4bit(
        torch.randn(2048, 2048), quant_type="nf4", compress_statistics=True
    )
    held = packed.nbytes + state.absmax.nbytes + state.state2.absmax.nbytes
    config = small_config("llama")
    shape = replace(model_shape(meta_model(config)), parameters=2048**2, linear=2048**2)
    told = estimate(shape, adapter_shapes(config, [phase()]), [Load(1, 1)], "nf4", checkpointing=False)
    assert told.weights == pytest.approx(held, rel=1e-3)


def test_estimate_fewer_bits_and_checkpointing_want_less() -> None:
    config = llama_config("Llama 3B")
    shape, adapters = model_shape(meta_model(config)), adapter_shapes(config, [phase()])
    load = [Load(2048, 500)]
    off = [estimate(shape, adapters, load, p, checkpointing=False).total for p in PRECISIONS]
    on = [estimate(shape, adapters, load, p, checkpointing=True).total for p in PRECISIONS]
    assert off == sorted(off, reverse=True) and on == sorted(on, reverse=True)
    assert all(a > b for a, b in zip(off, on, strict=True))
    assert 6 * 10**9 < estimate(shape, adapters, load, "bf16", checkpointing=True).weights < 6.5 * 10**9


def test_estimate_takes_the_worst_phase() -> None:
    config = small_config("llama")
    phases = [phase(name="a", r=4), phase(name="b", r=64)]
    shape, adapters = model_shape(meta_model(config)), adapter_shapes(config, phases)
    loads = [Load(1000, 100), Load(1000, 100)]
    told = estimate(shape, adapters, loads, "fp32", checkpointing=False)
    assert told.optimizer == 24 * adapters[1].parameters
    assert told.adapters == 4 * sum(a.parameters for a in adapters)
