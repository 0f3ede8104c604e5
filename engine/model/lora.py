"""Reads an adapter's tensors, with each module's scaling already folded into its B.

rsLoRA scales by alpha / sqrt(r) where LoRA scales by alpha / r, so the factor belongs to the adapter
and has to go in before ranks are concatenated. This module knows nothing of the base model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from engine.adapters import AdapterFolder, LoraSpec
from engine.errors import AdapterError

_KEY = re.compile(r"^base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight$")


@dataclass(frozen=True, slots=True)
class LoraPair:
    """One module's matrices; `b` carries the scaling."""

    a: Tensor  # (r, in)
    b: Tensor  # (out, r)

    @property
    def rank(self) -> int:
        """Columns this pair takes in a stack."""
        return int(self.a.shape[0])


LoraWeights = Mapping[str, LoraPair]
"""Pairs by the module's full name in the base model."""


def read_lora(folder: AdapterFolder) -> dict[str, LoraPair]:
    """The adapter's matrices on the CPU, in float32.

    Raises:
        AdapterError: the file is corrupt, holds something else than LoRA pairs, or values that are
            not finite.
    """
    return pair_up(folder.manifest.name, folder.spec, _load(folder.weights))


def _load(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(path, device="cpu")
    except (SafetensorError, OSError) as exc:
        raise AdapterError(f"{path} cannot be read ({exc}); restore it or train the adapter again.") from exc
    return tensors


def pair_up(name: str, spec: LoraSpec, tensors: Mapping[str, Tensor]) -> dict[str, LoraPair]:
    """Sort PEFT's tensors into pairs and fold the scaling in; see `read_lora`."""
    sides: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        match = _KEY.match(key)
        if match is None:
            raise AdapterError(
                f"Adapter {name} holds {key}, which is no LoRA matrix of a linear layer; train it without "
                "modules_to_save, embeddings or biases."
            )
        if not torch.isfinite(tensor).all():
            raise AdapterError(f"Adapter {name}: {key} holds values that are not finite; train it again.")
        sides.setdefault(match["module"], {})[match["side"]] = tensor.float()
    if not sides:
        raise AdapterError(f"Adapter {name} holds no weights; train it again.")
    return {module: _pair(name, module, spec, both) for module, both in sides.items()}


def _pair(name: str, module: str, spec: LoraSpec, both: Mapping[str, Tensor]) -> LoraPair:
    a, b = both.get("A"), both.get("B")
    if a is None or b is None or a.dim() != 2 or b.dim() != 2 or a.shape[0] != b.shape[1]:
        raise AdapterError(f"Adapter {name}: the A and B of {module} do not belong together; train it again.")
    return LoraPair(a, b * spec.scaling(module, a.shape[0]))
