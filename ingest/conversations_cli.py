"""`understudy ingest conversations`: its arguments, and what it runs."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from ingest.command import Subparsers, add_command, write_pairs


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add `conversations` to the sub-commands of `ingest`."""
    own = add_command(
        subparsers,
        "conversations",
        "make pairs of the service's well-rated chats",
        run_conversations,
        out="pairs",
    )
    own.add_argument("--min-score", type=float, default=0.5, metavar="X", help="0 to 1 (0.5)")
    own.add_argument("--turns", type=int, default=10, metavar="N", help="earlier turns as context (10)")
    own.add_argument("--without-passages", action="store_true", help="leave the passages out of the prompt")


def run_conversations(args: argparse.Namespace) -> int:
    """Write pairs of the history. Raises UnderstudyError."""
    from engine.config import load_config
    from engine.errors import InputError
    from engine.personas import load_persona
    from ingest.conversations import ExportOptions, conversation_pairs, read_exchanges
    from ingest.ledger import Ledger

    if not 0 <= args.min_score <= 1 or not 0 <= args.turns <= 100:
        raise InputError("--min-score must be 0 to 1, and --turns 0 to 100.")
    config = load_config(Path(args.config))
    options = ExportOptions(
        load_persona(config.persona_path).name, args.min_score, args.turns, not args.without_passages
    )
    exchanges, opted_out, ratings = asyncio.run(read_exchanges(config.history_url))
    ledger = Ledger()
    rows = list(conversation_pairs(exchanges, opted_out, ratings, options, ledger))
    return write_pairs(args, ledger, args.out, rows, [])
