"""`understudy eval …`. Argparse only; torch is imported when a command runs."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.evaluation.options import DECODINGS, STACKS

if TYPE_CHECKING:
    from engine.config import Config
    from trainer.evaluation.options import Options
    from trainer.evaluation.retrieval import Indexer

BASE_PARTS = ("analyzer", "rewrite")  # asked of the unmodified base model
HELP = {
    "analyzer": "is a search decided on where facts are asked for?",
    "rewrite": "does the standalone query name what it must?",
    "grounded": "is the reply what the passages say?",
    "conflicts": "does the newer fact win over an older one or over memory?",
    "persona": "does the persona say what it should?",
}


def add_parser(commands: Any, index_documents: Callable[..., Any]) -> None:
    """Add the `eval` command to the `understudy` parser.

    Args:
        commands: the parser's commands.
        index_documents: builds the index of `eval retrieval`, see `retrieval.Indexer`.
    """
    evaluate = commands.add_parser("eval", help="measure model, persona and index with cases")
    parts = evaluate.add_subparsers(dest="part", required=True, metavar="PART")
    for name, text in HELP.items():
        part = parts.add_parser(name, help=text)
        part.add_argument("--cases", type=Path, required=True, metavar="FILE", help="JSON lines")
        _common(part)
        _sampled(part)
        part.set_defaults(handler=_part)

    retrieval = parts.add_parser("retrieval", help="does the index find the documents that answer?")
    retrieval.add_argument("--documents", type=Path, required=True, metavar="FILE", help="JSON lines")
    retrieval.add_argument("--cases", type=Path, required=True, metavar="FILE", help="JSON lines")
    _common(retrieval)
    retrieval.set_defaults(handler=_retrieval, index_documents=index_documents)

    every = parts.add_parser("all", help="the project's own held-out sets, and the model card's tables")
    every.add_argument(
        "--corpus", type=Path, metavar="DIR", help="folder of *.jsonl.xz for XQuAD, prose, style"
    )
    every.add_argument("--card", type=Path, metavar="FILE", help="put the tables into this model card")
    every.add_argument(
        "--pairs",
        type=Path,
        action="append",
        metavar="FILE",
        help="pairs that the adapters were trained on (default: the persona's training/)",
    )
    _common(every, out="DIR")
    _sampled(every)
    every.set_defaults(handler=_all)

    sets = parts.add_parser("sets", help="write the held-out sets anew from the skill generators")
    sets.add_argument("--out", type=Path, metavar="DIR", help="default: the sets that ship")
    sets.add_argument("--seed", type=int, default=0)
    sets.add_argument("--json", action="store_true", help="print one JSON object")
    sets.set_defaults(handler=_sets)


def _common(parser: argparse.ArgumentParser, out: str = "FILE") -> None:
    what = "tables and generations go there" if out == "DIR" else "one JSON line a case goes there"
    parser.add_argument("--out", type=Path, metavar=out, help=what)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N cases")
    parser.add_argument("--persona", type=Path, metavar="DIR", help="persona folder (default: config.toml's)")
    parser.add_argument("--profile", metavar="NAME", help="another [profiles.NAME] of config.toml")
    parser.add_argument("--model", metavar="DIR", help="another base model, folder or id, in that profile")


def _sampled(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="case i is drawn with S + i")
    parser.add_argument("--temperature", type=float, metavar="T", help="0 is greedy, the default")
    parser.add_argument(
        "--decoding",
        default="greedy",
        metavar="NAME",
        help=f"one of {', '.join(DECODINGS)}; sample takes the configured temperature",
    )
    parser.add_argument(
        "--context-weight",
        type=float,
        default=0.5,
        metavar="A",
        help="of context-aware decoding: logits (1 + A) with passages - A without",
    )
    parser.add_argument(
        "--stack",
        nargs="+",
        metavar="WORD",
        help=f"{', '.join(STACKS)}, or NAME=STRENGTH …; default: as configured",
    )
    parser.add_argument(
        "--no-reader", dest="reader", action="store_false", help="the model has to find answers by itself"
    )


def _part(args: argparse.Namespace) -> int:
    config, options = _config(args), _options(args)
    from engine.rows import read_rows
    from trainer.evaluation.part import PARTS, READING_PARTS, opened, run_part
    from trainer.evaluation.session import Session

    cases = read_rows(args.cases, PARTS[args.part].row, args.limit)
    if args.part in BASE_PARTS:
        options = replace(options, strengths={})  # as in service, whatever --stack says
    if args.part not in READING_PARTS:
        options = replace(options, reader=False)  # there is nothing to read

    async def measure() -> dict[str, Any]:
        from trainer.evaluation.options import Clock

        with opened(args.out) as out:
            async with Session(config, options, _say) as session:
                clock = Clock()
                numbers = await run_part(args.part, session, cases, out)
                if numbers["errors"]:
                    _say(
                        f"{numbers['errors']} cases could not be answered and count as wrong; see --out FILE."
                    )
                return {**numbers, "part": args.part, "seconds": clock.seconds, **session.describe()}

    return _finish(asyncio.run(measure()), args.json)


def _retrieval(args: argparse.Namespace) -> int:
    config = _config(args)
    from trainer.evaluation.options import Clock
    from trainer.evaluation.part import opened
    from trainer.evaluation.retrieval import run

    index_documents: Indexer = args.index_documents
    clock = Clock()
    with opened(args.out) as out:
        numbers = asyncio.run(
            run(config, args.documents, args.cases, index_documents, limit=args.limit, out=out)
        )
    described = {"part": "retrieval", "seconds": clock.seconds, "embedder": config.retriever.embedder}
    return _finish({**numbers, **described}, args.json)


def _all(args: argparse.Namespace) -> int:
    config, options = _config(args), _options(args)
    from trainer.evaluation.whole import evaluate_all

    report = asyncio.run(
        evaluate_all(
            config,
            options,
            corpus=args.corpus,
            out=args.out,
            limit=args.limit,
            say=_say,
            pairs=args.pairs or [],
        )
    )
    from trainer.evaluation.report import put_into_card, tables

    if args.card is not None:
        put_into_card(args.card, tables(report))
    if args.json:
        return _finish(report, True)
    print(tables(report))
    return 0


def _sets(args: argparse.Namespace) -> int:
    from trainer.evaluation.generated import SETS, write_sets

    counts = write_sets(args.out or SETS, args.seed)
    return _finish(dict(counts), args.json)


def _config(args: argparse.Namespace) -> Config:
    """The configuration as the options change it; only warnings are logged, below the progress bar."""
    from engine.config import load_config
    from engine.errors import InputError
    from trainer.evaluation.options import chosen_config

    logging.getLogger().setLevel(logging.WARNING)
    if args.limit is not None and args.limit < 1:
        raise InputError(f"--limit is {args.limit}; allowed: 1 or more.")
    return chosen_config(
        load_config(Path(args.config)), profile=args.profile, model=args.model, persona=args.persona
    )


def _options(args: argparse.Namespace) -> Options:
    from trainer.evaluation.options import Options, decoding_named, stack_strengths

    return Options(
        decoding=decoding_named(args.decoding),
        temperature=args.temperature,
        seed=args.seed,
        strengths=None if args.stack is None else stack_strengths(args.stack),
        context_weight=args.context_weight,
        reader=args.reader,
    )


def _finish(report: dict[str, Any], as_json: bool) -> int:
    if as_json:
        print(json.dumps(report, ensure_ascii=False))
        return 0
    for key, value in report.items():
        if isinstance(value, dict):
            value = ", ".join(f"{k} {v}" for k, v in value.items()) or "none"
        print(f"{key:<14} {value}")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
