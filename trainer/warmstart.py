"""Starts a model from an exported folder, deeper where the new shape is deeper.

A layer whose outputs are zero changes nothing, and that is how new layers are born, so the grown
model answers exactly as the folder's own until it is trained. Knows nothing of runs or optimizers.
"""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from trainer.llama import Llama, load_hf_state_dict

_SAME = {
    "vocab_size": "vocab_size",
    "d_model": "hidden_size",
    "n_heads": "num_attention_heads",
    "n_kv_heads": "num_key_value_heads",
    "d_ff": "intermediate_size",
}


class WarmStartError(ValueError):
    """The folder cannot start this shape; the message says which size differs."""


def warm_start(model: Llama, folder: Path) -> list[int]:
    """Fill `model` with a folder's weights.

    Args:
        model: freshly made; as wide as the folder's, at least as deep.
        folder: config.json and model.safetensors of a Llama, as `export_hf` writes them.

    Returns:
        for each layer of the folder's, its index in `model`; the others are new, and identities.

    Raises:
        WarmStartError: the sizes differ, or the folder is deeper.
        OSError: a file is missing.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for ours, theirs in _SAME.items():
        if getattr(model.shape, ours) != config[theirs]:
            raise WarmStartError(
                f"{folder} has {theirs} {config[theirs]}, the run's model {ours} "
                f"{getattr(model.shape, ours)}; they must be equal to start from it"
            )
    places = spread(config["num_hidden_layers"], model.shape.n_layers)
    state = load_file(folder / "model.safetensors")
    moved: dict[str, Tensor] = {
        name: tensor for name, tensor in state.items() if not name.startswith("model.layers.")
    }
    for old, new in enumerate(places):
        prefix = f"model.layers.{old}."
        moved |= {
            f"model.layers.{new}.{name.removeprefix(prefix)}": tensor
            for name, tensor in state.items()
            if name.startswith(prefix)
        }
    load_hf_state_dict(model, moved, layers=places)
    return places


def spread(old: int, new: int) -> list[int]:
    """Where `old` layers go among `new`, in order, the first staying first and the gaps even.

    Raises:
        WarmStartError: there are more old layers than new.
    """
    if old > new:
        raise WarmStartError(f"the folder has {old} layers, the run's model only {new}")
    return [i * new // old for i in range(old)]
