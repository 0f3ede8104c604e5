"""Saved adapters that a training begins with (`--from DIR`), in place of fresh matrices.

To go on with more or other data: a phase starts from `DIR/<phase>` where there is one, LoRA or rsLoRA. The
manifest that it writes has the command, and with it where the phase began.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.adapters import Manifest, check, open_adapter
from engine.errors import InputError
from engine.model.hashes import ModelHashes
from engine.model.load import LoadedModel
from trainer.attach import install_weights
from trainer.recipe import Phase
from trainer.saving import read_weights


def beginnings(folder: Path, phases: Sequence[Phase]) -> dict[str, Manifest]:
    """The manifests of the phases that have an adapter in `folder`, by phase.

    Raises:
        InputError: none has, or one is of another shape than its phase.
        AdapterError: one cannot be served, or is damaged.
    """
    found = {p.name: open_adapter(folder / p.name).manifest for p in phases if (folder / p.name).is_dir()}
    if not found:
        names = ", ".join(phase.name for phase in phases)
        raise InputError(f"{folder} has no adapter of a phase of the recipe ({names}); give --from another.")
    for phase in phases:
        had = found.get(phase.name)
        if had and (had.rank, had.alpha, had.method) != (phase.r, phase.alpha, phase.method):
            raise _other_shape(
                folder / phase.name,
                f"{had.method} r={had.rank} alpha={had.alpha:g}",
                f"{phase.method} r={phase.r} alpha={phase.alpha:g}",
            )
    return found


def begin_with(
    found: Mapping[str, Manifest], folder: Path, model: Any, phases: Sequence[Phase], base: LoadedModel
) -> None:
    """Put the saved weights into the attached adapters.

    Args:
        found: what `beginnings` says of `folder`.
        model: the PeftModel with an adapter for each phase.

    Raises:
        InputError: an adapter is on other modules than its phase.
        AdapterError: its weights changed meanwhile.
        ManifestMismatch: it was trained on another base.
    """
    hashes = ModelHashes(base.base_hash, base.tokenizer_hash, base.template_hash)
    for phase in phases:
        if manifest := found.get(phase.name):
            check(manifest, hashes)
            had, wanted = set(manifest.target_modules), set(model.peft_config[phase.name].target_modules)
            if had != wanted:
                raise _other_shape(folder / phase.name, ", ".join(sorted(had)), ", ".join(sorted(wanted)))
            install_weights(model, phase, read_weights(folder / phase.name, manifest.weights_hash))


def _other_shape(place: Path, had: str, wanted: str) -> InputError:
    return InputError(f"{place} is {had}, the phase is {wanted}; a training goes on with the same shape.")
