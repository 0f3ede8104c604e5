"""`understudy train …`. Argparse only; torch is imported when a command runs."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from trainer import data_cli

CONFIGS = Path(__file__).parent / "configs"


def add_parser(commands: Any) -> None:
    """Add the `train` command to the `understudy` parser."""
    train = commands.add_parser("train", help="train a base model or a persona's adapters")
    kinds = train.add_subparsers(dest="kind", required=True, metavar="KIND")

    base = kinds.add_parser("base", help="train the starter model: tokenizer, data, model, export")
    base.add_argument(
        "--recipe",
        "--config",
        dest="recipe",
        type=Path,
        default=CONFIGS / "starter.toml",
        metavar="FILE",
        help="the run's TOML",
    )
    base.add_argument("--corpus", type=Path, metavar="DIR", help="folder of *.jsonl.xz text and chat rows")
    base.add_argument("--out", type=Path, metavar="DIR", help="where the model is written")
    base.add_argument(
        "--stage",
        choices=("all", "data", "train", "export"),
        default="all",
        help="run one stage alone (each resumes where it stopped)",
    )
    base.add_argument("--json", action="store_true", help="print the report as one JSON object")
    base.set_defaults(handler=_base)

    mean = kinds.add_parser("average", help="write the mean of several runs' weights as a model")
    mean.add_argument("models", type=Path, nargs="+", metavar="MODEL", help="folders of one shape")
    mean.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    mean.add_argument(
        "--shares", type=float, nargs="+", default=[], metavar="W", help="of each model; default: equal"
    )
    mean.add_argument("--json", action="store_true", help="print the report as one JSON object")
    mean.set_defaults(handler=_average)

    reader = kinds.add_parser("reader", help="train the reader that finds answers in passages")
    reader.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="folder of *.jsonl.xz rows")
    reader.add_argument("--out", type=Path, default=Path("models/reader"), metavar="DIR")
    reader.add_argument("--work", type=Path, default=Path("work/reader"), metavar="DIR", help="checkpoints")
    reader.add_argument("--rows", type=int, default=80_000, metavar="N", help="examples to read in all")
    reader.add_argument("--threads", type=int, default=0, metavar="N", help="CPU threads; 0: torch's choice")
    reader.add_argument("--seed", type=int, default=0)
    reader.add_argument("--json", action="store_true", help="print one JSON object")
    reader.set_defaults(handler=_reader)

    probe = kinds.add_parser("probe", help="ask a model held-out cases of each skill")
    probe.add_argument("model", type=Path, metavar="DIR")
    probe.add_argument("--cases", type=int, default=48, metavar="N", help="cases of each skill")
    probe.add_argument("--show", type=int, default=0, metavar="N", help="print answers of each skill")
    probe.add_argument("--json", action="store_true", help="print the shares as one JSON object")
    probe.set_defaults(handler=_probe)

    persona = kinds.add_parser("persona", help="train a persona's adapters from pairs, phase by phase")
    persona.add_argument("persona", type=Path, metavar="PERSONA", help="the persona's folder")
    persona.add_argument(
        "--pairs", type=Path, action="append", metavar="FILE", help="pairs JSONL (may be repeated)"
    )
    persona.add_argument(
        "--recipe",
        type=Path,
        default=CONFIGS / "dual-phase.toml",
        metavar="FILE",
        help="a TOML file, or the name of a shipped one (docs/training.md has the table)",
    )
    persona.add_argument(
        "--base",
        default="",
        metavar="MODEL",
        help="folder or hub id; default: the recipe's, then the profile's",
    )
    persona.add_argument("--out", type=Path, metavar="DIR", help="default: PERSONA/adapters")
    persona.add_argument(
        "--run-dir",
        type=Path,
        metavar="DIR",
        help="events and checkpoints; default: runs/RECIPE-HASH beside --out",
    )
    persona.add_argument(
        "--from", dest="start", type=Path, metavar="DIR", help="begin each phase with the adapter DIR/PHASE"
    )
    persona.add_argument("--fresh", action="store_true", help="begin anew, whatever an earlier run left")
    persona.add_argument("--strict", action="store_true", help="fail when a row is refused")
    persona.add_argument(
        "--dry-run", action="store_true", help="show examples, lengths, steps, memory; train nothing"
    )
    persona.add_argument("--no-tensorboard", action="store_true", help="write no TensorBoard event files")
    persona.add_argument("--wandb", default="", metavar="PROJECT", help="tell Weights & Biases too")
    persona.add_argument("--json", action="store_true", help="print the report as one JSON object")
    persona.set_defaults(handler=_persona)

    card = kinds.add_parser("card", help="write a run's card (HTML) and loss curve (PNG) from its events")
    card.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the folder with events.jsonl")
    card.add_argument("--json", action="store_true", help="print the files' paths as one JSON object")
    card.set_defaults(handler=_card)
    data_cli.add_parsers(kinds)


def _base(args: argparse.Namespace) -> int:
    from trainer.base import train_base

    report = train_base(args.recipe, corpus=args.corpus, out=args.out, stage=args.stage, say=_say)
    return _finish(report, args.json)


def _average(args: argparse.Namespace) -> int:
    from trainer.averaging import average

    report = average(args.models, args.out, args.shares)
    _say(f"Wrote {report['folder']}, the mean of {len(report['models'])} models")
    return _finish(report, args.json)


def _reader(args: argparse.Namespace) -> int:
    from engine.errors import InputError
    from trainer.reader import ReaderConfig, train_reader

    if args.rows < 1 or args.threads < 0:
        raise InputError("--rows is 1 or more, --threads 0 or more.")
    config = ReaderConfig(rows=args.rows, seed=args.seed, threads=args.threads)
    return _finish(train_reader(args.corpus, args.out, args.work, config, _say), args.json)


def _probe(args: argparse.Namespace) -> int:
    from engine.errors import InputError
    from trainer.probe import probe

    if not (args.model / "config.json").is_file():
        raise InputError(f"{args.model} is no model folder.")
    shares = probe(args.model, args.cases, samples=0 if args.json else args.show)
    if not args.json:
        for name, share in shares.items():
            print(f"{name:<28} {share:.1%}")
    return _finish(dict(shares), args.json)


def _persona(args: argparse.Namespace) -> int:
    from engine.config import load_config
    from trainer.persona import persona_job

    job = persona_job(
        load_config(Path(args.config)),
        args.persona,
        pair_files=args.pairs or [],
        recipe=_recipe(args.recipe),
        out=args.out,
        base=args.base,
        run_dir=args.run_dir,
        strict=args.strict,
        fresh=args.fresh,
        start=args.start,
    )
    if args.dry_run:
        return _dry_run(job, args)
    observers = _observers(job.run_dir, args)  # a missing package is told before the base is read
    from trainer.adapterset import train_adapters

    report = train_adapters(job, observers, _say)
    if (job.run_dir / "card.html").is_file() and observers:
        _say(f"Run card: {job.run_dir / 'card.html'}")
    if os.environ.get("RANK", "0") != "0":  # of `accelerate launch`, one process speaks
        return 0
    if not args.json:
        for phase in report["phases"]:
            kept = f"epoch {phase['best_epoch']} of {len(phase['eval_loss'])} kept"
            best = min([phase["start_loss"], *phase["eval_loss"]])
            print(f"{phase['folder']}  held-out loss {phase['start_loss']:.3f} -> {best:.3f}, {kept}")
    return _finish(report, args.json)


def _observers(run_dir: Path, args: argparse.Namespace) -> list[Any]:
    """The bar, the card at the end, and who else is told; of several processes the first alone."""
    from engine.errors import ConfigError
    from trainer.events import ProgressBar
    from trainer.runcard import RunCardObserver
    from trainer.tracking import TensorBoardObserver, WandbObserver

    if os.environ.get("RANK", "0") != "0":
        return []
    observers: list[Any] = [ProgressBar()]
    if not args.no_tensorboard:
        try:
            observers.append(TensorBoardObserver(run_dir))
        except ConfigError as exc:  # nobody asked for it
            _say(str(exc))
    if args.wandb:
        observers.append(WandbObserver(args.wandb, run_dir))
    return [*observers, RunCardObserver(run_dir)]


def _dry_run(job: Any, args: argparse.Namespace) -> int:
    from trainer.dryreport import report_text
    from trainer.dryrun import dry_run

    report = dry_run(job)
    if not args.json:
        print(report_text(report, color=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
    _finish(report, args.json)
    return 1 if args.strict and report["refused"] else 0


def _card(args: argparse.Namespace) -> int:
    from trainer.runcard import write_card

    files = write_card(args.run_dir)
    if not args.json:
        print("\n".join(str(path) for path in files.values()))
    return _finish({name: str(path) for name, path in files.items()}, args.json)


def _recipe(given: Path) -> Path:
    """A file as it is; a bare name is a shipped recipe's."""
    shipped = CONFIGS / f"{given}.toml"
    return shipped if not given.is_file() and given.name == str(given) and shipped.is_file() else given


def _finish(report: dict[str, Any], as_json: bool) -> int:
    if as_json:
        print(json.dumps(report, ensure_ascii=False))
    return 0


def _say(line: str) -> None:
    from tqdm import tqdm

    tqdm.write(line, file=sys.stderr)  # above a progress bar, if there is one
    sys.stderr.flush()
