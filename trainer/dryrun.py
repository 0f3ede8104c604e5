"""`understudy train persona … --dry-run`: what a training would do, told without a weight.

Reads the tokenizer, the model's config.json and every row: examples with their trained tokens marked,
lengths, refused rows, steps and memory. Nothing is trained or written; a base from the hub is fetched
without its weights.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import median
from typing import Any

from engine.model.hashes import find_model
from trainer.beginning import beginnings
from trainer.pairs import Example, Renders
from trainer.recipe import Phase
from trainer.rundata import Data, Job, phase_examples, read_data
from trainer.vram import Load, Precision

EXAMPLES = 3
BINS = 8
_LONGEST_TEXT = 700
"""Characters of an example's stretch of tokens that are shown; its middle is left out."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a dry run reads."""

    job: Job
    config: Any  # transformers' configuration
    tokenizer: Any
    renderer: Renders
    data: Data


def dry_run(job: Job) -> dict[str, Any]:
    """Everything that can be known of a training before it starts.

    Returns:
        a JSON-ready object: rows and refusals, a list of phases, and memory in bytes.

    Raises:
        ConfigError, InputError, ModelError: what would also stop the training, but for `strict`.
    """
    parts = _read(replace(job, strict=False))
    job, data = parts.job, parts.data
    if job.start:
        beginnings(job.start, job.recipe.phase)
    phases, loads = [], []
    for phase in job.recipe.phase:
        examples = phase_examples(job, phase, data, parts.renderer)
        train, held_out = [*examples.train, *examples.fresh(0)], examples.held_out
        load = micro_batch(job, phase, train, held_out, parts.config)
        loads.append(load)
        phases.append(_phase(parts, phase, train, held_out, load))
    return {
        "recipe": job.recipe_name,
        "base": job.profile.model,
        "window": job.limit,
        "rows": data.ledger.rows,
        "trained": data.ledger.trained,
        "held_out": data.ledger.held_out,
        "refused": data.ledger.refused,
        "warnings": data.ledger.warnings,
        "phases": phases,
        "memory": _memory(job, parts.config, loads),
    }


def micro_batch(
    job: Job, phase: Phase, train: Sequence[Example], held_out: Sequence[Example], config: Any
) -> Load:
    """The largest micro-batch of a phase, as `trainer.lora` will cut it."""
    lengths = sorted((len(e) for e in train), reverse=True)
    most = job.recipe.batch_size * lengths[0]
    if _packs(job, phase, max(map(len, (*train, *held_out))), train, config):
        mean = sum(lengths) / len(lengths)
        longest = max(map(len, (*train, *held_out)))
        step = sum(lengths[: job.recipe.batch_size * job.recipe.accumulation])
        most = min(step, max(longest, math.ceil(job.recipe.batch_size * mean)))
    share = sum(e.trained for e in train) / sum(lengths)
    return Load(most, math.ceil(most * share))


def _packs(job: Job, phase: Phase, longest: int, train: Sequence[Example], config: Any) -> bool:
    from types import SimpleNamespace

    from trainer.packattention import can_pack

    plain = not phase.learns_prompt and not train[0].source
    return job.recipe.packing and plain and can_pack(SimpleNamespace(config=config), longest)


def _read(job: Job) -> _Parts:
    from engine.model.load import load_tokenizer
    from engine.prompt import Renderer
    from trainer.bases import Seq2SeqRenderer, template_warnings
    from trainer.vram import read_config

    folder = find_model(job.base_ref, weights=False)
    config = read_config(folder)
    tokenizer = load_tokenizer(str(folder))
    longest = getattr(config, "max_position_embeddings", None) or job.profile.context_tokens
    context = min(job.profile.context_tokens, int(longest))
    job = replace(job, profile=job.profile.model_copy(update={"context_tokens": context}))
    renderer = Seq2SeqRenderer(tokenizer) if config.is_encoder_decoder else Renderer(tokenizer)
    data = read_data(job, renderer)
    data.ledger.warnings += template_warnings(tokenizer)
    return _Parts(job, config, tokenizer, renderer, data)


# --- a phase ---------------------------------------------------------------------------------


def _phase(
    parts: _Parts, phase: Phase, train: list[Example], held_out: list[Example], load: Load
) -> dict[str, Any]:
    recipe = parts.job.recipe
    per_epoch = math.ceil(len(train) / (recipe.batch_size * recipe.accumulation))
    own = len(parts.data.of(phase)[0]) * len(phase.rates)
    spread = sorted(train[:own], key=len)
    shown = [spread[round(i * (own - 1) / max(1, EXAMPLES - 1))] for i in range(min(EXAMPLES, own))]
    return {
        "phase": phase.name,
        "method": phase.method,
        "examples": len(train),
        "replayed": len(train) - own,
        "held_out": len(held_out),
        "epochs": phase.epochs,
        "steps_per_epoch": per_epoch,
        "steps": per_epoch * phase.epochs,
        "trained_tokens": phase.epochs * sum(e.trained for e in train),
        "micro_batch_tokens": load.tokens,
        "lengths": lengths(train),
        "shown": [segments(example, parts.tokenizer) for example in shown],
    }


def lengths(examples: Sequence[Example]) -> dict[str, Any]:
    """Smallest, median, 95th percentile, largest, and a histogram as [from, to, examples] rows; tokens."""
    values = sorted(map(len, examples))
    low, high = values[0], values[-1]
    width = max(1, math.ceil((high - low + 1) / BINS))
    starts = range(low, high + 1, width)
    bins = [[a, a + width - 1, sum(a <= v < a + width for v in values)] for a in starts]
    p95 = values[math.ceil(0.95 * len(values)) - 1]
    return {"min": low, "median": median(values), "p95": p95, "max": high, "histogram": bins}


def segments(example: Example, tokenizer: Any) -> list[dict[str, Any]]:
    """An example as stretches of text, trained or not; an encoder's text comes first."""
    marked = [(token, False) for token in example.source]
    marked += list(zip(example.ids, example.mask, strict=True))
    found = []
    for trained, run in groupby(marked, key=lambda pair: pair[1]):
        text = tokenizer.decode([token for token, _ in run], clean_up_tokenization_spaces=False)
        found.append({"text": _printable(text), "trained": trained})
    return found


def _printable(text: str) -> str:
    """Rows are data: what would steer a terminal is shown as a replacement character."""
    if len(text) > _LONGEST_TEXT:
        text = f"{text[: _LONGEST_TEXT // 2]} […] {text[-_LONGEST_TEXT // 2 :]}"
    return "".join(c if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf") else "\ufffd" for c in text)


# --- memory ----------------------------------------------------------------------------------


def _memory(job: Job, config: Any, loads: Sequence[Load]) -> dict[str, Any]:
    """Bytes for this base and, with the same rows, for other sizes; by bits, with and without
    checkpointing."""
    from trainer.vram import LLAMA_SHAPES, PRECISIONS, llama_config

    own, cuda = _precision(job)
    chosen = [*PRECISIONS, *([own] if own not in PRECISIONS else [])]
    rows = _rows(job, config, loads, chosen, cuda)
    for row in rows:
        row["chosen"] = (row["bits"], row["checkpointing"]) == (own, job.recipe.gradient_checkpointing)
    others = {
        name: _rows(job, llama_config(name), loads, PRECISIONS, True)
        for name in LLAMA_SHAPES
        if not config.is_encoder_decoder
    }
    return {"device": "cuda" if cuda else "cpu", "base": rows, "other_sizes": others}


def _rows(
    job: Job, config: Any, loads: Sequence[Load], precisions: Sequence[Precision], cuda: bool
) -> list[dict[str, Any]]:
    from trainer.vram import adapter_shapes, estimate, meta_model, model_shape

    shape = model_shape(meta_model(config))
    adapters = adapter_shapes(config, _portable(job, config))
    rows = []
    for precision in precisions:
        for checkpointing in (False, True):
            e = estimate(shape, adapters, loads, precision, checkpointing=checkpointing, cuda=cuda)
            rows.append(
                {
                    "bits": precision, "checkpointing": checkpointing, "total": e.total,
                    "weights": e.weights, "adapters": e.adapters, "optimizer": e.optimizer,
                    "activations": e.activations, "passing": e.passing,
                }
            )  # fmt: skip
    return rows


def _portable(job: Job, config: Any) -> list[Phase]:
    """The phases, with layers that the base alone has under such names (`c_attn`) called q, k, v."""
    from engine.errors import ConfigError
    from trainer.targets import find_targets
    from trainer.vram import meta_model

    model = meta_model(config)
    phases = []
    for phase in job.recipe.phase:
        try:
            find_targets(model, phase.target_modules)
        except ConfigError:
            if config.model_type != "llama":
                raise
            phase = phase.model_copy(update={"target_modules": ["q", "k", "v"]})
        phases.append(phase)
    return phases


def _precision(job: Job) -> tuple[Precision, bool]:
    """How this training would hold its base, and whether on CUDA."""
    import torch

    from engine.model.load import pick_device, pick_dtype

    device = pick_device(job.profile.device)
    dtype = pick_dtype(job.profile.dtype, device)
    whole: Precision = "fp32" if dtype == torch.float32 else "bf16"
    return (whole if job.profile.quantization == "none" else job.profile.quantization), device.type == "cuda"
