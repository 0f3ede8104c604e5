"""`understudy ingest chats`, `book`, `csv`, `web`, `documents` and `conversations`.

Results go to stdout, as text or as one JSON object; progress and refusals go to stderr. At import this
module loads nothing heavy, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ingest.extract import Extract
    from ingest.jsonl import Row
    from ingest.ledger import Ledger

T = TypeVar("T")
Subparsers = argparse._SubParsersAction  # the type that argparse gives no public name


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the sub-commands to `ingest`; the top parser owns --config and prints what is raised."""
    _add_chats(subparsers)
    _add_book(subparsers)
    _add_csv(subparsers)
    _add_web(subparsers)
    _add_documents(subparsers)
    _add_conversations(subparsers)


def _add(
    subparsers: Subparsers[argparse.ArgumentParser],
    name: str,
    help: str,
    handler: Callable[[argparse.Namespace], int],
    *,
    out: str = "",
) -> argparse.ArgumentParser:
    command = subparsers.add_parser(name, help=help)
    command.set_defaults(handler=handler)
    command.add_argument("--json", action="store_true", help="print one JSON object")
    if out:
        command.add_argument("--out", type=Path, required=True, metavar="FILE", help=f"{out} to write")
    return command


# --- chats -----------------------------------------------------------------------------------


def _add_chats(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    chats = _add(
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
    found = import_chats(list(_progress(args.files, "reading")), options, ledger)
    ledger.close()
    write_dialogues(args.out, found.dialogues)
    return _end(args, ledger, args.out, found.counts, [])


# --- books and tables ------------------------------------------------------------------------


def _add_book(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    book = _add(subparsers, "book", "make pairs of plain-text books", run_book, out="pairs")
    book.add_argument("files", nargs="+", type=Path, metavar="FILE", help="Project Gutenberg text files")
    book.add_argument("--author", default="", metavar="NAME", help="refuse books whose header names another")
    book.add_argument("--min-words", type=int, default=200, metavar="N", help="of a passage (200)")
    book.add_argument("--max-words", type=int, default=500, metavar="N", help="of a passage (500)")


def run_book(args: argparse.Namespace) -> int:
    """Write pairs of books. Raises UnderstudyError."""
    from engine.errors import InputError
    from ingest.book_pairs import book_pairs
    from ingest.books import read_book
    from ingest.charsets import decode
    from ingest.extract_out import slug
    from ingest.ledger import Ledger

    if not 1 <= args.min_words <= args.max_words:
        raise InputError(
            f"--min-words {args.min_words} and --max-words {args.max_words} leave nothing between."
        )
    ledger = Ledger()
    books, paragraphs = ledger.stage("books", "books"), ledger.stage("clean", "paragraphs")
    passages, speech = ledger.stage("passages", "paragraphs"), ledger.stage("talk", "speeches")
    rows: dict[str, Row] = {}
    refused: list[str] = []
    repeats = 0
    for path in _progress(args.files, "reading"):
        try:
            book = read_book(decode(_bytes(path)), path.name, paragraphs)
        except InputError as exc:
            books.drop("refused", path.name)
            refused.append(str(exc))
            continue
        if args.author and book.author and not _same_author(args.author, book.author):
            books.drop(f"by another author ({book.author})", path.name)
            refused.append(f"{path} is by {book.author}, not by {args.author}.")
            continue
        books.keep()
        made = book_pairs(
            book, slug(book.title), passages, speech, min_words=args.min_words, max_words=args.max_words
        )
        for row in made:
            repeats += row["id"] in rows
            rows[row["id"]] = row
    unique = ledger.stage("pairs", "pairs")
    unique.keep(len(rows))
    if repeats:
        unique.drop("same pair again", count=repeats)
    return _write_rows(args, ledger, args.out, list(rows.values()), refused)


def _same_author(wanted: str, found: str) -> bool:
    """Whether two spellings share the surname, such as `Mark Twain (Samuel Clemens)` and `Twain, Mark`."""
    one, other = ({w.strip("().").casefold() for w in n.replace(",", " ").split()} for n in (wanted, found))
    return one <= other or other <= one


def _add_csv(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    table = _add(subparsers, "csv", "make pairs of a table of headlines or posts", run_csv, out="pairs")
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
    rows = [row for path in _progress(args.files, "reading") for row in csv_pairs(path, options, stage)]
    return _write_rows(args, ledger, args.out, rows, [])


# --- pages and documents ---------------------------------------------------------------------


def _add_web(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    web = _add(subparsers, "web", "read web pages into knowledge or pairs", run_web)
    web.add_argument("urls", nargs="+", metavar="URL", help="http or https; robots.txt is obeyed")
    _add_places(web)


def _add_documents(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    documents = _add(
        subparsers,
        "documents",
        "read PDF, DOCX, Markdown, HTML and text into knowledge or pairs",
        run_documents,
    )
    documents.add_argument("files", nargs="+", type=Path, metavar="FILE")
    _add_places(documents)


def _add_places(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--into",
        nargs="?",
        type=Path,
        const=Path(),
        metavar="DIR",
        help="knowledge folder to write to; without DIR the persona's",
    )
    command.add_argument("--pairs", type=Path, metavar="FILE", help="pairs to write")
    command.add_argument(
        "--max-words", type=int, default=None, metavar="N", help="of a passage in pairs (80)"
    )


def run_web(args: argparse.Namespace) -> int:
    """Read pages. Raises UnderstudyError."""
    from ingest.ledger import Ledger
    from ingest.optional import load

    _check_places(args)
    load("trafilatura", "Reading web pages")
    ledger = Ledger()
    return _place(args, ledger, asyncio.run(_fetch(args, ledger)), [])


async def _fetch(args: argparse.Namespace, ledger: Ledger) -> list[Extract]:
    from typing import cast

    from engine.config import load_config
    from ingest.fetch import Fetcher
    from ingest.robots import Robots
    from ingest.settings import news_config
    from ingest.webpages import Fetch, read_pages

    stage = ledger.stage("pages", "pages")
    with _bar(len(args.urls), "fetching") as bar:
        async with Fetcher(news_config(load_config(Path(args.config)))) as fetcher:
            return await read_pages(
                args.urls, cast(Fetch, fetcher), Robots(fetcher), stage, lambda _: bar.update(1)
            )


def run_documents(args: argparse.Namespace) -> int:
    """Read documents. Raises UnderstudyError."""
    from engine.errors import InputError
    from ingest.extract import extract_file
    from ingest.ledger import Ledger

    _check_places(args)
    ledger = Ledger()
    stage = ledger.stage("documents", "documents")
    extracts, refused = [], []
    for path in _progress(args.files, "reading"):
        try:
            extracts.append(extract_file(path))
            stage.keep()
        except InputError as exc:
            stage.drop(str(exc).removeprefix(str(path)).strip(" ."), path.name)
            refused.append(str(exc))
    return _place(args, ledger, extracts, refused)


def _check_places(args: argparse.Namespace) -> None:
    from engine.errors import InputError

    if args.into is None and args.pairs is None:
        raise InputError("Nothing to write: give --into (a knowledge folder), --pairs FILE, or both.")
    if args.max_words is not None and not 10 <= args.max_words <= 1000:
        raise InputError(f"--max-words is {args.max_words}; allowed: 10 to 1000.")


def _place(args: argparse.Namespace, ledger: Ledger, extracts: list[Extract], refused: list[str]) -> int:
    """Write extracts where the arguments say."""
    from ingest.chunks import MAX_WORDS
    from ingest.extract_out import extract_pairs, write_knowledge

    counts: dict[str, Any] = {
        "documents": len(extracts),
        "dated": sum(e.published_at is not None for e in extracts),
    }
    if args.pairs is not None:
        stage = ledger.stage("passages", "passages")
        limit = args.max_words or MAX_WORDS
        rows = [row for extract in extracts for row in extract_pairs(extract, stage, max_words=limit)]
        counts["pairs"] = len(rows)
    ledger.close()
    if args.into is not None:
        folder = args.into if args.into != Path() else _knowledge_folder(args)
        counts["files"] = [str(path) for path in write_knowledge(extracts, folder)]
    if args.pairs is not None:
        from ingest.jsonl import write_jsonl

        write_jsonl(args.pairs, rows)
    return _end(args, ledger, args.pairs or folder, counts, refused)


def _knowledge_folder(args: argparse.Namespace) -> Path:
    from engine.config import load_config
    from engine.personas import load_persona

    return load_persona(load_config(Path(args.config)).persona_path).knowledge_path


# --- conversations ---------------------------------------------------------------------------


def _add_conversations(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    own = _add(
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
    return _write_rows(args, ledger, args.out, rows, [])


# --- endings ---------------------------------------------------------------------------------


def _write_rows(
    args: argparse.Namespace, ledger: Ledger, out: Path, rows: list[Row], refused: list[str]
) -> int:
    from ingest.jsonl import write_jsonl

    ledger.close()
    return _end(args, ledger, out, {"pairs": write_jsonl(out, rows)}, refused)


def _end(
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


def _bytes(path: Path) -> bytes:
    from engine.errors import InputError

    try:
        return path.read_bytes()
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}.") from exc


def _bar(total: int, label: str) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, desc=label, file=sys.stderr, disable=None)  # None: only on a terminal


def _progress(items: Iterable[T], label: str) -> Iterator[T]:
    listed = list(items)
    with _bar(len(listed), label) as bar:
        for item in listed:
            yield item
            bar.update(1)
