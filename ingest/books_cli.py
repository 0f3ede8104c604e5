"""`understudy ingest book`: its arguments, and what it runs."""

from __future__ import annotations

import argparse
import random
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.command import Subparsers, add_command, file_bytes, with_progress, write_pairs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.jsonl import Row


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add `book` to the sub-commands of `ingest`."""
    book = add_command(subparsers, "book", "make pairs of plain-text books", run_book, out="pairs")
    book.add_argument("files", nargs="+", type=Path, metavar="FILE", help="Project Gutenberg text files")
    book.add_argument("--author", default="", metavar="NAME", help="refuse books whose header names another")
    book.add_argument("--min-words", type=int, default=200, metavar="N", help="of a passage (200)")
    book.add_argument("--max-words", type=int, default=500, metavar="N", help="of a passage (500)")
    book.add_argument("--only", choices=("passages", "talk"), help="leave out pairs of the other kind")
    book.add_argument("--longest-talk", type=int, metavar="N", help="words of an answer in talk, at most")
    book.add_argument(
        "--on-topic", type=float, metavar="S",
        help="keep answers whose meaning is near to what was said: cosine of their embeddings, 0 to 1",
    )  # fmt: skip
    book.add_argument("--keep-slurs", action="store_true", help="keep pairs with slurs in them")
    book.add_argument("--sample", type=int, metavar="N", help="keep N pairs, drawn at random by --seed")
    book.add_argument("--seed", type=int, default=0, help="of --sample (0)")


def run_book(args: argparse.Namespace) -> int:
    """Write pairs of books. Raises UnderstudyError."""
    from engine.errors import InputError
    from ingest.book_pairs import passage_pairs, talk_pairs
    from ingest.books import read_book
    from ingest.charsets import decode
    from ingest.extract_out import slug
    from ingest.ledger import Ledger
    from ingest.slurs import without_slurs
    from ingest.topic import on_topic

    if args.on_topic is not None and not 0 <= args.on_topic <= 1:
        raise InputError(f"--on-topic {args.on_topic} is not between 0 and 1.")
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
    for path in with_progress(args.files, "reading"):
        try:
            book = read_book(decode(file_bytes(path)), path.name, paragraphs)
        except InputError as exc:
            books.drop("refused", path.name)
            refused.append(str(exc))
            continue
        if args.author and book.author and not _same_author(args.author, book.author):
            books.drop(f"by another author ({book.author})", path.name)
            refused.append(f"{path} is by {book.author}, not by {args.author}.")
            continue
        books.keep()
        source = slug(book.title)
        made: list[Iterator[Row]] = []
        if args.only != "talk":
            made.append(passage_pairs(book, source, passages, args.min_words, args.max_words))
        if args.only != "passages":
            made.append(talk_pairs(book, source, speech, longest=args.longest_talk))
        for row in chain(*made):
            repeats += row["id"] in rows
            rows[row["id"]] = row
    unique = ledger.stage("pairs", "pairs")
    unique.keep(len(rows))
    if repeats:
        unique.drop("same pair again", count=repeats)
    kept = list(rows.values())
    if not args.keep_slurs:
        found, kept = len(kept), without_slurs(kept)
        unique.drop("a slur in it", count=found - len(kept))
    if args.on_topic is not None:
        found, kept = len(kept), on_topic(kept, args.on_topic)
        unique.drop("answer is about something else", count=found - len(kept))
    if args.sample is not None and args.sample < len(kept):
        found, kept = len(kept), random.Random(args.seed).sample(kept, args.sample)
        unique.drop("not in the sample", count=found - len(kept))
    return write_pairs(args, ledger, args.out, kept, refused)


def _same_author(wanted: str, found: str) -> bool:
    """Whether two spellings share the surname, such as `Mark Twain (Samuel Clemens)` and `Twain, Mark`."""
    one, other = ({w.strip("().").casefold() for w in n.replace(",", " ").split()} for n in (wanted, found))
    return one <= other or other <= one
