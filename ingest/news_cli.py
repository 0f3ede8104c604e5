"""`understudy ingest news`: collect the news at once.

Results go to stdout, as text or as one JSON object; progress goes to stderr. At import this module
loads nothing heavy, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.config import Config
    from engine.personas import Persona


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `news` to the sub-commands of `ingest`; the top parser owns --config."""
    news = subparsers.add_parser("news", help="collect the news of the persona's sources now")
    news.add_argument(
        "--persona", metavar="DIR", default=None, help="persona folder (default: config.toml's)"
    )
    news.add_argument("--index", action="store_true", help="rebuild the knowledge index afterwards")
    news.add_argument("--list", action="store_true", help="collect nothing; show what is stored, folded")
    news.add_argument("--json", action="store_true", help="print one JSON object")
    news.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """Collect, and index if asked.

    Args:
        args: parsed arguments with `config`, the path of config.toml.

    Returns:
        0, or 1 when a source failed.

    Raises:
        UnderstudyError: nothing could be collected or indexed; its text says how to mend it.
    """
    from engine.config import load_config
    from engine.personas import load_persona

    config = load_config(Path(args.config))
    persona = load_persona(Path(args.persona).resolve() if args.persona else config.persona_path)
    if args.list:
        return _list(args, config, persona)
    return _refresh(args, config, persona) if args.index else _collect(args, config, persona)


def _collect(args: argparse.Namespace, config: Config, persona: Persona) -> int:
    import asyncio

    from tqdm import tqdm

    from engine.secrets import NEWSAPI_NAMES, first_secret, read_env
    from ingest.news import collect
    from ingest.news_store import NewsStore, news_file
    from ingest.settings import news_config

    news = news_config(config)
    feeds = news.feeds or persona.feeds
    total = len(feeds) + len(news.newsapi_queries) + len(news.pages)
    key = first_secret(read_env(config.root / ".env"), NEWSAPI_NAMES)
    with tqdm(total=total, unit="source", file=sys.stderr, disable=not sys.stderr.isatty()) as bar:
        done = asyncio.run(
            collect(
                news,
                NewsStore(news_file(config.data_path, persona.id)),
                feeds,
                key=key,
                on_source=lambda _: _step(bar),
            )
        )
    if not total:
        print("No sources: name feeds in persona.toml, or feeds or pages under [news].", file=sys.stderr)
    text = f"{done.new} new, {done.updated} updated, {done.expired} expired, {done.seconds:.1f} s"
    print(json.dumps(done.as_json(), ensure_ascii=False) if args.json else f"{done.ledger.as_text()}\n{text}")
    return 1 if done.failed_sources else 0


def _refresh(args: argparse.Namespace, config: Config, persona: Persona) -> int:
    import asyncio

    from engine.secrets import NEWSAPI_NAMES, first_secret, read_env
    from ingest.refresh import refresh

    key = first_secret(read_env(config.root / ".env"), NEWSAPI_NAMES)
    report = asyncio.run(refresh(config, persona, key=key))
    print(json.dumps(asdict(report), ensure_ascii=False) if args.json else report.text)
    return 1 if report.failed_sources or report.refused else 0


def _list(args: argparse.Namespace, config: Config, persona: Persona) -> int:
    from ingest.news_documents import stored_reports
    from ingest.news_store import NewsStore, news_file

    rows = [
        {
            "id": report.article.doc_id,
            "title": report.article.title,
            "url": report.article.url,
            "also": list(report.also),
            "published_at": report.article.published_at.isoformat() if report.article.published_at else None,
            "source": report.article.source,
            "words": len(report.article.text.split()),
        }
        for report in stored_reports(
            NewsStore(news_file(config.data_path, persona.id)), persona.knowledge_path
        )
    ]
    lines = [f"{str(r['published_at'] or 'undated')[:10]}  {r['title']}  {r['url']}" for r in rows]
    print(json.dumps({"articles": rows}, ensure_ascii=False) if args.json else "\n".join(lines))
    return 0


def _step(bar: Any) -> None:
    bar.update(1)
