"""What one training is made of, and its rows: read, refused with reasons, split and rendered.

Knows no model beyond its renderer, so a dry run needs no weights.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from engine.config import ProfileConfig
from engine.errors import InputError
from trainer.asides import Asides
from trainer.pairs import Example, Ledger, Pair, Renders, fitting, read_pairs, render_pairs, split
from trainer.preludes import behind_others
from trainer.recipe import Phase, Recipe
from trainer.rejoinders import Rejoinders
from trainer.replay import Window, replay_examples, talk_examples


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be trained, from what, and where it goes."""

    recipe: Recipe
    recipe_name: str
    profile: ProfileConfig
    """Of the base model, with the recipe's own wishes in it; see `trainer.bases.base_profile`."""
    base_ref: str
    """Where the base is: `profile.model`, resolved against its folder."""
    files: tuple[Path, ...]
    system: str
    name: str
    """The persona's."""
    prefixes: tuple[str, ...]
    out: Path
    """Adapters are written to `out/<phase>`."""
    run_dir: Path
    asides: Asides = field(default_factory=Asides)
    rejoinders: Rejoinders = field(default_factory=Rejoinders)
    strict: bool = False
    """A refused row is an error."""
    fresh: bool = False
    """Begin anew, whatever an earlier run left."""
    start: Path | None = None
    """Begin each phase with the adapter `start/<phase>`, where there is one; see `trainer.beginning`."""

    @property
    def limit(self) -> int:
        """Longest example in tokens."""
        return min(self.recipe.max_length, self.profile.context_tokens)


class PhaseExamples(NamedTuple):
    """What a phase is shown."""

    train: list[Example]
    """In every epoch."""
    held_out: list[Example]
    fresh: Callable[[int], list[Example]]
    """Generated for one epoch (from 0): what they keep alive is not to be learned by heart."""


@dataclass(frozen=True, slots=True)
class Data:
    """Rows that will be trained and held out."""

    train: tuple[Pair, ...]
    held_out: tuple[Pair, ...]
    ledger: Ledger

    def of(self, phase: Phase) -> tuple[list[Pair], list[Pair]]:
        """What a phase trains and holds out."""
        parts = [[pair for pair in part if _wanted(phase, pair)] for part in (self.train, self.held_out)]
        return parts[0], parts[1]


def read_data(job: Job, renderer: Renders) -> Data:
    """Every row: kept, or refused with its reason.

    Raises:
        InputError: nothing usable, too little to hold something out, or refused rows and `strict`.
    """
    ledger = Ledger()
    pairs: list[Pair] = []
    for path in job.files:
        for pair in read_pairs(path, ledger):
            if any(_wanted(phase, pair) for phase in job.recipe.phase):
                pairs.append(pair)
            else:
                ledger.refuse(pair.where, "no phase of the recipe trains this file")
    if not job.asides.aside and any(phase.asides for phase in job.recipe.phase):
        ledger.warnings.append("The recipe wants asides, and the persona has no training/asides.toml.")
    if not job.rejoinders.rejoinder and any(phase.rejoinders for phase in job.recipe.phase):
        ledger.warnings.append("The recipe wants rejoinders; the persona has no training/rejoinders.toml.")
    pairs = fitting(pairs, renderer, job.system, job.prefixes, job.limit, ledger)
    if job.strict and ledger.refused:
        shown = "\n".join(ledger.refused[:20])
        raise InputError(
            f"{len(ledger.refused)} of {ledger.rows} rows are refused, and --strict is on:\n{shown}"
        )
    train, held_out = _split(pairs, job.recipe)
    ledger.close(len(train), len(held_out))
    return Data(tuple(train), tuple(held_out), ledger)


def phase_examples(job: Job, phase: Phase, data: Data, renderer: Renders) -> PhaseExamples:
    """What a phase trains, with generated skills for each of its epochs, and what it holds out."""
    seed = job.recipe.seed + job.recipe.phase.index(phase)
    parts: list[list[Example]] = []
    for pairs, preludes in zip(data.of(phase), (phase.preludes, 0.0), strict=True):
        examples: list[Example] = []
        for copy, rate in enumerate(phase.rates):
            mark = seed + 1000 * copy
            spoken = behind_others(pairs, preludes, mark)
            examples += render_pairs(
                spoken, renderer, job.system, job.prefixes, rate, job.limit, mark, data.ledger
            )
        if not examples:
            raise InputError(
                f"Phase {phase.name}: its pairs = {phase.pairs} leaves no row to train or to hold out."
            )
        parts.append(examples)
    share = job.recipe.replay if phase.replay is None else phase.replay
    replayed, talk, everyday = (round(s * len(parts[0])) for s in (share, phase.talk, phase.rejoinders))
    if not job.rejoinders.rejoinder:
        everyday = 0
    window = Window(renderer, job.system, job.limit, data.of(phase)[0], phase.preludes)

    def fresh(epoch: int) -> list[Example]:
        mark = seed + 1000 * (epoch + 1)
        skills = replay_examples(window, job.name, replayed, mark, job.asides, phase.asides)
        own = window.fill(job.rejoinders.drawn, random.Random(f"rejoinders:{mark}"), everyday)
        return [*skills, *talk_examples(window, talk, mark), *own]

    return PhaseExamples(parts[0], parts[1], fresh)


def _wanted(phase: Phase, pair: Pair) -> bool:
    return not phase.pairs or any(fnmatch(pair.file, pattern) for pattern in phase.pairs)


def _split(pairs: list[Pair], recipe: Recipe) -> tuple[list[Pair], list[Pair]]:
    """Each file is split on its own where phases choose files, so that each has something held out."""
    if not any(phase.pairs for phase in recipe.phase):
        return split(pairs, recipe.held_out, recipe.seed)
    train: list[Pair] = []
    held_out: list[Pair] = []
    for name in sorted({pair.file for pair in pairs}):
        kept, held = split([pair for pair in pairs if pair.file == name], recipe.held_out, recipe.seed)
        train += kept
        held_out += held
    return train, held_out
