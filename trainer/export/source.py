"""What is exported: a base model in float32 and the adapters of a persona, in stacking order.

Every export is compared with the stack as it is served, so the base is loaded by the engine's own
loader. It is never quantised here: an export starts from the full-precision weights, also when the
adapters were trained over a 4-bit copy of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.adapters import CONFIG, WEIGHTS, AdapterFolder, LoraSpec, check, open_adapter, read_manifest
from engine.config import Config
from engine.errors import AdapterError
from engine.model.hashes import file_hash
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
    """Empty for DoRA."""
    dora: bool = False
    """It rescales whole weights, so it is no sum of ranks; only alone can it be merged."""

    @property
    def name(self) -> str:
        """As its manifest says."""
        return self.folder.manifest.name

    @property
    def rank(self) -> int:
        """The widest of its modules."""
        return max((pair.rank for pair in self.weights.values()), default=self.folder.manifest.rank)


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

    @property
    def auto_class(self) -> str:
        """Transformers' class that reads this kind of model."""
        return (
            "AutoModelForSeq2SeqLM" if self.base.model.config.is_encoder_decoder else "AutoModelForCausalLM"
        )

    def modules(self) -> list[str]:
        """Every module that an adapter changes, in the model's order."""
        changed = {module for adapter in self.adapters for module in adapter.weights}
        return [name for name, _ in self.base.model.named_modules() if name in changed]


def open_source(
    config: Config,
    persona_folder: Path | None,
    names: Sequence[str] = (),
    device: str = "cpu",
    *,
    one_dora: bool = False,
) -> Source:
    """Read adapters and base model.

    Args:
        config: names the base model by its active profile.
        persona_folder: default: the configured persona.
        names: adapters in stacking order; default: those that config.toml loads.
        device: where logits are computed.
        one_dora: take a DoRA adapter, if it is the only one.

    Raises:
        ConfigError, ModelError, AdapterError: with what to mend; DoRA is refused otherwise.
    """
    persona = load_persona(persona_folder or config.persona_path)
    wanted = list(names) or config.adapters.load
    if not wanted:
        raise AdapterError(
            "There is no adapter to export; set adapters.load in config.toml or give --adapter."
        )
    if len(set(wanted)) < len(wanted):
        raise AdapterError(f"An adapter is named twice: {', '.join(wanted)}.")
    opened = [_open(persona.adapters_path / name, one_dora and len(wanted) == 1) for name in wanted]
    profile = config.active_profile.model_copy(
        update={"dtype": "float32", "quantization": "none", "device": device}
    )
    base = load_model(config.model_ref, profile)
    for adapter in opened:
        check(adapter.folder.manifest, base.hashes, config.active_profile.model)
    return Source(config, persona, base, tuple(opened))


def _open(folder: Path, dora_allowed: bool) -> Adapter:
    """Read an adapter; one with DoRA is left to PEFT, which is the only one to know its arithmetic."""
    if not (dora_allowed and is_dora(folder)):
        opened = open_adapter(folder)
        return Adapter(opened, read_lora(opened))
    manifest = read_manifest(folder)
    if not (folder / WEIGHTS).is_file() or file_hash(folder / WEIGHTS) != manifest.weights_hash:
        raise AdapterError(f"Adapter {manifest.name}: {WEIGHTS} is missing or changed; train it again.")
    return Adapter(AdapterFolder(folder, manifest, LoraSpec(manifest.rank, manifest.alpha)), {}, dora=True)


def is_dora(folder: Path) -> bool:
    """Whether an adapter's own configuration says so; a missing or broken one does not."""
    try:
        return bool(json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("use_dora"))
    except (OSError, ValueError, AttributeError):
        return False


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
