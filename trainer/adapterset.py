"""Trains every adapter of a recipe on one base model: data in, PEFT folders with manifests out.

    rows ─ refuse bad ones ─ split ─┬─ phase 1 ─ save ─┬─ phase 2 ─ save ─► report
                                    └─ its checkpoints ┘ (phase 1 frozen beneath)

A run has a folder with its events and its state; the same command goes on where a kill left it,
and what is finished is not repeated. This module knows personas only as a system message and
prefixes.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.adapters import Manifest, Parent
from engine.errors import ModelError
from engine.model.load import LoadedModel, load_model
from trainer.attach import activate, adapter_hash, adapter_weights, attach, install_weights, phase_targets
from trainer.bases import renderer_for, template_warnings
from trainer.beginning import begin_with, beginnings
from trainer.checkpoint import Checkpoints, RunState, check_same
from trainer.evaluating import evaluate
from trainer.events import JsonlObserver, Observer
from trainer.lora import train_phase
from trainer.pairs import Renders
from trainer.processes import Processes
from trainer.recipe import LIMITS, Phase
from trainer.rundata import Data, Job, PhaseExamples, phase_examples, read_data
from trainer.saving import Origin, files_hash, read_weights, save_adapter


def train_adapters(
    job: Job, observers: Sequence[Observer] = (), say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Train the phases of a recipe.

    Args:
        observers: told every event, beside the run's own events.jsonl.
        say: told the progress, a line each.

    Returns:
        a JSON-ready report: rows in, trained, held out and refused, and each phase's losses,
        folder and hashes.

    Raises:
        ConfigError, InputError, ModelError: with what to mend.
    """
    return _Run(job, observers, say).go()


class _Run:
    def __init__(self, job: Job, observers: Sequence[Observer], say: Callable[[str], None]) -> None:
        self.job = job
        self.processes = Processes()
        self.say = say if self.processes.main else (lambda _: None)
        self.observers = (
            [JsonlObserver(job.run_dir / "events.jsonl"), *observers] if self.processes.main else []
        )
        self.checkpoints = Checkpoints(job.run_dir, job.recipe.checkpoint_minutes)
        self.begun: dict[str, Manifest] = {}

    def go(self) -> dict[str, Any]:
        device = self.processes.device
        profile = self.job.profile.model_copy(update={"device": str(device)} if device else {})
        base = load_model(self.job.base_ref, profile)
        profile = profile.model_copy(update={"context_tokens": base.context})
        self.job = job = replace(self.job, profile=profile)
        renderer = renderer_for(base)
        data = read_data(job, renderer)
        data.ledger.warnings += template_warnings(base.tokenizer)
        data.ledger.warnings += self._notes(base)
        self.state, resumed = self._open(base)
        self._introduce(data, resumed)
        if self.state.done:
            return self._report(data, None)
        model = self._attach(base)
        self.origin = Origin(base, job.profile.model, job.recipe, self.state.fingerprint["data"])
        for number, phase in enumerate(job.recipe.phase):
            if number < len(self.state.finished):
                told = self.state.finished[number]
                install_weights(model, phase, read_weights(Path(told["folder"]), told["weights_hash"]))
                self.say(f"Phase {phase.name} is finished already.")
            else:
                self._phase(model, phase, phase_examples(job, phase, data, renderer))
        composed = self._composed(model, base, data, renderer)
        self._finish()
        return self._report(data, composed)

    # --- one phase ----------------------------------------------------------------------------

    def _phase(self, model: Any, phase: Phase, examples: PhaseExamples) -> None:
        names = self._beneath(phase)
        self.say(f"Phase {phase.name}: {_shape(phase)} on {' + '.join(['base', *names])}")
        activate(model, phase.name, names)
        frozen = [other.name for other in self.job.recipe.phase if other.name != phase.name]
        before = adapter_hash(model, frozen)
        keeper = _PhaseKeeper(self.checkpoints, self.state, phase.name)
        report = train_phase(
            model, phase, self.job.recipe, examples.train, examples.held_out, _pad(self.origin.base),
            self.say, fresh=examples.fresh, observers=self.observers, keeper=keeper, processes=self.processes,
        )  # fmt: skip
        if adapter_hash(model, frozen) != before:
            raise ModelError(f"Phase {phase.name} changed a frozen adapter; nothing of it was saved.")
        place = self.job.out / phase.name
        weights = adapter_weights(model, phase)
        install_weights(model, phase, weights)  # the next phase learns on what was saved, rounding included
        metrics = {key: value for key, value in asdict(report).items() if key != "phase"}
        if self.processes.main:
            manifest = save_adapter(model, phase, weights, self.origin, metrics, self._parent(names), place)
            told = {**asdict(report), "folder": str(place), "weights_hash": manifest.weights_hash}
            self.state.finished.append(json.loads(json.dumps(told)))
            self.state.phase, self.state.position, self.state.tensors = "", {}, {}
            self.checkpoints.save(self.state)
        self.processes.wait()
        self.say(f"Saved {place}")

    def _beneath(self, phase: Phase) -> list[str]:
        phases = self.job.recipe.phase
        return [p.name for p in phases[: phases.index(phase)]] if phase.on == "stack" else []

    def _parent(self, names: Sequence[str]) -> Parent | None:
        told = next((f for f in self.state.finished if names and f["phase"] == names[-1]), None)
        return Parent(name=told["phase"], weights_hash=told["weights_hash"]) if told else None

    def _attach(self, base: LoadedModel) -> Any:
        import torch

        model = base.model
        for number, phase in enumerate(self.job.recipe.phase):
            torch.manual_seed(self.job.recipe.seed + number)
            model = attach(model, phase, [])
        if self.job.start:
            begin_with(self.begun, self.job.start, model, self.job.recipe.phase, base)
            self.say(f"Beginning with the {', '.join(self.begun)} of {self.job.start}")
        return model

    def _composed(self, model: Any, base: LoadedModel, data: Data, renderer: Renders) -> float | None:
        """Held-out loss of adapters that were trained apart, active together."""
        phases = self.job.recipe.phase
        if len(phases) < 2 or any(phase.on == "stack" for phase in phases[1:]):
            return None
        activate(model, phases[-1].name, [phase.name for phase in phases[:-1]])
        held_out = [e for phase in phases for e in phase_examples(self.job, phase, data, renderer).held_out]
        return evaluate(model, held_out, self.job.recipe.batch_size, _pad(base))

    # --- where it stands -------------------------------------------------------------------------

    def _open(self, base: LoadedModel) -> tuple[RunState, bool]:
        """The state to go on from, and whether it is an earlier run's."""
        job = self.job
        wanted = {
            "recipe": job.recipe.fingerprint(),
            "data": files_hash(job.files),
            "persona": _persona_hash(job),
            "base": base.base_hash,
            "tokenizer": base.tokenizer_hash,
            "template": base.template_hash,
            "loading": f"{job.profile.quantization} {job.profile.dtype} {job.limit}",
        }
        if job.start:
            self.begun = beginnings(job.start, job.recipe.phase)
            wanted["start"] = json.dumps({name: told.weights_hash for name, told in self.begun.items()})
        state = None if job.fresh else self.checkpoints.load()
        self.processes.wait()
        if state is not None and state.done:
            same = state.fingerprint == wanted
            state = state if same and self._still_there(state) else None
        if state is not None:
            check_same(state, wanted, job.run_dir)
            return state, True
        if self.processes.main and job.run_dir.is_dir():
            for name in ("events.jsonl", "state.safetensors"):
                (job.run_dir / name).unlink(missing_ok=True)
        return RunState(wanted), False

    def _still_there(self, state: RunState) -> bool:
        try:
            for told in state.finished:
                read_weights(Path(told["folder"]), told["weights_hash"])
        except ModelError:
            return False
        return True

    def _finish(self) -> None:
        self.state.done = True
        if self.processes.main:
            self.checkpoints.save(self.state)
            seconds = round(sum(phase["seconds"] for phase in self.state.finished), 3)
            for observer in self.observers:
                observer.event({"kind": "end", "seconds": seconds, "phases": self.state.finished})

    # --- what is told -------------------------------------------------------------------------

    def _introduce(self, data: Data, resumed: bool) -> None:
        job, ledger = self.job, data.ledger
        self.say(
            f"{ledger.rows} rows: {ledger.trained} to train, {ledger.held_out} held out, "
            f"{len(ledger.refused)} refused"
        )
        for line in [*ledger.refused[:20], *ledger.warnings]:
            self.say(f"  {line}")
        if len(ledger.refused) > 20:
            self.say(f"  and {len(ledger.refused) - 20} more, all of them in the report")
        if self.state.done:
            self.say(f"The run in {job.run_dir} is finished; --fresh trains it again.")
        elif resumed:
            self.say(f"Going on with the run in {job.run_dir}")
        event = {
            "kind": "run",
            "recipe": job.recipe_name,
            "base": job.profile.model,
            "quantization": job.profile.quantization,
            "phases": [phase.name for phase in job.recipe.phase],
            "rows": ledger.rows,
            "trained": ledger.trained,
            "held_out": ledger.held_out,
            "refused": len(ledger.refused),
            "processes": self.processes.count,
            "resumed": resumed,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": shlex.join(["understudy", *sys.argv[1:]]),
            "out": str(job.out),
            "refusals": ledger.refused,
            "warnings": ledger.warnings,
            "hashes": self.state.fingerprint,
            "plan": job.recipe.model_dump(mode="json"),
        }
        for observer in [] if self.state.done else self.observers:
            observer.event(event)

    def _notes(self, base: LoadedModel) -> list[str]:
        notes = []
        for phase in self.job.recipe.phase:
            notes += [f"Phase {phase.name}: {note}" for note in phase_targets(base.model, phase).notes]
            if phase.method in LIMITS:
                notes.append(f"Phase {phase.name}: {LIMITS[phase.method]}")
        return notes

    def _report(self, data: Data, composed: float | None) -> dict[str, Any]:
        ledger = data.ledger
        report = {
            "rows": ledger.rows,
            "trained": ledger.trained,
            "held_out": ledger.held_out,
            "refused": ledger.refused,
            "warnings": ledger.warnings,
            "run_dir": str(self.job.run_dir),
            "phases": self.state.finished,
        }
        return report if composed is None else {**report, "composed_loss": composed}


class _PhaseKeeper:
    """The run's state file, as one phase sees it."""

    def __init__(self, checkpoints: Checkpoints, state: RunState, phase: str) -> None:
        self._checkpoints, self._state, self._phase = checkpoints, state, phase

    @property
    def due(self) -> bool:
        return self._checkpoints.due

    def resume(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        if self._state.phase != self._phase:
            return None
        return self._state.position, self._state.tensors

    def keep(self, position: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        self._state.phase, self._state.position = self._phase, dict(position)
        self._state.tensors = dict(tensors)
        self._checkpoints.save(self._state)


def _persona_hash(job: Job) -> str:
    """SHA-256 (hex) of what a persona brings to its training beside pairs."""
    told = [job.system, *job.prefixes]
    for written in (job.asides, job.rejoinders):
        if written != type(written)():
            told.append(written.model_dump_json())
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _shape(phase: Phase) -> str:
    if phase.learns_prompt:
        return f"{phase.method}, {phase.virtual_tokens} virtual tokens"
    return f"{phase.method} r={phase.r}"


def _pad(base: LoadedModel) -> int:
    pad = base.tokenizer.pad_token_id
    return int(pad if pad is not None else next(iter(base.eos_ids)))
