"""`understudy ingest csv`: its arguments, and what it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from ingest.command import Subparsers, add_command, with_progress, write_pairs


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csv` to the sub-commands of `ingest`."""
    table = add_command(subparsers, "csv", "make pairs of tables of headlines or posts", run_csv, out="pairs")
    table.add_argument("files", nargs="+", type=Path, metavar="FILE", help="CSV, TSV and the like")
    table.add_argument("--text", required=True, metavar="COL", help="column of what was written")
    asked = table.add_mutually_exclusive_group()
    asked.add_argument("--prompt", default="", metavar="COL", help="column of what it answers")
    asked.add_argument(
        "--template", action="append", metavar="TEXT", help="prompt; {COL} is replaced; may be repeated"
    )
    table.add_argument(
        "--source", default="", metavar="NAME", help="name that pairs carry (default: the file's)"
    )
    table.add_argument("--delimiter", default="", metavar="C", help="default: found")
    table.add_argument("--min-words", type=int, default=2, metavar="N", help="of a text (2)")


def run_csv(args: argparse.Namespace) -> int:
    """Write pairs of tables. Raises UnderstudyError."""
    from engine.errors import InputError
    from ingest.csv_rows import TEMPLATES, CsvOptions, csv_pairs
    from ingest.ledger import Ledger

    if len(args.delimiter) > 1:
        raise InputError(f"--delimiter is {args.delimiter!r}; allowed: one character.")
    options = CsvOptions(
        text=args.text,
        prompt=args.prompt,
        templates=tuple(args.template or TEMPLATES),
        source=args.source,
        delimiter=args.delimiter,
        min_words=args.min_words,
    )
    ledger = Ledger()
    stage = ledger.stage("rows")
    rows = [row for path in with_progress(args.files, "reading") for row in csv_pairs(path, options, stage)]
    return write_pairs(args, ledger, args.out, rows, [])
