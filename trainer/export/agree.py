"""Whether an export says what the stack says: logits at every position of a few prompts.

Differences are measured on the logits themselves, in float32, and judged against the largest logit:
a float32 forward in another order of sums is off by a few millionths of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from engine.errors import ModelError
from engine.model.load import LoadedModel
from engine.model.lora import LoraWeights
from engine.personas import Persona
from engine.prompt import Renderer, reply_messages
from engine.types import Stack
from trainer.export.source import served

TOLERANCE = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
"""Allowed difference by the precision that weights are stored in, as a share of the largest logit
(of 1, where that is smaller). The coarse ones are for the rounding of stored weights alone."""
QUESTIONS = (
    "Who are you?",
    "Tell me in one sentence what you did yesterday, and why.",
    "What is the difference between a river and a lake?",
)

Logits = list[Tensor]
"""For each prompt (T, V), float32 on the CPU."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far an export's logits are from the stack's."""

    prompts: int
    positions: int
    max_abs_diff: float
    largest_logit: float
    tolerance: float
    """What max_abs_diff may be at most."""
    same_top: float
    """Share of positions whose most likely token is the same."""
    adapter_effect: float
    """Largest difference between base and stack: what the adapters change at all."""

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the tolerance (NaN is not)."""
        return self.max_abs_diff <= self.tolerance

    def as_json(self) -> dict[str, Any]:
        """For reports."""
        return {**asdict(self), "agrees": self.agrees}


def probe_ids(base: LoadedModel, persona: Persona) -> list[Tensor]:
    """Prompts as the persona's bot would render them, each (1, T)."""
    renderer = Renderer(base.tokenizer)
    texts = [*QUESTIONS, *persona.suggestions[:2]]
    rendered = [renderer.prompt(reply_messages(persona.system, (), text)).ids for text in texts]
    return [torch.tensor([ids[-base.context :]], device=base.device) for ids in rendered]


@torch.no_grad()
def model_logits(model: Any, prompts: Sequence[Tensor]) -> Logits:
    """The logits of a model, or of whatever is called like one; an encoder-decoder reads a prompt twice."""
    both = bool(model.config.is_encoder_decoder)
    out = []
    for ids in prompts:
        more = {"decoder_input_ids": ids} if both else {}
        out.append(model(input_ids=ids, use_cache=False, **more).logits[0].float().cpu())
    return out


def stack_logits(
    base: LoadedModel, weights: dict[str, LoraWeights], stack: Stack, prompts: Sequence[Tensor]
) -> Logits:
    """The logits of the rank-masked stack that the engine serves; an empty stack is the base."""
    with served(base, weights) as ranks, ranks.rows(ranks.mask([stack])):
        return model_logits(base.model, prompts)


def compare(found: Logits, expected: Logits, base: Logits, dtype: str) -> Agreement:
    """Measure an export.

    Args:
        found: of the export.
        expected: of the stack.
        base: of the base model alone.
        dtype: in which the export's weights are stored.
    """
    pairs = list(zip(found, expected, strict=True))
    largest = max(float(e.abs().max()) for e in expected)
    diffs = torch.stack([(f - e).abs().max() for f, e in pairs])
    positions = sum(len(e) for e in expected)
    same = sum(int((f.argmax(-1) == e.argmax(-1)).sum()) for f, e in pairs)
    return Agreement(
        prompts=len(expected),
        positions=positions,
        max_abs_diff=float(diffs.max()),  # of a tensor, so that NaN stays NaN
        largest_logit=largest,
        tolerance=TOLERANCE[dtype] * max(1.0, largest),
        same_top=same / positions,
        adapter_effect=max(float((b - e).abs().max()) for b, e in zip(base, expected, strict=True)),
    )


def insist(agreement: Agreement, what: str) -> Agreement:
    """Refuse an export that differs. Raises ModelError with the numbers."""
    if not agreement.agrees:
        raise ModelError(
            f"{what} differs from the stack by {agreement.max_abs_diff:.3g} in its logits; allowed: "
            f"{agreement.tolerance:.3g}. Nothing was written. Try --dtype float32; if it still differs, "
            "please report it with the model's name."
        )
    return agreement


def warnings(agreement: Agreement) -> list[str]:
    """What the reader of a report should know about the numbers."""
    if agreement.adapter_effect == 0:
        return ["The adapters change nothing: were they trained?"]
    if agreement.max_abs_diff > 0.1 * agreement.adapter_effect:
        share = agreement.max_abs_diff / agreement.adapter_effect
        return [
            f"Rounding moved the logits by {share:.0%} of what the adapters change; "
            "export with --dtype float32, or keep the adapters apart from the base."
        ]
    return []
