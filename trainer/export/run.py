"""One export, start to end: read, take the stack's logits, write into a draft, check, put in place."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.config import Config
from engine.errors import ModelError
from trainer.export.agree import Agreement, Logits, probe_ids, stack_logits, warnings
from trainer.export.hub_card import CardOptions, write_card
from trainer.export.merged import write_merged
from trainer.export.modelfile import go_template, modelfile
from trainer.export.ollama import TOGETHER, write_ollama
from trainer.export.place import folder_files, new_folder, write_report
from trainer.export.ranksum import peft_logits, rank_sum, write_rank_sum
from trainer.export.readme import ollama_readme, vllm_readme
from trainer.export.source import Source, open_source


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What the command line says."""

    kind: str
    """merged, vllm, ollama or card."""
    out: Path
    persona: Path | None = None
    adapters: tuple[str, ...] = ()
    dtype: str = "float32"
    device: str = "cpu"
    force: bool = False
    ollama_base: str = "./base.gguf"
    card: CardOptions = field(default_factory=CardOptions)


@dataclass(frozen=True, slots=True)
class _Job:
    """What a writer gets."""

    source: Source
    options: ExportOptions
    folder: Path
    prompts: list[Tensor]
    expected: Logits
    plain: Logits


def export(
    config: Config, options: ExportOptions, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Write an export and its export.json.

    Args:
        say: told the progress, a line each.

    Returns:
        a JSON-ready report: what was exported, from what, its files, and how well it agrees.

    Raises:
        UnderstudyError: it cannot be written or differs from the stack; nothing is left behind.
    """
    with new_folder(options.out, options.force) as folder:
        say("Reading the base model in float32 …")
        merging = options.kind == "merged"
        source = open_source(config, options.persona, options.adapters, options.device, one_dora=merging)
        say(f"Adapters: {', '.join(f'{a.name} (rank {a.rank})' for a in source.adapters)}")
        weights = {adapter.name: adapter.weights for adapter in source.adapters}
        prompts = probe_ids(source.base, source.persona)
        plain = stack_logits(source.base, {}, (), prompts)
        if source.adapters[0].dora:  # the stack cannot serve it: PEFT says what is right
            expected = peft_logits(source.base.model, [source.adapters[0].folder.path], prompts)
        else:
            expected = stack_logits(source.base, dict(weights), source.stack, prompts)
        say(f"Writing and checking ({options.kind}, {options.dtype}) …")
        told = _WRITERS[options.kind](_Job(source, options, folder, prompts, expected, plain))
        report = {
            "kind": options.kind,
            "persona": source.persona.id,
            "base": source.base_name,
            "base_hash": source.base.base_hash,
            "dtype": options.dtype,
            "adapters": [
                {"name": a.name, "rank": a.rank, "weights_hash": a.folder.manifest.weights_hash}
                for a in source.adapters
            ],
            **told,
        }
        write_report(folder, report)
        files = folder_files(folder)
    return {**report, "out": str(options.out.resolve()), "files": files}


def _told(main: Agreement, **more: Agreement) -> dict[str, Any]:
    parts = {name: agreement.as_json() for name, agreement in more.items()}
    return {"check": {**main.as_json(), **({"parts": parts} if parts else {})}, "warnings": warnings(main)}


def _merged(job: _Job) -> dict[str, Any]:
    config, source = job.source.config, job.source
    checks = write_merged(source, job.folder, job.options.dtype, job.prompts, job.expected, job.plain)
    try:
        template, stops = go_template(source.base.tokenizer)
    except ModelError:  # no Modelfile, then: the model itself is none the worse for it
        return _told(checks["stored"], in_memory=checks["in_memory"])
    system, context = source.persona.system, source.base.context
    text = modelfile(".", [], template, stops, system, config.sampling, context)
    (job.folder / "Modelfile").write_text(text, encoding="utf-8")
    return _told(checks["stored"], in_memory=checks["in_memory"])


def _vllm(job: _Job) -> dict[str, Any]:
    summed = rank_sum(job.source)
    digest, agreement = write_rank_sum(
        job.source, summed, job.folder, job.options.dtype, job.prompts, job.expected, job.plain
    )
    name = f"persona-{digest[:12]}"
    body = {"lora_name": name, "lora_path": str(job.options.out.resolve())}
    (job.folder / "load_lora_adapter.json").write_text(json.dumps(body) + "\n", encoding="utf-8")
    text = vllm_readme(job.source, summed, body, agreement)
    (job.folder / "README.md").write_text(text, encoding="utf-8")
    spans = {adapter: [first, end] for adapter, first, end in summed.spans}
    return {**_told(agreement), "name": name, "rank": summed.rank, "columns": spans, "request": body}


def _ollama(job: _Job) -> dict[str, Any]:
    options = job.options
    checks = write_ollama(
        job.source, job.folder, options.dtype, options.ollama_base, job.prompts, job.expected, job.plain
    )
    main = checks.pop(TOGETHER)
    (job.folder / "README.md").write_text(ollama_readme(job.source, main), encoding="utf-8")
    return _told(main, **checks)


def _card(job: _Job) -> dict[str, Any]:
    return _told(write_card(job.source, job.folder, job.options.card, job.prompts, job.expected, job.plain))


_WRITERS: dict[str, Callable[[_Job], dict[str, Any]]] = {
    "merged": _merged,
    "vllm": _vllm,
    "ollama": _ollama,
    "card": _card,
}
