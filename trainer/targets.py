"""From a recipe's names of layers (q, k, v, o, gate, up, down, all-linear) to a model's own.

    recipe   Llama, Mistral, Qwen2   Phi-3          GPT-2, DialoGPT   T5, FLAN-T5
    q k v    q_proj k_proj v_proj    qkv_proj       c_attn            q k v
    o        o_proj                  o_proj         attn.c_proj       o
    gate up  gate_proj up_proj       gate_up_proj   – mlp.c_fc        wi_0 wi_1 (T5: – wi)
    down     down_proj               down_proj      mlp.c_proj        wo

The names are looked for in the loaded model, so that a model which is not in this table works as
long as it uses one of these words. A name that the model has literally is taken as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import ConfigError

_WORDS: dict[str, tuple[str, ...]] = {
    "q": ("q_proj", "q", "query", "qkv_proj", "c_attn", "query_key_value", "Wqkv"),
    "k": ("k_proj", "k", "key", "qkv_proj", "c_attn", "query_key_value", "Wqkv"),
    "v": ("v_proj", "v", "value", "qkv_proj", "c_attn", "query_key_value", "Wqkv"),
    "o": ("o_proj", "o", "attn.c_proj", "out_proj", "attention.dense"),
    "gate": ("gate_proj", "wi_0", "gate_up_proj"),
    "up": ("up_proj", "wi_1", "wi", "gate_up_proj", "mlp.c_fc", "fc1", "dense_h_to_4h"),
    "down": ("down_proj", "wo", "mlp.c_proj", "fc2", "dense_4h_to_h"),
}
_FUSED = {
    "qkv_proj": "q, k and v",
    "c_attn": "q, k and v",
    "query_key_value": "q, k and v",
    "Wqkv": "q, k and v",
    "gate_up_proj": "gate and up",
}


@dataclass(frozen=True, slots=True)
class Targets:
    """Layers to adapt."""

    modules: tuple[str, ...]
    """Ends of module names, as PEFT matches them."""
    notes: tuple[str, ...] = ()
    """What a user of the recipe should know, a sentence each."""
    transposed: bool = False
    """The layers are GPT-2's Conv1D, whose weights lie (in, out)."""


def find_targets(model: Any, wanted: Sequence[str] | Literal["all-linear"]) -> Targets:
    """The model's modules for a recipe's names.

    Args:
        model: a transformers model, with or without PEFT's wrappers.
        wanted: names of `_WORDS`, such words with `_proj` behind them, or the model's own names.

    Raises:
        ConfigError: a name has nothing to stand for; lists what the model has.
    """
    layers = linear_layers(model)
    if wanted == "all-linear":
        return Targets(_leaves(layers), (), _transposed(layers.values()))
    found: dict[str, list[str]] = {}
    for name in wanted:
        found.setdefault(_resolve(name, layers), []).append(name)
    notes = [
        f"{module} holds {_FUSED[module]} in one matrix, so the adapter changes all of them."
        for module in found
        if module in _FUSED
    ]
    chosen = [layer for path, layer in layers.items() if any(_ends(path, m) for m in found)]
    return Targets(tuple(sorted(found)), tuple(notes), _transposed(chosen))


def linear_layers(model: Any) -> dict[str, Any]:
    """Linear layers and Conv1Ds by full name, the output head left out."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    layers = {}
    for path, module in model.named_modules():
        path = path.removesuffix(".base_layer").removeprefix("base_model.model.")
        inside = any(part.startswith("lora_") for part in path.split("."))
        if isinstance(module, nn.Linear | Conv1D) and module is not head and not inside:
            layers[path] = module
    return layers


def _resolve(name: str, layers: dict[str, Any]) -> str:
    if any(_ends(path, name) for path in layers):
        return name
    for word in _WORDS.get(name.removesuffix("_proj"), ()):
        if any(_ends(path, word) for path in layers):
            return word
    have = ", ".join(_leaves(layers)) or "no linear layer"
    raise ConfigError(
        f"target_modules names {name}, which this model lacks; it has {have} (or write all-linear, or "
        f"one of {', '.join(_WORDS)})."
    )


def _ends(path: str, name: str) -> bool:
    return path == name or path.endswith(f".{name}")


def _leaves(layers: dict[str, Any]) -> tuple[str, ...]:
    return tuple(sorted({path.rpartition(".")[2] for path in layers}))


def _transposed(layers: Any) -> bool:
    from transformers.pytorch_utils import Conv1D

    return any(isinstance(layer, Conv1D) for layer in layers)
