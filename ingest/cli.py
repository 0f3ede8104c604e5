"""`understudy index`: build, search, count and check the knowledge index from the command line.

Results go to stdout, as text or as one JSON object; everything else goes to stderr. At import this
module loads nothing heavy, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
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
        "--max-words",
        type=int,
        default=None,
        help="longest chunk in words (default 80); MiniLM reads about 180",
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
    from ingest import audio_cli, news_cli, pairs_cli, text_cli

    ingest = subparsers.add_parser(
        "ingest", help="make pairs of recordings, transcripts, chats and books; collect news"
    )
    commands = ingest.add_subparsers(dest="ingest_command", required=True, metavar="COMMAND")
    for module in (audio_cli, pairs_cli, text_cli, news_cli):
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

        config = load_config(Path(args.config))
        self.retriever = config.retriever
        self.persona = load_persona(Path(args.persona).resolve() if args.persona else config.persona_path)
        self.data_path = config.data_path
        self.folder = index_folder(config.data_path, self.persona.id)
        self.embedder = embedder_ref(config)


def _build(args: argparse.Namespace) -> Report:
    from engine.embedder import Embedder
    from engine.errors import ConfigError
    from ingest.chunks import MAX_WORDS
    from ingest.index import build_index
    from ingest.news_documents import news_documents

    max_words = MAX_WORDS if args.max_words is None else args.max_words
    if not 10 <= max_words <= 1000:
        raise ConfigError(f"--max-words is {max_words}; allowed: 10 to 1000.")
    setup = _Setup(args)
    embedder = Embedder(setup.embedder)
    try:
        ledger = build_index(
            setup.persona.knowledge_path,
            setup.folder,
            embedder,
            persona=setup.persona.id,
            url=setup.retriever.url,
            max_words=max_words,
            only_if_changed=args.if_changed,
            extra=news_documents(setup.data_path, setup.persona.id, setup.persona.knowledge_path),
        )
    finally:
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
