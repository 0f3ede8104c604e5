"""`understudy train persona`: every phase of a recipe, each saved as a PEFT folder with a manifest."""

from __future__ import annotations

import hashlib
import logging
import random
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.adapters import Manifest, Parent, write_manifest
from engine.config import Config
from engine.errors import InputError, ModelError
from engine.model.hashes import file_hash
from engine.model.load import LoadedModel, load_model
from engine.personas import Persona, load_persona
from engine.prompt import Renderer
from trainer.lora import PhaseReport, adapter_hash, attach, train_phase
from trainer.pairs import Ledger, Pair, read_pairs, render_pairs
from trainer.recipe import Phase, Recipe, load_recipe
from trainer.replay import replay_examples

log = logging.getLogger(__name__)


def train_persona(
    config: Config,
    folder: Path,
    *,
    pair_files: Sequence[Path],
    recipe: Path,
    out: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train the phases of a recipe on top of one another.

    Args:
        config: names the base model by its active profile.
        folder: the persona's folder; `training/*.jsonl` in it is read when `pair_files` is empty.
        pair_files: pairs JSONL files.
        recipe: TOML of phases.
        out: adapters are written to `out/<phase>`; the persona's adapters/ by default.
        say: told the progress, a line each.

    Returns:
        a JSON-ready report: rows in, trained, refused, and each phase's losses and hashes.

    Raises:
        ConfigError, InputError, ModelError: with what to mend.
    """
    persona = load_persona(folder)
    plan = load_recipe(recipe)
    ledger = Ledger()
    files = list(pair_files) or sorted((folder / "training").glob("*.jsonl"))
    if not files:
        raise InputError(f"No pairs: give --pairs FILE or put JSONL files into {folder / 'training'}.")
    pairs = [pair for path in files for pair in read_pairs(path, ledger)]
    train, held_out = split(pairs, plan.held_out, plan.seed)
    ledger.trained, ledger.held_out = len(train), len(held_out)
    say(f"{ledger.rows} rows: {len(train)} to train, {len(held_out)} held out, {len(ledger.refused)} refused")

    base = load_model(config.model_ref, config.active_profile)
    renderer = Renderer(base.tokenizer)
    model = base.model
    model.requires_grad_(False)
    target = out or persona.adapters_path
    reports: list[dict[str, Any]] = []
    earlier: list[Phase] = []
    parent: Parent | None = None
    limit = min(plan.max_length, config.active_profile.context_tokens)
    for phase in plan.phase:
        say(f"Phase {phase.name}: r={phase.r} on {'base + ' + earlier[-1].name if earlier else 'base'}")
        names = [p.name for p in earlier]
        model = attach(model, phase, names)
        before = adapter_hash(model, names)
        examples = [
            render_pairs(
                part, renderer, persona.system, persona.identity_prefixes, phase.identity_rate,
                limit, plan.seed + len(earlier), ledger if part is train else Ledger(),
            )
            for part in (train, held_out)
        ]  # fmt: skip
        count = round(plan.replay * len(examples[0]))
        replay = replay_examples(renderer, persona.system, count, limit, plan.seed + len(earlier))
        report = train_phase(model, phase, plan, [*examples[0], *replay], examples[1], _pad(base), say)
        if adapter_hash(model, names) != before:
            raise ModelError(f"Phase {phase.name} changed a frozen adapter; nothing was saved.")
        place = target / phase.name
        manifest = _save(model, base, persona, phase, plan, report, parent, files, place, config)
        parent = Parent(name=phase.name, weights_hash=manifest.weights_hash)
        earlier.append(phase)
        reports.append({**asdict(report), "folder": str(place), "weights_hash": manifest.weights_hash})
        say(f"Saved {place}")
    return {"rows": ledger.rows, "trained": ledger.trained, "held_out": ledger.held_out,
            "refused": ledger.refused, "phases": reports}  # fmt: skip


def split(pairs: Sequence[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Train and held-out pairs; a pair's twin (same response) never lands on the other side."""
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair.response, []).append(pair)
    keys = sorted(groups)
    random.Random(seed).shuffle(keys)
    train: list[Pair] = []
    held_out: list[Pair] = []
    for key in keys:
        (held_out if len(held_out) < share * len(pairs) else train).extend(groups[key])
    if not train or not held_out:
        raise InputError("At least two different pairs are needed, one of them to hold out.")
    return train, held_out


def _save(
    model: Any,
    base: LoadedModel,
    persona: Persona,
    phase: Phase,
    plan: Recipe,
    report: PhaseReport,
    parent: Parent | None,
    files: Sequence[Path],
    place: Path,
    config: Config,
) -> Manifest:
    """Write one adapter flat into `place` in PEFT's format, with its manifest."""
    import json

    from peft.utils import get_peft_model_state_dict
    from safetensors.torch import save_file

    place.mkdir(parents=True, exist_ok=True)
    state = get_peft_model_state_dict(model, adapter_name=phase.name)
    weights = {k: v.detach().to(dtype=_storage_dtype()).contiguous().cpu() for k, v in state.items()}
    save_file(weights, str(place / "adapter_model.safetensors"), metadata={"format": "pt"})
    (place / "adapter_model.safetensors").chmod(0o644)  # save_file makes it the owner's alone
    peft_config = model.peft_config[phase.name].to_dict()
    peft_config.update(base_model_name_or_path=config.active_profile.model, inference_mode=True)
    peft_config["target_modules"] = sorted(peft_config["target_modules"])
    (place / "adapter_config.json").write_text(
        json.dumps(peft_config, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8"
    )
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    manifest = Manifest(
        name=phase.name,
        phase=phase.name,
        base=config.active_profile.model,
        base_hash=base.base_hash,
        tokenizer_hash=base.tokenizer_hash,
        template_hash=base.template_hash,
        weights_hash=file_hash(place / "adapter_model.safetensors"),
        data_hash=digest.hexdigest(),
        rank=phase.r,
        alpha=phase.alpha,
        dropout=phase.dropout,
        target_modules=sorted(phase.target_modules),
        use_rslora=False,
        recipe={"phase": phase.model_dump(), **plan.model_dump(exclude={"phase"})},
        seed=plan.seed,
        command=shlex.join(["understudy", *sys.argv[1:]]),
        metrics={k: v for k, v in asdict(report).items() if k != "phase"},
        parent=parent,
        created_at=datetime.now(UTC),
    )
    write_manifest(place, manifest)
    return manifest


def _storage_dtype() -> Any:
    import torch

    return torch.bfloat16


def _pad(base: LoadedModel) -> int:
    pad = base.tokenizer.pad_token_id
    return int(pad if pad is not None else next(iter(base.eos_ids)))
