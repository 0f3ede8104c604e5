"""`understudy ingest web` and `documents`: texts into a knowledge folder, into pairs, or both."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.command import Subparsers, add_command, end, progress_bar, with_progress

if TYPE_CHECKING:
    from ingest.extract import Extract
    from ingest.ledger import Ledger


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add `web` and `documents` to the sub-commands of `ingest`."""
    _add_web(subparsers)
    _add_documents(subparsers)


def _add_web(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    web = add_command(subparsers, "web", "read web pages into knowledge or pairs", run_web)
    web.add_argument("urls", nargs="+", metavar="URL", help="http or https; robots.txt is obeyed")
    web.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="pages read so far (data folder's web_pages.jsonl)",
    )
    web.add_argument("--again", action="store_true", help="fetch pages that were read before once more")
    _add_places(web)


def _add_documents(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    documents = add_command(
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
        "--max-words", type=int, default=None, metavar="N", help="of a passage in pairs (as in the index)"
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
    from engine.config import load_config
    from ingest.fetch import Fetcher
    from ingest.page_store import PageStore
    from ingest.settings import news_config
    from ingest.webpages import read_pages

    config = load_config(Path(args.config))
    store = PageStore(args.state or config.data_path / "web_pages.jsonl", again=args.again)
    stage = ledger.stage("pages", "pages")
    with progress_bar(len(args.urls), "fetching") as bar:
        async with Fetcher(news_config(config)) as fetcher:
            return await read_pages(args.urls, fetcher, stage, store=store, done=bar.update)


def run_documents(args: argparse.Namespace) -> int:
    """Read documents. Raises UnderstudyError."""
    from engine.errors import InputError
    from ingest.extract import extract_file
    from ingest.ledger import Ledger

    _check_places(args)
    ledger = Ledger()
    stage = ledger.stage("documents", "documents")
    extracts, refused = [], []
    for path in with_progress(args.files, "reading"):
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
    from ingest.extract_out import extract_pairs, write_knowledge

    counts: dict[str, Any] = {
        "documents": len(extracts),
        "dated": sum(e.published_at is not None for e in extracts),
    }
    if args.pairs is not None:
        stage = ledger.stage("passages", "passages")
        limit = args.max_words
        rows = [row for extract in extracts for row in extract_pairs(extract, stage, max_words=limit)]
        counts["pairs"] = len(rows)
    ledger.close()
    if args.into is not None:
        folder = args.into if args.into != Path() else _knowledge_folder(args)
        counts["files"] = [str(path) for path in write_knowledge(extracts, folder)]
    if args.pairs is not None:
        from ingest.jsonl import write_jsonl

        write_jsonl(args.pairs, rows)
    return end(args, ledger, args.pairs or folder, counts, refused)


def _knowledge_folder(args: argparse.Namespace) -> Path:
    from engine.config import load_config
    from engine.personas import load_persona

    return load_persona(load_config(Path(args.config)).persona_path).knowledge_path
