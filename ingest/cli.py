"""`understudy index`: build, search, count and check the knowledge index from the command line.

Results go to stdout, as text or as one JSON object; everything else goes to stderr. At import this
module loads nothing heavy, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Report = tuple[dict[str, Any], str, bool]
"""A command's result: as JSON, as text, and whether all of it went well."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `index` and its sub-commands; the top parser owns --config and prints what is raised."""
    index = subparsers.add_parser("index", help="build, search and check the persona's knowledge index")
    index.set_defaults(handler=run)
    commands = index.add_subparsers(dest="index_command", required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="index the knowledge folder beside the live index, then swap")
    build.add_argument("--if-changed", action="store_true", help="keep the live index when nothing changed")
    build.add_argument(
        "--chunk-tokens",
        type=int,
        default=None,
        metavar="N",
        help="longest passage in the embedder's tokens (default: index.chunk_tokens)",
    )
    search = commands.add_parser("search", help="show what a question would be answered from")
    search.add_argument("query", help="the question")
    search.add_argument("--k", type=int, default=None, help="how many passages (default: retriever.k)")
    stats = commands.add_parser("stats", help="show what the live index holds")
    verify = commands.add_parser("verify", help="check the live index: count and self-recall")
    for command in (build, search, stats, verify):
        command.add_argument(
            "--persona", metavar="DIR", default=None, help="persona folder (default: config.toml's)"
        )
        command.add_argument("--json", action="store_true", help="print one JSON object")


def add_ingest_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `ingest` with its sub-commands."""
    from ingest import (
        audio_cli,
        books_cli,
        chats_cli,
        conversations_cli,
        documents_cli,
        news_cli,
        pairs_cli,
        tables_cli,
    )

    ingest = subparsers.add_parser(
        "ingest", help="make pairs of recordings, transcripts, chats and books; collect news"
    )
    commands = ingest.add_subparsers(dest="ingest_command", required=True, metavar="COMMAND")
    texts = (chats_cli, books_cli, tables_cli, documents_cli, conversations_cli)
    for module in (audio_cli, pairs_cli, *texts, news_cli):
        module.add_parser(commands)


def run(args: argparse.Namespace) -> int:
    """Run the chosen command.

    Args:
        args: parsed arguments with `config`, the path of config.toml.

    Returns:
        0, or 1 when a document was refused or a check failed.

    Raises:
        UnderstudyError: the command failed; its text says how to mend it.
    """
    commands: dict[str, Callable[[argparse.Namespace], Report]] = {
        "build": _build,
        "search": _search,
        "stats": _stats,
        "verify": _verify,
    }
    data, text, ok = commands[args.index_command](args)
    print(json.dumps(data, ensure_ascii=False) if args.json else text)
    return 0 if ok else 1


class _Setup:
    """The settings that every command needs."""

    def __init__(self, args: argparse.Namespace) -> None:
        from engine.collection import index_folder
        from engine.config import load_config
        from engine.embedder import embedder_ref
        from engine.personas import load_persona
        from ingest.settings import chunking

        config = load_config(Path(args.config))
        self.retriever = config.retriever
        self.chunking = chunking(config)
        self.persona = load_persona(Path(args.persona).resolve() if args.persona else config.persona_path)
        self.data_path = config.data_path
        self.folder = index_folder(config.data_path, self.persona.id)
        self.embedder = embedder_ref(config)


class _Bar:
    """A progress bar on stderr that begins anew with each kind of work."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._doing = ""

    def show(self, doing: str, done: int, of: int) -> None:
        """Told by the build; see `ingest.vectors.Progress`."""
        from tqdm import tqdm

        if doing != self._doing:
            self.close()
            self._bar, self._doing = tqdm(total=of, desc=doing, unit="passage", leave=False), doing
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar off the screen."""
        if self._bar is not None:
            self._bar.close()


def _build(args: argparse.Namespace) -> Report:
    from engine.embedder import Embedder
    from engine.errors import ConfigError
    from ingest.index import build_index
    from ingest.news_documents import news_documents

    setup = _Setup(args)
    size = setup.chunking
    if args.chunk_tokens is not None:
        if not 20 <= args.chunk_tokens <= 480:
            raise ConfigError(f"--chunk-tokens is {args.chunk_tokens}; allowed: 20 to 480.")
        size = replace(
            size,
            chunk_tokens=args.chunk_tokens,
            overlap_tokens=min(size.overlap_tokens, args.chunk_tokens // 2),
        )
    bar = _Bar()
    embedder = Embedder(setup.embedder)
    try:
        ledger = build_index(
            setup.persona.knowledge_path,
            setup.folder,
            embedder,
            persona=setup.persona.id,
            url=setup.retriever.url,
            chunking=size,
            only_if_changed=args.if_changed,
            extra=news_documents(setup.data_path, setup.persona.id, setup.persona.knowledge_path),
            progress=bar.show,
        )
    finally:
        bar.close()
        embedder.close()
    for refusal in ledger.refused:
        print(f"refused: {refusal.name} {refusal.reason}", file=sys.stderr)
    state = "is live" if ledger.changed else "is unchanged"
    text = (
        f"{ledger.collection} {state}: {ledger.documents} documents, {ledger.chunks} chunks "
        f"({ledger.embedded} embedded, {ledger.reused} reused), {len(ledger.refused)} refused, "
        f"{ledger.seconds:.1f} s"
    )
    return asdict(ledger), text, not ledger.refused


def _search(args: argparse.Namespace) -> Report:
    import asyncio

    from engine.config import RetrieverConfig
    from engine.embedder import Embedder
    from engine.errors import ConfigError
    from engine.retriever import ChromaRetriever
    from engine.types import Passage

    setup = _Setup(args)
    if args.k is not None and not 1 <= args.k <= 20:
        raise ConfigError(f"--k is {args.k}; allowed: 1 to 20.")
    k = setup.retriever.k if args.k is None else args.k
    config = RetrieverConfig(**{**setup.retriever.model_dump(), "k": k})

    async def ask() -> list[Passage]:
        embedder = Embedder(setup.embedder)
        retriever = ChromaRetriever(config, setup.folder, embedder, setup.persona.name)
        try:
            return list(await retriever.search(args.query, datetime.now(UTC)))
        finally:
            await retriever.close()
            embedder.close()

    results = [
        {
            "title": p.title,
            "url": p.url,
            "published_at": p.published_at.isoformat() if p.published_at else None,
            "similarity": round(p.similarity, 4),
            "score": round(p.score, 4),
            "text": p.text,
        }
        for p in asyncio.run(ask())
    ]
    lines = [
        f"{r['score']:.3f}  {r['title']} ({str(r['published_at'] or 'undated')[:10]})\n       {r['text']}"
        for r in results
    ]
    return {"query": args.query, "results": results}, "\n".join(lines) or "Nothing is close enough.", True


def _stats(args: argparse.Namespace) -> Report:
    from ingest.verify import index_stats

    stats = index_stats(_Setup(args).folder)
    live = stats.live
    text = (
        f"{live.collection}, built {live.built_at} with {live.embedder}: {live.documents} documents, "
        f"{live.chunks} chunks, {stats.dated} of them dated {stats.oldest[:10]} to {stats.newest[:10]}, "
        f"{stats.disk_bytes / 1e6:.1f} MB"
    )
    return asdict(stats), text, True


def _verify(args: argparse.Namespace) -> Report:
    from ingest.verify import verify_index

    checked = verify_index(_Setup(args).folder)
    verdict = "sound" if checked.ok else "; ".join(checked.problems)
    text = (
        f"{checked.collection}: {verdict} ({checked.chunks} of {checked.expected} chunks, "
        f"{checked.recalled} of {checked.sampled} found themselves)"
    )
    return {**asdict(checked), "ok": checked.ok}, text, checked.ok
