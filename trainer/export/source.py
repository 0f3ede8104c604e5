"""What is exported: a base model in float32 and the adapters of a persona, in stacking order.

Every export is compared with the stack as it is served, so the base is loaded by the engine's own
loader. It is never quantised here: an export starts from the full-precision weights, also when the
adapters were trained over a 4-bit copy of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.adapters import AdapterFolder, check, open_adapter
from engine.config import Config
from engine.errors import AdapterError
from engine.model.load import LoadedModel, load_model
from engine.model.lora import LoraWeights, read_lora
from engine.model.stack import RankStack
from engine.personas import Persona, load_persona
from engine.types import Stack


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter of the stack; the scaling is already in its B."""

    folder: AdapterFolder
    weights: LoraWeights

    @property
    def name(self) -> str:
        """As its manifest says."""
        return self.folder.manifest.name

    @property
    def rank(self) -> int:
        """The widest of its modules."""
        return max(pair.rank for pair in self.weights.values())


@dataclass(frozen=True, slots=True)
class Source:
    """All that an export needs."""

    config: Config
    persona: Persona
    base: LoadedModel
    adapters: tuple[Adapter, ...]

    @property
    def stack(self) -> Stack:
        """All adapters at full strength."""
        return tuple((adapter.name, 1.0) for adapter in self.adapters)

    @property
    def base_name(self) -> str:
        """Folder or hub id of the base, as the adapters' manifests call it."""
        return self.adapters[0].folder.manifest.base

    def modules(self) -> list[str]:
        """Every module that an adapter changes, in the model's order."""
        changed = {module for adapter in self.adapters for module in adapter.weights}
        return [name for name, _ in self.base.model.named_modules() if name in changed]


def open_source(
    config: Config, persona_folder: Path | None, names: Sequence[str] = (), device: str = "cpu"
) -> Source:
    """Read adapters and base model.

    Args:
        config: names the base model by its active profile.
        persona_folder: default: the configured persona.
        names: adapters in stacking order; default: those that config.toml loads.
        device: where logits are computed.

    Raises:
        ConfigError, ModelError, AdapterError: with what to mend; DoRA is refused.
    """
    persona = load_persona(persona_folder or config.persona_path)
    wanted = list(names) or config.adapters.load
    if not wanted:
        raise AdapterError(
            "There is no adapter to export; set adapters.load in config.toml or give --adapter."
        )
    if len(set(wanted)) < len(wanted):
        raise AdapterError(f"An adapter is named twice: {', '.join(wanted)}.")
    folders = [open_adapter(persona.adapters_path / name) for name in wanted]
    profile = config.active_profile.model_copy(
        update={"dtype": "float32", "quantization": "none", "device": device}
    )
    base = load_model(config.model_ref, profile)
    for folder in folders:
        check(folder.manifest, base.hashes, config.active_profile.model)
    adapters = tuple(Adapter(folder, read_lora(folder)) for folder in folders)
    return Source(config, persona, base, adapters)


@contextmanager
def served(base: LoadedModel, weights: dict[str, LoraWeights]) -> Iterator[RankStack]:
    """The rank-masked stack with these adapters installed; the model is plain again afterwards."""
    stack = RankStack(base.model, base.device, torch.float32)
    try:
        for name, pairs in weights.items():
            stack.add(name, pairs)
        yield stack
    finally:
        for name in stack.names:
            stack.remove(name)
