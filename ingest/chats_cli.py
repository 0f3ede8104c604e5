"""`understudy ingest chats`: its arguments, and what it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from ingest.command import Subparsers, add_command, end, with_progress


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add `chats` to the sub-commands of `ingest`."""
    chats = add_command(
        subparsers,
        "chats",
        "make dialogues of Telegram, Discord and WhatsApp exports",
        run_chats,
        out="dialogues",
    )
    chats.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="result.json, channel.json, chat.txt"
    )
    chats.add_argument(
        "--target", required=True, metavar="NAME", help="whom to imitate: name, user name or id"
    )
    chats.add_argument("--merge-window", type=float, default=300.0, metavar="S", help="seconds (300)")
    chats.add_argument("--session-gap", type=float, default=6.0, metavar="H", help="hours of silence (6)")
    chats.add_argument("--date-order", choices=("dmy", "mdy", "ymd"), help="of WhatsApp (default: found)")
    chats.add_argument("--keep-names", action="store_true", help="do not replace other people's names")


def run_chats(args: argparse.Namespace) -> int:
    """Write dialogues of chat exports. Raises UnderstudyError."""
    from ingest.chats import ChatOptions, import_chats
    from ingest.dialogue_file import write_dialogues
    from ingest.ledger import Ledger

    ledger = Ledger()
    options = ChatOptions(args.target, args.merge_window, args.session_gap, args.keep_names, args.date_order)
    found = import_chats(list(with_progress(args.files, "reading")), options, ledger)
    ledger.close()
    write_dialogues(args.out, found.dialogues)
    return end(args, ledger, args.out, found.counts, [])
