"""A LoRA adapter as llama.cpp reads it: one GGUF file, tensors `blk.0.attn_q.weight.lora_a` and `.lora_b`.

llama.cpp stores the query and key rows of Llama models in another order, since it turns pairs of
neighbours where transformers turns halves; an adapter's B has to follow. It computes
`alpha / rank · B (A x)`, so a B that carries its scaling gets alpha = rank.

`read_gguf` undoes all of it. This module knows nothing of Modelfiles.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.errors import AdapterError, ConfigError
from engine.model.lora import LoraPair, LoraWeights

_SIDES = (".weight.lora_a", ".weight.lora_b")


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a base model decides names and order."""

    arch: str
    """llama.cpp's name."""
    blocks: int
    heads: int
    kv_heads: int
    reordered: bool
    """Whether query and key rows are in another order than in transformers."""
    fused: bool
    """Whether query, key and value are one layer, and gate and up another."""


_ARCHS = {
    "llama": ("llama", True, False),
    "mistral": ("llama", True, False),
    "qwen2": ("qwen2", False, False),
    "qwen3": ("qwen3", False, False),
    "phi3": ("phi3", False, True),
}


def shape_of(config: Any) -> Shape:
    """Read a transformers configuration.

    Raises:
        AdapterError: this architecture's layout in llama.cpp is not known here.
    """
    kind = str(config.model_type)
    if kind not in _ARCHS:
        raise AdapterError(
            f"A {kind} model's adapters cannot be written as GGUF; known: {', '.join(sorted(_ARCHS))}. "
            "Use `understudy export merged` and llama.cpp's own converter."
        )
    arch, reordered, fused = _ARCHS[kind]
    heads = int(config.num_attention_heads)
    kv_heads = int(getattr(config, "num_key_value_heads", None) or heads)
    return Shape(arch, int(config.num_hidden_layers), heads, kv_heads, reordered, fused)


def write_gguf(path: Path, name: str, weights: LoraWeights, shape: Shape, dtype: str) -> None:
    """Write one adapter.

    Args:
        name: shown by llama.cpp.
        dtype: float32 or float16.

    Raises:
        AdapterError: a module has no name in llama.cpp.
        ConfigError: the package `gguf` is missing.
    """
    gguf = _gguf()
    rank = max(pair.rank for pair in weights.values())
    writer = gguf.GGUFWriter(path, shape.arch)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_name(name)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(rank))
    names = _names(shape)
    for module, pair in weights.items():
        if module not in names:
            raise AdapterError(
                f"{name} changes {module}, which has no adapter in llama.cpp; export it merged."
            )
        a, b = torch.zeros(rank, pair.a.shape[1]), torch.zeros(pair.b.shape[0], rank)
        a[: pair.rank], b[:, : pair.rank] = pair.a, pair.b  # one alpha for all: thinner ones get zeros
        for side, matrix in zip(_SIDES, (a, reorder(b, module, shape)), strict=True):
            writer.add_tensor(names[module] + side, matrix.numpy().astype(getattr(np, dtype)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read_gguf(path: Path, shape: Shape) -> dict[str, LoraPair]:
    """The adapter in transformers' names and order, its scaling folded in.

    Raises:
        AdapterError: the file is no LoRA adapter for this architecture.
    """
    gguf = _gguf()
    reader = gguf.GGUFReader(path)

    def field(key: str) -> Any:
        found = reader.get_field(key)
        return None if found is None else found.contents()

    told = (field("general.type"), field("general.architecture"), field("adapter.type"))
    if told != ("adapter", shape.arch, "lora"):
        raise AdapterError(f"{path} is no LoRA adapter for {shape.arch} but {told}; export it again.")
    alpha = float(field("adapter.lora.alpha"))
    modules = {tensor: module for module, tensor in _names(shape).items()}
    sides: dict[str, dict[str, Tensor]] = {}
    for tensor in reader.tensors:
        stem, dot, side = tensor.name.rpartition(".weight.")
        if not dot or stem not in modules:
            raise AdapterError(f"{path} holds {tensor.name}, which is no adapter of {shape.arch}.")
        values: NDArray[Any] = np.array(tensor.data)  # a copy: the reader maps the file
        sides.setdefault(modules[stem], {})[side] = torch.from_numpy(values).float()
    pairs = {}
    for module, both in sides.items():
        a, b = both["lora_a"], both["lora_b"]
        pairs[module] = LoraPair(a, restore(b, module, shape) * (alpha / a.shape[0]))
    return pairs


def reorder(b: Tensor, module: str, shape: Shape) -> Tensor:
    """Rows (out, r) from transformers' halves to llama.cpp's neighbours, head by head."""
    heads = _heads(module, shape)
    if not heads:
        return b
    return b.reshape(heads, 2, -1, b.shape[1]).transpose(1, 2).reshape(b.shape).contiguous()


def restore(b: Tensor, module: str, shape: Shape) -> Tensor:
    """The inverse of `reorder`."""
    heads = _heads(module, shape)
    if not heads:
        return b
    return b.reshape(heads, -1, 2, b.shape[1]).transpose(1, 2).reshape(b.shape).contiguous()


def _heads(module: str, shape: Shape) -> int:
    """How many heads a module's rows belong to, where their order differs; else 0."""
    if not shape.reordered:
        return 0
    return {"q_proj": shape.heads, "k_proj": shape.kv_heads}.get(module.rpartition(".")[2], 0)


def _names(shape: Shape) -> dict[str, str]:
    """Module of transformers -> tensor of llama.cpp, for the linear layers inside the blocks."""
    gguf = _gguf()
    arch = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == shape.arch)
    table = gguf.get_tensor_name_map(arch, shape.blocks)
    # not both at once: the table calls up_proj and gate_up_proj alike
    attention, inner = (
        (("qkv", "o"), ("gate_up", "down")) if shape.fused else ("qkvo", ("gate", "up", "down"))
    )
    parts = [f"self_attn.{part}_proj" for part in attention] + [f"mlp.{part}_proj" for part in inner]
    modules = [f"model.layers.{i}.{part}" for i in range(shape.blocks) for part in parts]
    return {module: tensor for module in modules if (tensor := table.get_name(module))}


def _gguf() -> Any:
    try:
        import gguf
    except ImportError as exc:
        raise ConfigError('GGUF files need the package gguf: pip install "understudy[export]".') from exc
    logging.getLogger("gguf").setLevel(logging.WARNING)  # it tells of every file it writes
    return gguf
