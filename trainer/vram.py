"""How much memory a phase of training wants, from the model's config.json and the recipe; no weights.

    weights      linear layers × bytes by bits + all other parameters × b
    adapters     b · all phases' parameters
    optimizer    (2·b + 16) · the training phase's: gradient and best epoch in b; float32 master, gradient
                 and two moments
    activations  tokens · layers · [ b·(2·h + 2·kv + 3·f) + w·inputs + 8·d ], kept for backward; with
                 gradient checkpointing tokens · (layers·b·d + one layer's [ … ])
    passing      the larger of tokens · b·(3·f + 2·d), a layer's backward, and the head's
                 trained · 2·b·d + rows · vocabulary · 8; + one float16 matrix where weights are dequantised

b: bytes of the compute dtype. d, f: hidden and inner width. h, kv: width of all query and of all key
heads. inputs: widths of what one layer's adapters read; with dropout each keeps a copy of its own and a
mask, so that w is b + 1 on CUDA and 2·b on the CPU, else b. tokens: of the largest micro-batch, trained:
of them with loss, rows: of `trainer.headloss`'s chunk. Bytes by bits: bf16 2, int8 1 (+ 4 a row), nf4 0.516
(double quantisation); embeddings and head stay in b.

What it does not know: the libraries' own memory (0.5 to 1 GB), fragmentation, the peak while weights are
read, and attention that keeps its scores. It was derived from Llama's layers; others are approximated.
Source: https://arxiv.org/abs/2205.05198 (activations), https://arxiv.org/abs/2305.14314 (NF4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.errors import ModelError
from trainer.headloss import CHUNK_LOGITS, CHUNK_LOGITS_CUDA, MIN_ROWS
from trainer.recipe import Phase

Precision = Literal["fp32", "bf16", "int8", "nf4"]
PRECISIONS: tuple[Precision, ...] = ("bf16", "int8", "nf4")
_WEIGHT_BYTES: dict[Precision, float] = {"fp32": 4, "bf16": 2, "int8": 1, "nf4": 0.5 + 1 / 64 + 4 / 64 / 256}

_LLAMA = {"model_type": "llama", "vocab_size": 128_256}
LLAMA_SHAPES: dict[str, dict[str, Any]] = {
    "Llama 1B": {
        **_LLAMA, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
        "num_attention_heads": 32, "num_key_value_heads": 8, "tie_word_embeddings": True,
    },
    "Llama 3B": {
        **_LLAMA, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28,
        "num_attention_heads": 24, "num_key_value_heads": 8, "tie_word_embeddings": True,
    },
    "Llama 8B": {
        **_LLAMA, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "tie_word_embeddings": False,
    },
}  # fmt: skip
"""The shapes of Llama 3.1 and 3.2, for comparison."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A model's sizes in numbers, as the formula wants them."""

    family: str
    parameters: int
    linear: int
    """Of them in linear layers that are quantised; the head is not."""
    rows: int
    """Output rows of these layers; int8 keeps a scale for each."""
    largest: int
    """Parameters of the largest linear layer."""
    layers: int
    hidden: int
    inner: int
    query: int
    """Heads × head width."""
    key: int
    vocabulary: int


@dataclass(frozen=True, slots=True)
class AdapterShape:
    """What a phase puts on a model."""

    parameters: int
    inputs: int
    """Widths of what the adapters of one layer read; what two of them share counts once without dropout."""
    dropout: bool


@dataclass(frozen=True, slots=True)
class Load:
    """What one micro-batch brings."""

    tokens: int
    """Computed, padding included."""
    trained: int
    """Of them with loss."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes by purpose, at the worst moment of the worst phase."""

    weights: int
    adapters: int
    optimizer: int
    activations: int
    passing: int

    @property
    def total(self) -> int:
        """All of them, in bytes."""
        return self.weights + self.adapters + self.optimizer + self.activations + self.passing


def meta_model(config: Any) -> Any:
    """A model of that configuration without weights: every tensor is on torch's meta device.

    Args:
        config: a transformers configuration.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    with torch.device("meta"):
        model = auto.from_config(config)
    model.tie_weights()
    model.requires_grad_(False)
    return model.eval()


def read_config(folder: Path) -> Any:
    """The transformers configuration in a model's folder.

    Raises:
        ModelError: it is missing or of an unknown kind.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as exc:
        reason = str(exc).splitlines()[0][:200]
        raise ModelError(
            f"{folder / 'config.json'} cannot be read ({reason}); fetch the model again."
        ) from exc


def llama_config(name: str) -> Any:
    """The configuration of one of `LLAMA_SHAPES`."""
    from transformers import LlamaConfig

    sizes = {key: value for key, value in LLAMA_SHAPES[name].items() if key != "model_type"}
    return LlamaConfig(**sizes, max_position_embeddings=131_072)


def model_shape(model: Any) -> Shape:
    """The numbers of a model, with weights or without."""
    from trainer.targets import linear_layers

    config = model.config
    matrices = [layer.weight for layer in linear_layers(model).values()]
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or getattr(config, "d_kv", None) or config.hidden_size // heads
    inner = (getattr(config, name, None) for name in ("intermediate_size", "d_ff", "n_inner"))
    layers = config.num_hidden_layers + (getattr(config, "num_decoder_layers", None) or 0)
    return Shape(
        family=config.model_type,
        parameters=sum(p.numel() for p in model.parameters()),
        linear=sum(w.numel() for w in matrices),
        rows=sum(w.shape[0] for w in matrices),
        largest=max((w.numel() for w in matrices), default=0),
        layers=layers,
        hidden=config.hidden_size,
        inner=next((n for n in inner if n), 4 * config.hidden_size),
        query=heads * width,
        key=(getattr(config, "num_key_value_heads", None) or heads) * width,
        vocabulary=model.get_input_embeddings().weight.shape[0],
    )


def adapter_shapes(config: Any, phases: Sequence[Phase]) -> list[AdapterShape]:
    """What each phase puts on a model of that configuration.

    Raises:
        ConfigError: a phase names layers that the model lacks.
    """
    from trainer.attach import attach, phase_targets, trained_parameters

    shapes = []
    for phase in phases:
        model = meta_model(config)
        depth = model_shape(model).layers
        dropout = phase.dropout > 0 and not phase.learns_prompt
        inputs = _inputs(model, phase_targets(model, phase).modules, shared=not dropout)
        count = sum(p.numel() for p in trained_parameters(attach(model, phase, [])).values())
        shapes.append(AdapterShape(count, math.ceil(inputs / depth), dropout))
    return shapes


def _inputs(model: Any, modules: Sequence[str], *, shared: bool) -> int:
    """Summed input widths of the adapted layers; with `shared` those of one block and width once."""
    from trainer.targets import linear_layers

    ends = tuple(f".{name}" for name in modules)
    found: dict[tuple[str, int], int] = {}
    for path, layer in linear_layers(model).items():
        if ends and f".{path}".endswith(ends):
            # GPT-2's layers lie (in, out)
            width = int(getattr(layer, "in_features", None) or layer.weight.shape[0])
            found[path.rpartition(".")[0] if shared else path, width] = width
    return sum(found.values())


def estimate(
    shape: Shape,
    adapters: Sequence[AdapterShape],
    loads: Sequence[Load],
    precision: Precision,
    *,
    checkpointing: bool,
    cuda: bool = True,
) -> Estimate:
    """Bytes of the worst phase.

    Args:
        adapters, loads: one of each a phase.
        precision: of the base's linear layers; fp32 computes in 4 bytes, all others in 2.
        cuda: the CPU keeps wider dropout masks and smaller chunks of logits.
    """
    b = 4 if precision == "fp32" else 2
    scales = 4 * shape.rows if precision == "int8" else 0
    weights = round(shape.linear * _WEIGHT_BYTES[precision] + (shape.parameters - shape.linear) * b + scales)
    beneath = b * sum(adapter.parameters for adapter in adapters)
    dequantised = 2 * shape.largest if precision in ("int8", "nf4") else 0
    parts = []
    for adapter, load in zip(adapters, loads, strict=True):
        layer = load.tokens * b * (3 * shape.inner + 2 * shape.hidden)
        parts.append(
            Estimate(
                weights,
                beneath,
                optimizer=(2 * b + 16) * adapter.parameters,
                activations=load.tokens * _kept(shape, adapter, b, checkpointing, cuda),
                passing=max(layer, _head(shape, load, b, cuda)) + dequantised,
            )
        )
    return max(parts, key=lambda part: part.total)


def _kept(shape: Shape, adapter: AdapterShape, b: int, checkpointing: bool, cuda: bool) -> int:
    """Bytes a token that wait for the backward pass."""
    dropped = (b + 1 if cuda else 2 * b) if adapter.dropout else b
    layer = b * (2 * shape.query + 2 * shape.key + 3 * shape.inner) + dropped * adapter.inputs
    layer += 8 * shape.hidden  # what two norms keep is float32
    return shape.layers * b * shape.hidden + layer if checkpointing else shape.layers * layer


def _head(shape: Shape, load: Load, b: int, cuda: bool) -> int:
    budget = CHUNK_LOGITS_CUDA if cuda else CHUNK_LOGITS
    rows = min(load.trained, max(MIN_ROWS, budget // shape.vocabulary))
    return 2 * load.trained * b * shape.hidden + rows * shape.vocabulary * 8
