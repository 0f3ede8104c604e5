"""An adapter's folder: PEFT's two files, flat, and the manifest beside them.

Weights are safetensors and nothing else. Knows nothing of how they were trained.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.adapters import CONFIG, WEIGHTS, Manifest, Parent, write_manifest
from engine.errors import AdapterError
from engine.model.hashes import file_hash
from engine.model.load import LoadedModel
from trainer.recipe import LIMITS, Phase, Recipe


@dataclass(frozen=True, slots=True)
class Origin:
    """What an adapter comes from."""

    base: LoadedModel
    base_name: str
    """As the profile or the recipe calls it."""
    recipe: Recipe
    data_hash: str


def save_adapter(
    model: Any,
    phase: Phase,
    weights: Mapping[str, Tensor],
    origin: Origin,
    metrics: Mapping[str, Any],
    parent: Parent | None,
    place: Path,
) -> Manifest:
    """Write one adapter flat into `place`.

    Args:
        model: the PeftModel it was trained in.
        weights: `trainer.attach.adapter_weights`.
        parent: the adapter that was active and frozen beneath it.
    """
    from safetensors.torch import save_file

    place.mkdir(parents=True, exist_ok=True)
    draft = place / f"{WEIGHTS}.tmp"
    save_file(dict(weights), str(draft), metadata={"format": "pt"})
    draft.chmod(0o644)  # save_file makes it the owner's alone
    draft.replace(place / WEIGHTS)
    config = _plain_config(model, phase, origin.base_name)
    (place / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    manifest = Manifest(
        name=phase.name,
        phase=phase.name,
        base=origin.base_name,
        base_hash=origin.base.base_hash,
        tokenizer_hash=origin.base.tokenizer_hash,
        template_hash=origin.base.template_hash,
        weights_hash=file_hash(place / WEIGHTS),
        data_hash=origin.data_hash,
        method=phase.method,
        serving=_limits(model, phase),
        rank=0 if phase.learns_prompt else phase.r,
        alpha=0.0 if phase.learns_prompt else phase.alpha,
        dropout=0.0 if phase.learns_prompt else phase.dropout,
        target_modules=config.get("target_modules") or [],
        use_rslora=phase.method == "rslora",
        recipe={
            "phase": phase.model_dump(mode="json"),
            **origin.recipe.model_dump(mode="json", exclude={"phase"}),
        },
        seed=origin.recipe.seed,
        command=shlex.join(["understudy", *sys.argv[1:]]),
        metrics=dict(metrics),
        parent=parent,
        created_at=datetime.now(UTC),
    )
    write_manifest(place, manifest)
    return manifest


def _plain_config(model: Any, phase: Phase, base: str) -> dict[str, Any]:
    """PEFT's configuration as JSON values."""
    config: dict[str, Any] = model.peft_config[phase.name].to_dict()
    config.update(base_model_name_or_path=base, inference_mode=True)
    if config.get("target_modules"):
        config["target_modules"] = sorted(config["target_modules"])
    plain: dict[str, Any] = json.loads(json.dumps(config, default=lambda v: getattr(v, "value", str(v))))
    return plain


def _limits(model: Any, phase: Phase) -> str:
    if model.config.is_encoder_decoder:
        return "The engine serves causal models alone: use this one through transformers and PEFT."
    return LIMITS.get(phase.method, "")


def read_weights(folder: Path, weights_hash: str) -> dict[str, Tensor]:
    """The tensors of a saved adapter.

    Raises:
        AdapterError: the file is missing, damaged or another one than it was.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / WEIGHTS
    try:
        if file_hash(path) != weights_hash:
            raise AdapterError(f"{path} is not what this run saved; restore it, or start anew with --fresh.")
        weights: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as exc:
        raise AdapterError(f"{path} cannot be read ({exc}); start anew with --fresh.") from exc
    return weights


def files_hash(files: Sequence[Path]) -> str:
    """SHA-256 (hex) over the bytes of the data, file after file."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()
