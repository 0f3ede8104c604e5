"""`understudy train retrain`: train an adapter again on a log that has grown; it lives if it is no worse.

    new rows enough? → split → train beside the live adapter → gate → live, or kept aside

Which rows are held out is decided by a hash of each row, so that a row that was held out once is
never trained on later, and old and new are measured on rows that neither has seen. Beside the adapter's
folder `NAME@retrain.json` remembers the rows of the last run, and `NAME@retrain.jsonl` has a line a run.
The adapter that is replaced is kept, see `engine.adapter_versions`; one that did not pass is too, under
its hash.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.adapter_versions import current, install
from engine.config import Config
from engine.errors import InputError
from engine.personas import load_persona
from trainer.grounded_rows import LogRow
from trainer.pairs import Ledger, Pair, read_pairs
from trainer.recipe import Phase, Recipe, load_recipe
from trainer.retrain_gate import Measured, held_out_losses, rates_of, usable, verdict

log = logging.getLogger(__name__)

HELD_OUT_PERCENT = 15
MIN_HELD_OUT = 2
Say = Callable[[str], None]


def retrain(
    config: Config,
    name: str,
    *,
    pair_files: Sequence[Path],
    recipe: Path,
    min_new: int = 1,
    cases: Sequence[LogRow] = (),
    say: Say = lambda _: None,
) -> dict[str, Any]:
    """One run; see the module.

    Args:
        config: persona and base model.
        name: the adapter's folder under the persona's adapters/.
        pair_files: the whole log as pairs, old rows too.
        recipe: TOML with one phase.
        min_new: rows since the last run, below which nothing is done.
        cases: for the gate's two rates; without cases only the loss decides.

    Returns:
        `state` (skipped, live or refused), counts, what was measured and why, as JSON.

    Raises:
        ConfigError, InputError, ModelError, StorageError: with what to mend; the live adapter stays.
    """
    adapters = load_persona(config.persona_path).adapters_path
    live = adapters / name
    plan, phase = _plan(recipe)
    ledger = Ledger()
    pairs = [pair for path in pair_files for pair in read_pairs(path, ledger)]
    keys = {_key(pair): pair for pair in pairs}
    fresh = set(keys) - _known(adapters, name)
    report: dict[str, Any] = {
        "adapter": name, "rows": len(keys), "new": len(fresh), "unusable": ledger.refused,
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "live_before": current(live),
    }  # fmt: skip
    held_out = [pair for key, pair in keys.items() if _is_held_out(key)]
    train = {key: pair for key, pair in keys.items() if not _is_held_out(key)}
    report |= {"train": len(train), "held_out": len(held_out)}
    if len(fresh) < min_new or not train or len(held_out) < MIN_HELD_OUT:
        enough = (
            f"{len(fresh)} new rows, {min_new} wanted" if len(fresh) < min_new else "too few rows to hold out"
        )
        say(f"Nothing to retrain: {enough}.")
        return _record(adapters, name, {**report, "state": "skipped", "reasons": [enough]})
    adapters.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=adapters) as work:
        made = _train(config, list(train.values()), recipe, Path(work), phase, say)
        old = live if usable(live, config) else None
        new_is, old_is = _measure(config, held_out, cases, (made, old), plan, say)
        judged = verdict(new_is, old_is)
        report |= {
            "compared_with": current(live) if old else "the base model",
            "new_adapter": asdict(new_is), "old_adapter": asdict(old_is), "reasons": list(judged.reasons),
        }  # fmt: skip
        report["hash"] = _place(live, made, passed=judged.passed)
    _remember(adapters, name, set(keys))  # also when it did not pass: the same rows would not again
    report["state"] = "live" if judged.passed else "refused"
    say(f"{name} {report['hash']}: {report['state']}" + "".join(f"; {why}" for why in judged.reasons))
    return _record(adapters, name, report)


def _plan(recipe: Path) -> tuple[Recipe, Phase]:
    plan = load_recipe(recipe)
    if len(plan.phase) != 1:
        raise InputError(
            f"{recipe} trains {len(plan.phase)} adapters; retraining takes a recipe with one phase."
        )
    return plan, plan.phase[0]


def _train(config: Config, pairs: Sequence[Pair], recipe: Path, work: Path, phase: Phase, say: Say) -> Path:
    """The new adapter's folder."""
    from trainer.persona import train_persona

    rows = [
        {"instruction": list(p.instruction), "response": p.response, "source": p.source, "id": p.id}
        for p in pairs
    ]
    path = work / "pairs.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    train_persona(config, config.persona_path, pair_files=[path], recipe=recipe, out=work / "out", say=say)
    return work / "out" / phase.name


def _measure(
    config: Config,
    held_out: Sequence[Pair],
    cases: Sequence[LogRow],
    folders: tuple[Path, Path | None],
    plan: Recipe,
    say: Say,
) -> tuple[Measured, Measured]:
    say(f"Measuring on {len(held_out)} held-out rows and {len(cases)} cases …")
    limit = min(plan.max_length, config.active_profile.context_tokens)
    losses = held_out_losses(config, config.persona_path, held_out, folders, limit)
    rates = rates_of(config, cases, folders, say) if cases else [(None, None)] * 2
    new, old = (Measured(loss, *rate) for loss, rate in zip(losses, rates, strict=True))
    return new, old


def _place(live: Path, made: Path, *, passed: bool) -> str:
    """Put the new adapter in its place, or aside under its hash; returns the hash."""
    made_hash = current(made)
    if passed:
        return install(live, made)
    aside = live.with_name(f"{live.name}@{made_hash}")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(made, aside)
    return made_hash


def _key(pair: Pair) -> str:
    text = "\x00".join([*pair.instruction, pair.response])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_held_out(key: str) -> bool:
    return int(key, 16) % 100 < HELD_OUT_PERCENT


def _known(adapters: Path, name: str) -> set[str]:
    try:
        return set(json.loads((adapters / f"{name}@retrain.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return set()


def _remember(adapters: Path, name: str, keys: set[str]) -> None:
    path = adapters / f"{name}@retrain.json"
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(sorted(keys)) + "\n", encoding="utf-8")
    draft.replace(path)


def _record(adapters: Path, name: str, report: dict[str, Any]) -> dict[str, Any]:
    adapters.mkdir(parents=True, exist_ok=True)
    with (adapters / f"{name}@retrain.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(report, ensure_ascii=False) + "\n")
    return report
