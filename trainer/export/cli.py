"""`understudy export …`. Argparse only; torch is imported when a command runs."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

DTYPES = ("float32", "bfloat16", "float16")


def add_parser(commands: Any) -> None:
    """Add the `export` command to the `understudy` parser."""
    parser = commands.add_parser("export", help="write a trained persona for another engine, and check it")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")

    merged = kinds.add_parser("merged", help="the base model with the adapters folded in")
    _dtype(merged, DTYPES, "bfloat16")
    vllm = kinds.add_parser("vllm", help="the stack as one exact LoRA adapter for vLLM")
    _dtype(vllm, DTYPES, "float32")
    ollama = kinds.add_parser("ollama", help="GGUF adapters for llama.cpp and Ollama, with a Modelfile")
    _dtype(ollama, ("float32", "float16"), "float32")
    ollama.add_argument(
        "--from", dest="ollama_base", default="./base.gguf", metavar="BASE", help="FROM of the Modelfile"
    )
    card = kinds.add_parser("card", help="the adapters with a Hugging Face model card, ready to upload")
    card.add_argument("--license", default="other", metavar="ID", help="of the adapters (other)")
    card.add_argument("--base-model", default="", metavar="ID", help="the base's hub id, if it has another")
    card.add_argument("--dataset", action="append", default=[], metavar="ID", help="hub id of public data")
    for kind in (merged, vllm, ollama, card):
        kind.add_argument("--persona", type=Path, metavar="FOLDER", help="default: config.toml's")
        kind.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder to write")
        kind.add_argument(
            "--adapter", action="append", default=[], metavar="NAME", help="in order; default: config.toml's"
        )
        kind.add_argument("--device", default="cpu", help="where logits are computed, in float32 (cpu)")
        kind.add_argument("--force", action="store_true", help="replace an older export")
        kind.add_argument("--json", action="store_true", help="print the report as one JSON object")
        kind.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """Write an export.

    Returns:
        0; whatever is wrong is raised.

    Raises:
        UnderstudyError: nothing was written.
    """
    from engine.config import load_config
    from trainer.export.hub_card import CardOptions
    from trainer.export.run import ExportOptions, export

    options = ExportOptions(
        kind=args.kind,
        out=args.out,
        persona=args.persona,
        adapters=tuple(args.adapter),
        dtype=getattr(args, "dtype", "float32"),
        device=args.device,
        force=args.force,
    )
    if args.kind == "ollama":
        options = replace(options, ollama_base=args.ollama_base)
    if args.kind == "card":
        card = CardOptions(args.license, args.base_model, tuple(args.dataset))
        options = replace(options, card=card)
    report = export(load_config(Path(args.config)), options, _say)
    for warning in report["warnings"]:
        _say(f"warning: {warning}")
    if args.json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        check = report["check"]
        print(f"{report['out']}: {', '.join(report['files'])}")
        print(
            f"logits differ from the stack by at most {check['max_abs_diff']:.3g} "
            f"(allowed {check['tolerance']:.3g}; "
            f"the adapters change them by up to {check['adapter_effect']:.3g})"
        )
    return 0


def _dtype(parser: argparse.ArgumentParser, choices: tuple[str, ...], default: str) -> None:
    parser.add_argument("--dtype", choices=choices, default=default, help=f"of the weights ({default})")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
