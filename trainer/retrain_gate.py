"""May a newly trained adapter take the place of the one that is live?

Two questions, both asked of the new adapter and of the one it would replace (the unmodified base model
where there is none): the mean loss on held-out rows that neither was trained on, and the two rates of
`trainer.rag_eval` over a set of cases. The new one passes when its loss is not higher and neither rate
is lower. This module trains nothing and moves nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.adapters import check, open_adapter
from engine.config import Config
from engine.errors import AdapterError
from engine.personas import load_persona
from trainer.grounded_rows import LogRow
from trainer.pairs import Pair

BATCH = 4


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of one adapter; None where it was not measured."""

    held_out_loss: float | None = None
    context_use: float | None = None
    attribution: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the new one may go live, and why not."""

    passed: bool
    reasons: tuple[str, ...]


def verdict(new: Measured, old: Measured) -> Verdict:
    """Compare two adapters; what was not measured of both says nothing."""
    reasons = []
    losses = (new.held_out_loss, old.held_out_loss)
    if None not in losses and not losses[0] <= losses[1]:  # type: ignore[operator]  # nor when it is NaN
        reasons.append(f"held-out loss {losses[0]:.4f} is worse than {losses[1]:.4f}")
    for what in ("context_use", "attribution"):
        mine, theirs = getattr(new, what), getattr(old, what)
        if mine is not None and theirs is not None and mine < theirs:
            reasons.append(f"{what.replace('_', ' ')} {mine:.1%} is lower than {theirs:.1%}")
    return Verdict(not reasons, tuple(reasons))


def usable(folder: Path, config: Config) -> bool:
    """Whether an adapter is there and belongs to the profile's base model."""
    from engine.model.hashes import find_model, model_hashes

    try:
        check(open_adapter(folder).manifest, model_hashes(find_model(config.model_ref)))
    except AdapterError:
        return False
    return True


def held_out_losses(
    config: Config, persona: Path, pairs: Sequence[Pair], folders: Sequence[Path | None], max_length: int
) -> list[float]:
    """Nats per token of the pairs' responses.

    Args:
        folders: adapters, each alone on the base model; None is the base model itself.
        max_length: tokens; longer pairs lose their oldest turns, and are left out when that is not enough.

    Raises:
        ModelError: base or adapter cannot be loaded.
    """
    from peft import PeftModel

    from engine.model.load import load_model
    from trainer.bases import renderer_for
    from trainer.evaluating import evaluate
    from trainer.pairs import Ledger, render_pairs

    base = load_model(config.model_ref, config.active_profile)
    renderer = renderer_for(base)
    examples = render_pairs(pairs, renderer, load_persona(persona).system, (), 0.0, max_length, 0, Ledger())
    pad = base.tokenizer.pad_token_id
    pad_id = int(pad if pad is not None else next(iter(base.eos_ids)))
    model: Any = base.model
    losses: dict[Path | None, float] = {}
    if None in folders:
        losses[None] = evaluate(model, examples, BATCH, pad_id)
    for number, folder in enumerate(f for f in folders if f is not None):
        name = f"gate{number}"
        if number == 0:
            model = PeftModel.from_pretrained(model, folder, adapter_name=name)
        else:
            model.load_adapter(folder, adapter_name=name)
        model.set_adapter(name)
        losses[folder] = evaluate(model, examples, BATCH, pad_id)
    return [losses[folder] for folder in folders]


def rates_of(
    config: Config, cases: Sequence[LogRow], folders: Sequence[Path | None], say: Callable[[str], None]
) -> list[tuple[float, float]]:
    """Context use and attribution of adapters, each alone; None is the base model."""
    return asyncio.run(_rates_of(config, cases, folders, say))


async def _rates_of(
    config: Config, cases: Sequence[LogRow], folders: Sequence[Path | None], say: Callable[[str], None]
) -> list[tuple[float, float]]:
    from trainer.evaluation.options import Options
    from trainer.evaluation.session import Session
    from trainer.rag_eval import rates, run_cases

    found = []
    async with Session(config, Options(strengths={}), say) as session:
        for number, folder in enumerate(folders):
            strengths: dict[str, float] = {}
            if folder is not None:
                info = await session.worker.load_adapter(folder, f"gate{number}", strength=0.0)
                strengths = {info.name: 1.0}
            measured = rates(await run_cases(session.having(strengths=strengths), cases))
            found.append((measured["context_use"], measured["attribution"]))
    return found
