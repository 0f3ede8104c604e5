"""The model card of a persona's adapters, as Hugging Face reads it: written from the manifests alone.

What no manifest says is not in the card: there are no numbers here but those of the training and of
the check that was just run.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.adapters import CONFIG, MANIFEST, WEIGHTS, Manifest
from trainer.export.agree import Agreement, Logits, compare, insist
from trainer.export.ranksum import peft_logits
from trainer.export.source import Source

_BAR = "\\|"  # inside a table
TAGS = ("lora", "persona", "understudy")


@dataclass(frozen=True, slots=True)
class CardOptions:
    """What the manifests cannot know."""

    license: str = "other"
    """Licence of the adapters, as the hub spells it."""
    base_model: str = ""
    """Hub id of the base; default: as the manifests call it."""
    datasets: tuple[str, ...] = ()
    """Hub ids; empty where the data is not public."""


def write_card(
    source: Source, folder: Path, options: CardOptions, prompts: list[Tensor], expected: Logits, plain: Logits
) -> Agreement:
    """Write README.md with the adapters beside it, ready to be uploaded.

    The copied adapters are loaded by plain PEFT and compared with the stack.

    Raises:
        ModelError: they do not say what the stack says.
    """
    for adapter in source.adapters:
        place = folder / adapter.name
        place.mkdir()
        for name in (WEIGHTS, CONFIG, MANIFEST):
            shutil.copyfile(adapter.folder.path / name, place / name)
    folders = [folder / adapter.name for adapter in source.adapters]
    found = peft_logits(source.base.model, folders, prompts)
    agreement = insist(compare(found, expected, plain, "float32"), "The adapters by plain PEFT")
    (folder / "README.md").write_text(card_text(source, options, agreement), encoding="utf-8")
    return agreement


def card_text(source: Source, options: CardOptions, agreement: Agreement) -> str:
    """The card, front matter first."""
    persona = source.persona
    manifests = [adapter.folder.manifest for adapter in source.adapters]
    base = options.base_model or source.base_name
    names = ", ".join(m.name for m in manifests)
    return f"""---
{_front_matter(base, options)}
---

# {_text(persona.name)}: {len(manifests)} LoRA adapter{"s" * (len(manifests) > 1)} for {_text(base)}

**{_text(persona.disclosure)}**

The adapters {names} are stacked in this order on an unchanged base model and never merged into it:
`y = W x + s₁ B₁ A₁ x + s₂ B₂ A₂ x + …`. Each may be left out or weakened on its own.

## Adapters
{_table(_ADAPTER_COLUMNS, [_adapter_row(m) for m in manifests])}

## Recipe
{_table(("adapter", *_RECIPE), [(m.name, *(_value(_recipe(m), key) for key in _RECIPE)) for m in manifests])}

## Metrics
Losses are nats per trained token, on the training rows and on those held out.

{_table(("adapter", "metric", "value"), _metrics(manifests))}

Loaded by plain PEFT, the adapters' logits differ from those of the served stack by at most
{agreement.max_abs_diff:.2g} (largest logit {agreement.largest_logit:.3g}; {agreement.positions} positions).

## Data
{_data(manifests, options)}

## How to use
```python
from peft import PeftModel
from transformers import {source.auto_class}

model = {source.auto_class}.from_pretrained({base!r})
model = PeftModel.from_pretrained(model, {manifests[0].name!r}, adapter_name={manifests[0].name!r})
{_loads(manifests)}model.base_model.set_adapter({[m.name for m in manifests]!r})
```
The system message that it was trained with:

> {_text(persona.system)}

## Limits
- It is a language model in a role. What it says may be false, and is not a statement of anybody.
- It was trained on this base, tokenizer and chat template alone (hashes below); on another base it is noise.
- It knows nothing newer than its base and its data. Facts should come from retrieved passages.
- The metrics above are losses. They say nothing about truthfulness, safety or likeness.

## Provenance
{_table(("adapter", "made", "base", "tokenizer", "template", "command"), [_provenance(m) for m in manifests])}
"""


_ADAPTER_COLUMNS = ("adapter", "rank", "alpha", "dropout", "scaling", "modules", "on top of", "weights")
_RECIPE = (
    "learning_rate", "weight_decay", "epochs", "identity_rate", "batch_size", "accumulation", "max_length",
    "held_out", "quantize", "seed",
)  # fmt: skip


def _front_matter(base: str, options: CardOptions) -> str:
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        base_model=base,
        library_name="peft",
        license=options.license,
        pipeline_tag="text-generation",
        tags=list(TAGS),
        datasets=list(options.datasets) or None,
    )
    return data.to_yaml().strip()


def _adapter_row(manifest: Manifest) -> tuple[str, ...]:
    scaling = "alpha / sqrt(rank)" if manifest.use_rslora else "alpha / rank"
    parent = manifest.parent.name if manifest.parent else "the base"
    modules = ", ".join(manifest.target_modules)
    return (
        manifest.name, str(manifest.rank), f"{manifest.alpha:g}", f"{manifest.dropout:g}", scaling, modules,
        parent, f"`{manifest.weights_hash[:12]}`",
    )  # fmt: skip


def _provenance(manifest: Manifest) -> tuple[str, ...]:
    hashes = (manifest.base_hash, manifest.tokenizer_hash, manifest.template_hash)
    command = f"`{manifest.command}`" if manifest.command else "not recorded"
    return (manifest.name, f"{manifest.created_at:%Y-%m-%d}", *(f"`{h[:12]}`" for h in hashes), command)


def _recipe(manifest: Manifest) -> dict[str, Any]:
    """The run's keys, with the phase's own over them."""
    run = {key: value for key, value in manifest.recipe.items() if not isinstance(value, Mapping)}
    phase = manifest.recipe.get("phase")
    return {**run, **(phase if isinstance(phase, Mapping) else {})}


def _metrics(manifests: Sequence[Manifest]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for manifest in manifests:
        for key, value in manifest.metrics.items():
            shown = ", ".join(map(_number, value)) if isinstance(value, list) else _number(value)
            rows.append((manifest.name, key.replace("_", " "), shown))
    return rows or [(manifests[0].name, "none recorded", "")]


def _data(manifests: Sequence[Manifest], options: CardOptions) -> str:
    rows = [(m.name, f"`{m.data_hash}`" if m.data_hash else "not recorded") for m in manifests]
    told = (
        f"Public as {', '.join(options.datasets)}." if options.datasets else "The data is not published here."
    )
    return f"{told} Its SHA-256:\n\n{_table(('adapter', 'data'), rows)}"


def _loads(manifests: Sequence[Manifest]) -> str:
    return "".join(f"model.load_adapter({m.name!r}, adapter_name={m.name!r})\n" for m in manifests[1:])


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(_text(cell).replace('|', _BAR) for cell in line)} |" for line in lines)


def _value(values: Mapping[str, Any], key: str) -> str:
    return _number(values[key]) if key in values else "–"


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _text(value: str) -> str:
    """On one line: what a manifest says cannot open a new part of the card."""
    return " ".join(value.split())
