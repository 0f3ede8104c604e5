"""`understudy train documents|rag-data|tasks|rag-test|tools-data`: what stands around a training.

Argparse only. What takes time to import is imported when a command runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONFIGS = Path(__file__).parent / "configs"


def add_parsers(kinds: Any) -> None:
    """Add the commands to `train`."""
    documents = _add(kinds, "documents", "make a training set of documents, without a teacher", _documents)
    documents.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="Markdown files or folders")
    documents.add_argument("--out", type=Path, required=True, metavar="FILE", help="pairs to write")
    documents.add_argument("--max-words", type=int, default=80, metavar="N", help="of a passage (80)")

    rag = _add(kinds, "rag-data", "make source-attributed answers of a conversation log", _rag_data)
    rag.add_argument("logs", nargs="+", type=Path, metavar="FILE", help="JSON lines; see docs/rag-tuning.md")
    rag.add_argument("--out", type=Path, required=True, metavar="FILE", help="pairs to write")
    rag.add_argument("--chat", type=Path, metavar="FILE", help="the same rows in chat format")
    rag.add_argument("--min-score", type=float, default=0.5, metavar="X", help="0 to 1 (0.5)")

    tasks = _add(kinds, "tasks", "tell what a conversation log is about and which recipe fits", _tasks)
    tasks.add_argument("logs", nargs="+", type=Path, metavar="FILE", help="JSON lines")

    test = _add(kinds, "rag-test", "measure whether answers use and name their passages", _rag_test)
    test.add_argument("cases", nargs="?", type=Path, metavar="FILE", help="default: the shipped set")
    test.add_argument("--adapter", type=Path, action="append", metavar="DIR", help="instead of the stack")
    test.add_argument("--limit", type=int, default=0, metavar="N", help="cases at most")
    test.add_argument("--out", type=Path, metavar="FILE", help="replies to write")

    tools = _add(kinds, "tools-data", "make a synthetic set of tool use (get_weather)", _tools_data)
    tools.add_argument("--out", type=Path, required=True, metavar="FILE", help="chat rows to write")
    tools.add_argument("--count", type=int, default=600, metavar="N", help="rows (600)")
    tools.add_argument("--seed", type=int, default=0, metavar="S")
    tools.add_argument("--persona", type=Path, metavar="DIR", help="whose system message heads every row")

    again = _add(kinds, "retrain", "train an adapter again on a grown log; live only if not worse", _retrain)
    again.add_argument("name", metavar="ADAPTER", help="folder under the persona's adapters/")
    again.add_argument("--pairs", type=Path, action="append", required=True, metavar="FILE")
    again.add_argument("--recipe", type=Path, default=CONFIGS / "rag-tuned.toml", metavar="FILE")
    again.add_argument(
        "--min-new", type=int, default=1, metavar="N", help="new rows below which nothing is done"
    )
    again.add_argument("--cases", type=Path, metavar="FILE", help="of the gate (default: the shipped set)")
    again.add_argument("--limit", type=int, default=24, metavar="N", help="cases at most; 0 asks none (24)")

    audience = _add(
        kinds, "audience-data", "part labelled answers by audience, with a held-out test", _audience
    )
    audience.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JSON lines or CSV")
    audience.add_argument("--out", type=Path, required=True, metavar="DIR")
    audience.add_argument("--recipe", type=Path, default=CONFIGS / "audience-qlora.toml", metavar="FILE")
    audience.add_argument("--held-out", type=int, default=100, metavar="N", help="rows for the test (100)")
    audience.add_argument("--seed", type=int, default=0, metavar="N")

    style = _add(kinds, "audience-test", "measure style, meaning and exact match by audience", _audience_test)
    style.add_argument("data", type=Path, metavar="DIR", help="what audience-data wrote")
    style.add_argument(
        "--adapters", type=Path, metavar="DIR", help="holds audience-NAME; none: the base alone"
    )
    style.add_argument("--threshold", type=float, default=0.6, metavar="X", help="cosine (0.6)")
    style.add_argument("--limit", type=int, default=0, metavar="N", help="rows at most")
    style.add_argument("--out", type=Path, metavar="FILE", help="replies to write")


def _add(kinds: Any, name: str, help: str, handler: Callable[[argparse.Namespace], int]) -> Any:
    command = kinds.add_parser(name, help=help)
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(handler=handler)
    return command


def _documents(args: argparse.Namespace) -> int:
    from engine.errors import InputError
    from trainer.documents_set import build_documents_set

    if not 10 <= args.max_words <= 1000:
        raise InputError(f"--max-words is {args.max_words}; allowed: 10 to 1000.")
    report = build_documents_set(args.paths, args.out, max_words=args.max_words, say=_say)
    _show(args, report, f"{args.out}: {report['pairs']} pairs of {report['documents']} documents")
    return 1 if report["refused"] else 0


def _rag_data(args: argparse.Namespace) -> int:
    from engine.errors import InputError
    from trainer.ragdata import make_rag_data

    if not 0 <= args.min_score <= 1:
        raise InputError(f"--min-score is {args.min_score}; allowed: 0 to 1.")
    report = make_rag_data(args.logs, args.out, args.chat, min_score=args.min_score)
    for line in report["refused"]:
        _say(f"refused: {line}")
    dropped = ", ".join(f"{n} {reason}" for reason, n in report["dropped"].items()) or "none"
    _show(args, report, f"{args.out}: {report['kept']} of {report['rows']} rows; left out: {dropped}")
    return 1 if report["refused"] else 0


def _tasks(args: argparse.Namespace) -> int:
    from trainer.tasks import analyze_files

    report = analyze_files(args.logs)
    lines = [
        f"{name:<26} {part['share']:>6.1%}  {part['rows']} rows" for name, part in report["tasks"].items()
    ]
    lines.append(f"recipe: {report['recipe']} ({report['why']})")
    _show(args, report, "\n".join(lines))
    return 0


def _rag_test(args: argparse.Namespace) -> int:
    import asyncio

    from engine.config import load_config
    from trainer.rag_eval import CASES, rag_test, read_cases

    rows = read_cases(args.cases or CASES, args.limit)
    config = load_config(Path(args.config))
    report = asyncio.run(rag_test(config, rows, adapters=args.adapter or (), out=args.out, say=_say))
    line = (
        f"{report['cases']} cases: context used in {report['context_use']:.1%} (goal over 80%), "
        f"sources named in {report['attribution']:.1%} (goal over 90%)"
    )
    _show(args, report, line)
    return 0


def _tools_data(args: argparse.Namespace) -> int:
    from trainer.tooldata import write_tools_data

    report = write_tools_data(args.out, args.count, args.seed, args.persona)
    _show(args, report, f"{args.out}: {report['rows']} rows, {report['calls']} of them calls")
    return 0


def _retrain(args: argparse.Namespace) -> int:
    import re

    from engine.config import load_config
    from engine.errors import InputError
    from trainer.rag_eval import CASES, read_cases
    from trainer.retrain import retrain

    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", args.name):
        raise InputError(f"{args.name[:64]!r} is no adapter name; allowed: a-z, 0-9, - and _.")
    cases = read_cases(args.cases or CASES, args.limit) if args.limit else ()
    config = load_config(Path(args.config))
    report = retrain(
        config,
        args.name,
        pair_files=args.pairs,
        recipe=args.recipe,
        min_new=args.min_new,
        cases=cases,
        say=_say,
    )
    _show(args, report, f"{args.name}: {report['state']}")
    return 0


def _audience(args: argparse.Namespace) -> int:
    from trainer.audience import make_audience_data

    report = make_audience_data(args.files, args.out, args.recipe, held_out=args.held_out, seed=args.seed)
    for line in report["refused"]:
        _say(f"refused: {line}")
    trained, tested = sum(report["trained"].values()), sum(report["held_out"].values())
    names = ", ".join(report["audiences"])
    _show(args, report, f"{args.out}: {trained} rows to train, {tested} held out, for {names}")
    return 1 if report["refused"] else 0


def _audience_test(args: argparse.Namespace) -> int:
    import asyncio

    from engine.config import load_config
    from trainer.audience_eval import audience_test

    report, answered = asyncio.run(
        audience_test(
            load_config(Path(args.config)), args.data / "held-out.jsonl", args.data / "train", args.adapters,
            limit=args.limit, threshold=args.threshold, say=_say,
        )
    )  # fmt: skip
    if args.out is not None:
        rows = [{"audience": a.row.audience, "question": a.row.question, "reply": a.reply} for a in answered]
        args.out.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    line = (
        f"{report['n']} answers: style {report['style_hit_rate']:.1%} (chance {report['chance']:.1%}, "
        f"references {report['reference_style_hit_rate']:.1%}), meaning {report['semantic_overlap']:.1%} "
        f"at cosine {report['threshold']:g}, exact {report['exact_match']:.1%}"
    )
    _show(args, report, line)
    return 0


def _show(args: argparse.Namespace, report: dict[str, Any], line: str) -> None:
    print(json.dumps(report, ensure_ascii=False) if args.json else line)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
