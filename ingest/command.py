"""What the `ingest` sub-commands share: how one is declared, progress on stderr, and how one ends.

Results go to stdout, as text or as one JSON object; progress and refusals go to stderr. At import this
module loads nothing heavy, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ingest.jsonl import Row
    from ingest.ledger import Ledger

T = TypeVar("T")
Subparsers = argparse._SubParsersAction  # the type that argparse gives no public name


def add_command(
    subparsers: Subparsers[argparse.ArgumentParser],
    name: str,
    help: str,
    handler: Callable[[argparse.Namespace], int],
    *,
    out: str = "",
) -> argparse.ArgumentParser:
    """Declare a sub-command with --json, and with --out where it writes one file."""
    command = subparsers.add_parser(name, help=help)
    command.set_defaults(handler=handler)
    command.add_argument("--json", action="store_true", help="print one JSON object")
    if out:
        command.add_argument("--out", type=Path, required=True, metavar="FILE", help=f"{out} to write")
    return command


def write_pairs(
    args: argparse.Namespace, ledger: Ledger, out: Path, rows: list[Row], refused: list[str]
) -> int:
    """Write pairs and end; see `end`. Raises StorageError."""
    from ingest.jsonl import write_jsonl

    ledger.close()
    return end(args, ledger, out, {"pairs": write_jsonl(out, rows)}, refused)


def end(
    args: argparse.Namespace, ledger: Ledger, out: Path, counts: dict[str, Any], refused: list[str]
) -> int:
    """Print the ledger; 1 when a file was refused or nothing came out."""
    for line in refused:
        print(f"refused: {line}", file=sys.stderr)
    if args.json:
        result = {"ledger": ledger.as_json(), "out": str(out), "counts": counts}
        print(json.dumps(result, ensure_ascii=False))
    else:
        print(ledger.as_text())
        told = ", ".join(f"{value} {key}" for key, value in counts.items() if isinstance(value, int))
        print(f"{out}: {told}")
    made = next((counts[key] for key in ("pairs", "dialogues", "documents") if key in counts), 0)
    return 0 if made and not refused else 1


def file_bytes(path: Path) -> bytes:
    """A file's content. Raises InputError."""
    from engine.errors import InputError

    try:
        return path.read_bytes()
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}.") from exc


def progress_bar(total: int, label: str) -> Any:
    """A bar on stderr, shown only on a terminal."""
    from tqdm import tqdm

    return tqdm(total=total, desc=label, file=sys.stderr, disable=None)


def with_progress(items: Iterable[T], label: str) -> Iterator[T]:
    """The items, one step of a bar each."""
    listed = list(items)
    with progress_bar(len(listed), label) as bar:
        for item in listed:
            yield item
            bar.update(1)
