"""`understudy ingest pairs`, `audit` and `decide`: their arguments, and what they print.

Results go to stdout, as text or as one JSON object; progress goes to stderr. Loads nothing heavy at
import.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ingest.decisions import Decision
    from ingest.ledger import Ledger

FORMATS = ("auto", "labelled", "srt", "vtt", "whisper", "whisperx", "dialogue")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `pairs`, `audit` and `decide` to the sub-commands of `ingest`."""
    add_pairs_parser(subparsers)
    add_audit_parser(subparsers)
    add_decide_parser(subparsers)


def add_pairs_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `pairs`."""
    pairs = subparsers.add_parser("pairs", help="make training pairs of transcripts")
    pairs.set_defaults(handler=run_pairs)
    pairs.add_argument("files", nargs="+", type=Path, metavar="FILE", help="transcripts")
    pairs.add_argument("--target", required=True, metavar="NAME", help="the speaker to learn from")
    pairs.add_argument(
        "--alias", action="append", default=[], metavar="NAME", help="another name of the target"
    )
    pairs.add_argument(
        "--out", type=Path, default=Path("pairs.jsonl"), metavar="FILE", help="default: pairs.jsonl"
    )
    pairs.add_argument("--format", choices=FORMATS, default="auto", help="default: told from the content")
    pairs.add_argument("--rttm", type=Path, metavar="FILE", help="who speaks when, from a diarizer")
    pairs.add_argument(
        "--speaker", action="append", default=[], metavar="NAME", help="only these labels count"
    )
    pairs.add_argument(
        "--margin", type=float, default=0.5, help="how clearly a word is one speaker's, 0 to 1"
    )
    pairs.add_argument("--max-lost", type=float, default=0.2, help="share of a turn's words in quarantine")
    pairs.add_argument("--window", type=int, default=10, metavar="N", help="turns, the reply among them")
    pairs.add_argument("--cap", type=int, metavar="N", help="most pairs of one source")
    pairs.add_argument("--min-words", type=int, default=3, metavar="N", help="shortest reply")
    pairs.add_argument(
        "--min-confidence", type=float, default=0.4, metavar="C", help="of an utterance, 0 to 1"
    )
    pairs.add_argument(
        "--near-duplicate", type=float, default=0.8, metavar="J", help="similarity; above 1 is off"
    )
    pairs.add_argument(
        "--pause-hours", type=float, default=6.0, help="silence that ends a chat's conversation"
    )
    pairs.add_argument("--held-out", type=float, default=0.15, metavar="SHARE", help="0 to 0.5")
    pairs.add_argument("--pii", choices=("replace", "drop", "off"), default="replace", help="personal data")
    pairs.add_argument(
        "--names",
        choices=("auto", "presidio", "speakers", "off"),
        default="auto",
        help="whose names are replaced: all that are found, by Presidio or by form, or only the speakers'",
    )
    _add_common(pairs)


def add_audit_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `audit`."""
    audit = subparsers.add_parser("audit", help="write a review sheet of a pairs file")
    audit.set_defaults(handler=run_audit)
    audit.add_argument("pairs", type=Path, metavar="PAIRS", help="pairs.jsonl")
    audit.add_argument(
        "--out", type=Path, default=Path("audit.html"), metavar="FILE", help="default: audit.html"
    )
    audit.add_argument("--min-words", type=int, default=5, metavar="N", help="flag shorter replies")
    audit.add_argument("--min-confidence", type=float, default=0.6, metavar="C", help="flag rows below it")
    audit.add_argument(
        "--near-duplicate", type=float, default=0.7, metavar="J", help="flag rows this similar"
    )
    _add_common(audit)


def add_decide_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `decide`."""
    decide = subparsers.add_parser("decide", help="accept or reject rows; later runs of pairs obey")
    decide.set_defaults(handler=run_decide)
    decide.add_argument("ids", nargs="*", metavar="ID", help="rows, as the review sheet names them")
    choice = decide.add_mutually_exclusive_group()
    for name, text in (("accept", "keep them"), ("reject", "leave them out"), ("clear", "undecide them")):
        choice.add_argument(f"--{name}", dest="choice", action="store_const", const=name, help=text)
    decide.add_argument("--reason", default="", help="for the file")
    decide.add_argument(
        "--from", dest="source", type=Path, metavar="FILE", help="decisions saved from the sheet"
    )
    decide.add_argument("--pairs", type=Path, metavar="PAIRS", help="refuse ids that this file does not have")
    _add_common(decide)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--decisions", type=Path, metavar="FILE", help="default: decisions.jsonl beside the pairs"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run_pairs(args: argparse.Namespace) -> int:
    """Make pairs.

    Returns:
        0, or 1 when a file was refused.

    Raises:
        UnderstudyError: the command failed; nothing was written.
    """
    from engine.errors import InputError
    from ingest.ledger import Ledger
    from ingest.pairs_files import make_pairs, make_scrubber
    from ingest.rows import PairOptions
    from ingest.speakers import Margins
    from ingest.transcripts import TranscriptOptions

    for name, value, most in (
        ("held-out", args.held_out, 0.5),
        ("margin", args.margin, 1.0),
        ("max-lost", args.max_lost, 1.0),
    ):
        if not 0 <= value <= most:
            raise InputError(f"--{name} is {value}; allowed: 0 to {most}.")
    options = PairOptions(
        args.target,
        tuple(args.alias),
        args.window,
        args.min_words,
        args.min_confidence,
        args.cap,
        args.near_duplicate,
        args.pause_hours * 3600,
        drop_pii=args.pii == "drop",
    )
    margins = Margins(margin=args.margin, max_lost=args.max_lost)
    ledger = Ledger()
    result = make_pairs(
        args.files,
        args.out,
        options,
        TranscriptOptions(args.format, args.rttm, tuple(args.speaker), margins),
        make_scrubber(args.pii, args.names, options),
        args.decisions or args.out.with_name("decisions.jsonl"),
        args.held_out,
        ledger,
        _Progress(len(args.files)),
    )
    for problem in result.refused:
        print(f"refused: {problem}", file=sys.stderr)
    data = {
        "counts": result.counts,
        "files": result.files,
        "sources": result.sources,
        "refused": result.refused,
    }
    _print(args.json, ledger, data, ", ".join(f"{v} {k.replace('_', ' ')}" for k, v in result.counts.items()))
    return 1 if result.refused else 0


class _Progress:
    """A line on stderr that counts files; silent for one file."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0

    def __call__(self, name: str) -> None:
        self._done += 1
        if self._total > 1:
            end = "\r" if sys.stderr.isatty() and self._done < self._total else "\n"
            print(f"{self._done}/{self._total} {name[:60]:<60}", end=end, file=sys.stderr, flush=True)


def run_audit(args: argparse.Namespace) -> int:
    """Write the review sheet.

    Returns:
        0, or 1 when a row is unreadable.

    Raises:
        UnderstudyError: the command failed; the sheet is as it was.
    """
    from engine.errors import InputError
    from ingest.audit import AuditOptions, audit_pairs
    from ingest.audit_page import audit_page
    from ingest.decisions import load_decisions
    from ingest.ledger import Ledger
    from ingest.outfiles import write_files
    from ingest.pairs_files import meta_path

    meta = meta_path(args.pairs)
    decisions = args.decisions or args.pairs.with_name("decisions.jsonl")
    if args.out.resolve() in {path.resolve() for path in (args.pairs, meta, decisions)}:
        raise InputError(f"{args.out} is an input and would be overwritten; give another --out.")
    ledger = Ledger()
    options = AuditOptions(args.min_words, args.min_confidence, args.near_duplicate)
    audit = audit_pairs(args.pairs, meta, load_decisions(decisions), ledger, options)
    ledger.close()
    write_files({args.out: audit_page(audit)})
    data = {
        "counts": {
            "rows": len(audit.rows),
            "unreadable": len(audit.unreadable),
            "flags": audit.flag_counts(),
        },
        "files": {"audit": str(args.out)},
    }
    flagged = ", ".join(f"{count} {flag}" for flag, count in audit.flag_counts().items()) or "nothing flagged"
    _print(args.json, ledger, data, f"{args.out}: {len(audit.rows)} rows, {flagged}")
    return 1 if audit.unreadable else 0


def run_decide(args: argparse.Namespace) -> int:
    """Keep decisions.

    Raises:
        UnderstudyError: an id is unknown or malformed, or the file cannot be written.
    """
    from engine.errors import InputError
    from ingest.decisions import Decision, load_decisions, parse_decisions, save_decisions
    from ingest.decoding import read_text
    from ingest.ledger import Ledger

    if args.ids and not args.choice:
        raise InputError("Say --accept, --reject or --clear for these rows.")
    made = [Decision(row_id, args.choice, args.reason) for row_id in dict.fromkeys(args.ids)]
    if args.source:
        made += parse_decisions(read_text(args.source), args.source.name).values()
    if not made:
        raise InputError("No row was named: give ids, or --from FILE with the decisions of a review sheet.")
    if args.pairs:
        _refuse_unknown(made, args.pairs)
    beside = args.pairs.with_name("decisions.jsonl") if args.pairs else Path("decisions.jsonl")
    path = args.decisions or beside
    ledger = Ledger()
    stage = ledger.stage("decisions", "decisions")
    kept = save_decisions(path, made, load_decisions(path))
    stage.keep(len(made))
    ledger.close()
    counts = {name: sum(d.decision == name for d in kept.values()) for name in ("accept", "reject")}
    data = {"counts": {"changed": len(made), **counts}, "files": {"decisions": str(path)}}
    _print(args.json, ledger, data, f"{path}: {counts['accept']} accepted, {counts['reject']} rejected")
    return 0


def _refuse_unknown(made: list[Decision], pairs: Path) -> None:
    from engine.errors import InputError
    from ingest.audit import row_ids

    known = row_ids(pairs)
    for decision in made:
        if decision.id not in known:
            raise InputError(f"{pairs} has no row {decision.id!r}. Ids change when the row's text does.")


def _print(as_json: bool, ledger: Ledger, data: dict[str, Any], text: str) -> None:
    if as_json:
        print(json.dumps({"ledger": ledger.as_json(), **data}, ensure_ascii=False))
    else:
        print(f"{ledger.as_text()}\n{text}")
