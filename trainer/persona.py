"""`understudy train persona`: a persona's pairs through a recipe's phases.

Finds the persona, its pairs and the base model; the training itself is `trainer.adapterset`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Required, TypedDict, Unpack

from engine.config import Config
from engine.errors import InputError
from engine.personas import load_persona
from trainer.asides import load_asides
from trainer.bases import base_profile
from trainer.events import Observer
from trainer.recipe import load_recipe
from trainer.rejoinders import load_rejoinders
from trainer.rundata import Job


class JobOptions(TypedDict, total=False):
    """What a training may be told beside its configuration and its persona."""

    pair_files: Required[Sequence[Path]]
    """Pairs JSONL files; the persona's `training/*.jsonl` where there are none."""
    recipe: Required[Path]
    """TOML of phases."""
    out: Path | None
    """Adapters are written to `out/<phase>`; the persona's adapters/ by default."""
    base: str
    """Folder or hub id of the base model, before the recipe's and the profile's."""
    run_dir: Path | None
    """Events and checkpoints; by default `runs/<recipe>-<hash>` beside `out`."""
    strict: bool
    """A refused row is an error."""
    fresh: bool
    """Begin anew, whatever an earlier run left."""
    start: Path | None
    """Begin each phase with the adapter `start/<phase>`, where there is one."""


def train_persona(
    config: Config,
    folder: Path,
    *,
    observers: Sequence[Observer] = (),
    say: Callable[[str], None] = lambda _: None,
    **options: Unpack[JobOptions],
) -> dict[str, Any]:
    """Train the phases of a recipe on top of one another.

    Args:
        config: names the base model by its active profile.
        folder: the persona's folder.
        observers: told every event.
        say: told the progress, a line each.
        options: see `JobOptions`.

    Returns:
        a JSON-ready report: rows in, trained, held out, refused, and each phase's losses and hashes.

    Raises:
        ConfigError, InputError, ModelError: with what to mend.
    """
    job = persona_job(config, folder, **options)
    from trainer.adapterset import train_adapters  # torch is not wanted until everything else is right

    return train_adapters(job, observers, say)


def persona_job(config: Config, folder: Path, **options: Unpack[JobOptions]) -> Job:
    """What `train_persona` is about to do; see there."""
    persona = load_persona(folder)
    recipe = options["recipe"]
    plan = load_recipe(recipe)
    files = list(options["pair_files"]) or sorted((folder / "training").glob("*.jsonl"))
    if not files:
        raise InputError(f"No pairs: give --pairs FILE or put JSONL files into {folder / 'training'}.")
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise InputError(f"There is no file {missing[0]}; give --pairs an existing JSONL file.")
    profile = base_profile(config.active_profile, plan, options.get("base", ""))
    place = options.get("out") or persona.adapters_path
    target = config.path(profile.model)
    mark = hashlib.sha256(f"{persona.id}\n{place.resolve()}".encode()).hexdigest()[:8]
    return Job(
        recipe=plan,
        recipe_name=recipe.stem,
        profile=profile,
        base_ref=str(target) if target.is_dir() else profile.model,
        files=tuple(files),
        system=persona.system,
        name=persona.name,
        prefixes=tuple(persona.identity_prefixes),
        asides=load_asides(folder / "training" / "asides.toml"),
        rejoinders=load_rejoinders(folder / "training" / "rejoinders.toml"),
        out=place,
        run_dir=options.get("run_dir") or place.parent / "runs" / f"{recipe.stem}-{mark}",
        strict=options.get("strict", False),
        fresh=options.get("fresh", False),
        start=options.get("start"),
    )
