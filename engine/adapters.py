"""An adapter's folder: PEFT's two files and beside them manifest.json, which says what it belongs to.

    adapters/style/
    ├── adapter_model.safetensors   the LoRA weights
    ├── adapter_config.json         PEFT's description of them
    └── manifest.json               base, tokenizer, template, data and recipe, by hash

`open_adapter` reads and checks a folder on its own; `check` holds it against a base model. This
module imports no torch and knows nothing of how adapters are served.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import AdapterError, ManifestMismatch
from engine.model.hashes import ModelHashes, file_hash

MANIFEST, CONFIG, WEIGHTS = "manifest.json", "adapter_config.json", "adapter_model.safetensors"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]

# What of PEFT's LoraConfig the rank-masked stack honours, or may ignore when only serving.
_SERVED = {
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "exclude_modules", "fan_in_fan_out",
    "inference_mode", "init_lora_weights", "layers_pattern", "layers_to_transform", "lora_alpha",
    "lora_dropout", "peft_type", "peft_version", "qalora_group_size", "r", "rank_pattern", "revision",
    "megatron_core", "runtime_config", "target_modules", "task_type", "use_rslora", "loftq_config",
    "eva_config", "ensure_weight_tying",
}  # fmt: skip
_PLAIN_INITS = (True, False, None, "gaussian", "orthogonal", "eva")  # the others change the base weights


class Parent(BaseModel):
    """The adapter that was active and frozen while this one was trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    weights_hash: Sha256


class Manifest(BaseModel):
    """What manifest.json says of an adapter. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = 1
    name: Name
    phase: str = ""
    """identity, style, or whatever its recipe calls it."""
    base: str
    """Folder or hub id of the base model, for people; the hash decides."""
    base_hash: Sha256
    tokenizer_hash: Sha256
    template_hash: Sha256
    weights_hash: Sha256
    data_hash: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    method: Literal["lora", "rslora", "dora", "prefix", "p-tuning"] = "lora"
    serving: str = ""
    """Where it cannot be served; empty: it can be stacked."""
    rank: int = Field(ge=0)
    """0 where there are no matrices (prefix tuning)."""
    alpha: float = Field(ge=0.0)
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    target_modules: list[str]
    use_rslora: bool = False
    recipe: dict[str, Any] = {}
    seed: int = 0
    command: str = ""
    metrics: dict[str, Any] = {}
    parent: Parent | None = None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LoraSpec:
    """What adapter_config.json says that the arithmetic needs."""

    rank: int
    alpha: float
    use_rslora: bool = False
    alphas: tuple[tuple[re.Pattern[str], float], ...] = ()
    """Other alphas for the modules whose whole name matches (PEFT's alpha_pattern); the first wins."""

    def scaling(self, module: str, rank: int) -> float:
        """Factor of `B A x` for one module: alpha / r, or alpha / sqrt(r) with rsLoRA."""
        alpha = self.alpha
        for pattern, value in self.alphas:
            if pattern.match(module):
                alpha = value
                break
        return alpha / math.sqrt(rank) if self.use_rslora else alpha / rank


@dataclass(frozen=True, slots=True)
class AdapterFolder:
    """A folder whose files belong together: the weights hash to what the manifest says."""

    path: Path
    manifest: Manifest
    spec: LoraSpec

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return self.path / WEIGHTS


# --- the manifest --------------------------------------------------------------------------


def read_manifest(folder: Path) -> Manifest:
    """Read `folder/manifest.json`.

    Raises:
        AdapterError: the folder or the file is missing, or it says something wrong.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise AdapterError(f"There is no adapter folder {folder}; train it with `understudy train persona`.")
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise AdapterError(
            f"{folder} has no {MANIFEST}, so nobody can tell which model it belongs to; "
            "train it with `understudy train persona`, which writes one."
        ) from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise AdapterError(f"{path} cannot be read: {exc}.") from exc
    except ValidationError as exc:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in exc.errors())
        raise AdapterError(f"{path}: {problems}.") from exc


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Write `folder/manifest.json` whole or not at all, and return its path."""
    path = folder / MANIFEST
    draft = path.with_suffix(".tmp")
    draft.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    draft.replace(path)
    return path


def check(manifest: Manifest, hashes: ModelHashes, base: str = "the loaded model") -> None:
    """Refuse an adapter that was trained on another base, tokenizer or chat template.

    Args:
        manifest: the adapter's.
        hashes: those of the loaded base model.
        base: what the loaded model is called, for the message.

    Raises:
        ManifestMismatch: names the first hash that differs, both its values, and what to do.
    """
    sides = (
        ("base model", "base_hash", manifest.base_hash, hashes.base),
        ("tokenizer", "tokenizer_hash", manifest.tokenizer_hash, hashes.tokenizer),
        ("chat template", "template_hash", manifest.template_hash, hashes.template),
    )
    for what, key, expected, found in sides:
        if expected != found:
            raise ManifestMismatch(
                f"Adapter {manifest.name} was trained on another {what}: its manifest's {key} is "
                f"{expected[:12]} (base {manifest.base}), {base} has {found[:12]}. Train the adapter "
                f"again on this model, or set model in config.toml's profile to {manifest.base}."
            )


# --- the whole folder ----------------------------------------------------------------------


def open_adapter(folder: Path) -> AdapterFolder:
    """Read an adapter's folder and check that its three files belong together and can be served.

    Raises:
        AdapterError: a file is missing, the weights are pickled or changed since training, or the
            adapter is of a kind that the stack cannot serve exactly (DoRA, bias, other PEFT types).
    """
    manifest = read_manifest(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        why = "only pickled weights, which are never loaded" if pickled else f"no {WEIGHTS}"
        raise AdapterError(f"Adapter {manifest.name} ({folder}) has {why}; train or export it again.")
    spec = _read_spec(folder, manifest.name)
    try:
        found = file_hash(weights)
    except OSError as exc:
        raise AdapterError(f"{weights} cannot be read: {exc}.") from exc
    if found != manifest.weights_hash:
        raise AdapterError(
            f"Adapter {manifest.name}: {WEIGHTS} hashes to {found[:12]}, its manifest says "
            f"{manifest.weights_hash[:12]}; the file is damaged or was replaced. Restore or train it again."
        )
    told = (manifest.rank, manifest.alpha, manifest.use_rslora)
    if told != (spec.rank, spec.alpha, spec.use_rslora):
        raise AdapterError(
            f"Adapter {manifest.name}: {CONFIG} says rank {spec.rank}, alpha {spec.alpha}, rsLoRA "
            f"{spec.use_rslora}; its manifest says {told[0]}, {told[1]}, {told[2]}. Restore both files."
        )
    return AdapterFolder(folder, manifest, spec)


def _read_spec(folder: Path, name: str) -> LoraSpec:
    path = folder / CONFIG
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise AdapterError(f"Adapter {name} ({folder}) has no {CONFIG}; train or export it again.") from exc
    except (OSError, ValueError) as exc:
        raise AdapterError(f"{path} cannot be read: {exc}.") from exc
    if not isinstance(data, dict):
        raise AdapterError(f"{path} is not a PEFT configuration.")
    _refuse_unserved(name, data)
    try:
        return LoraSpec(
            rank=int(data["r"]),
            alpha=float(data["lora_alpha"]),
            use_rslora=bool(data.get("use_rslora", False)),
            alphas=tuple(
                (re.compile(rf"(.*\.)?({key})$"), float(alpha))
                for key, alpha in (data.get("alpha_pattern") or {}).items()
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError, re.error) as exc:
        raise AdapterError(f"{path}: {exc} is missing or wrong; train or export the adapter again.") from exc


def _refuse_unserved(name: str, data: dict[str, Any]) -> None:
    """Only what adds `B A x` to a linear layer is served; the rest would be served wrongly."""
    if data.get("peft_type") != "LORA":
        raise AdapterError(f"Adapter {name} is of PEFT type {data.get('peft_type')}; only LORA is served.")
    if data.get("use_dora"):
        raise AdapterError(f"Adapter {name} is DoRA, which does not add up in a stack; train it as LoRA.")
    if data.get("bias", "none") != "none" or data.get("lora_bias"):
        raise AdapterError(f'Adapter {name} changes biases; train it with bias = "none".')
    if data.get("init_lora_weights", True) not in _PLAIN_INITS:
        raise AdapterError(
            f"Adapter {name} was initialised by {data['init_lora_weights']!r}, which changes the base "
            "weights; convert it to plain LoRA or train it again."
        )
    for key, value in data.items():
        if value and key not in _SERVED and key != "bias":
            raise AdapterError(f"Adapter {name} sets {key}, which is not served; train it without.")
