"""Starts a model from an exported folder, wider and deeper where the new shape is.

What is new writes zeros: new layers and heads and the wider feed-forward add nothing, and new
dimensions of the residual hold nothing. The grown model answers exactly as the folder's own until
it is trained; what reads the new dimensions is random, so that they learn apart. Knows nothing of
runs or optimizers.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from trainer.llama import Llama, ModelShape, hf_state_dict, load_hf_state_dict

_FIXED = {"vocab_size": "vocab_size", "n_kv_heads": "num_key_value_heads"}
_GROWING = {
    "d_model": "hidden_size",
    "n_heads": "num_attention_heads",
    "d_ff": "intermediate_size",
}


class WarmStartError(ValueError):
    """The folder cannot start this shape; the message says which size differs."""


def warm_start(model: Llama, folder: Path) -> list[int]:
    """Fill `model` with a folder's weights.

    Args:
        model: freshly made; at least as wide and deep as the folder's, with heads of the same size.
        folder: config.json and model.safetensors of a Llama, as `export_hf` writes them.

    Returns:
        for each layer of the folder's, its index in `model`; the others are new, and identities.

    Raises:
        WarmStartError: a size differs that must not, or the folder's is larger.
        OSError: a file is missing.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    _check(config, model.shape, folder)
    places = spread(config["num_hidden_layers"], model.shape.n_layers)
    old = load_file(folder / "model.safetensors")
    new = hf_state_dict(model, model.embed.dtype)
    for name, tensor in old.items():
        _settle(new[_placed(name, places)], tensor.float(), name, model.shape.n_kv_heads)
    load_hf_state_dict(model, new)
    return places


def spread(old: int, new: int) -> list[int]:
    """Where `old` layers go among `new`, in order, the first staying first and the gaps even.

    Raises:
        WarmStartError: there are more old layers than new.
    """
    if old > new:
        raise WarmStartError(f"the folder has {old} layers, the run's model only {new}")
    return [i * new // old for i in range(old)]


def _check(config: dict[str, Any], shape: ModelShape, folder: Path) -> None:
    head_dim = config["hidden_size"] // config["num_attention_heads"]
    if head_dim != shape.head_dim:
        raise WarmStartError(f"{folder} has heads of {head_dim}, the run's model of {shape.head_dim}")
    for ours, theirs in _FIXED.items():
        if getattr(shape, ours) != config[theirs]:
            raise WarmStartError(
                f"{folder} has {theirs} {config[theirs]}, the run's model {ours} "
                f"{getattr(shape, ours)}; they must be equal to start from it"
            )
    for ours, theirs in _GROWING.items():
        if getattr(shape, ours) < config[theirs]:
            raise WarmStartError(
                f"{folder} has {theirs} {config[theirs]}, the run's model only {ours} "
                f"{getattr(shape, ours)}; it must not be smaller"
            )


def _placed(name: str, places: list[int]) -> str:
    """A weight's name after its layer has moved."""
    if not name.startswith("model.layers."):
        return name
    _, _, layer, rest = name.split(".", 3)
    return f"model.layers.{places[int(layer)]}.{rest}"


def _settle(new: Tensor, old: Tensor, name: str, groups: int) -> None:
    """Writes an old weight into its corner of the new one, in place."""
    if old.dim() == 1:  # a norm: the root mean square falls as zeros are added
        shrunk = math.sqrt(len(old) / len(new))
        new.fill_(float(old.mean()) * shrunk)
        new[: len(old)] = old * shrunk
    elif "q_proj" in name:  # rows are heads in groups that share keys
        to, of = new.view(groups, -1, new.shape[1]), old.view(groups, -1, old.shape[1])
        to[:, : of.shape[1], : of.shape[2]] = of
    elif "o_proj" in name:  # columns are those heads
        to, of = new.view(len(new), groups, -1), old.view(len(old), groups, -1)
        to[: len(old), :, : of.shape[2]] = of
    else:
        if "embed_tokens" in name or "lm_head" in name:
            new.zero_()
        new[: old.shape[0], : old.shape[1]] = old
