"""The `understudy` command. Importing this module imports no torch, so `--help` is instant."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.config import Config, load_config
from engine.errors import UnderstudyError
from engine.secrets import read_env

LIBRARY_LEVELS = {
    "httpx": logging.WARNING,  # logs URLs, some with a token in their path
    "httpcore": logging.WARNING,
    "chromadb": logging.WARNING,
    "sentence_transformers": logging.WARNING,
    "alembic": logging.WARNING,
    "presidio-analyzer": logging.ERROR,  # names every recognizer, and those of other languages as warnings
    "apscheduler": logging.WARNING,
    "telegram.ext": logging.WARNING,
    "bitsandbytes": logging.ERROR,  # warns of optional kernels on every CPU start
}


def build_parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    from ingest import cli as ingest_cli
    from ingest.document_rows import index_documents
    from trainer import cli as trainer_cli
    from trainer.evaluation import cli as evaluation_cli
    from trainer.export import cli as export_cli

    parser = argparse.ArgumentParser(
        prog="understudy",
        description="Give a persona a life on Discord and Telegram: trained by you, grounded, measured.",
    )
    parser.add_argument("--config", default="config.toml", metavar="FILE", help="settings (config.toml)")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="serve the web chat, Discord and Telegram")
    run.set_defaults(handler=_run)

    chat = commands.add_parser("chat", help="talk to the persona in the terminal")
    chat.add_argument("--once", metavar="TEXT", help="answer TEXT and end; - reads it from stdin")
    chat.add_argument("--json", action="store_true", help="with --once: print the whole result as JSON")
    chat.add_argument("--session", default="", help="name of a conversation to go on with")
    chat.add_argument("--seed", type=int, help="makes the reply repeatable")
    chat.add_argument("--no-retrieve", action="store_true", help="never search the index")
    chat.set_defaults(handler=_chat)

    db = commands.add_parser("db", help="the database").add_subparsers(dest="action", required=True)
    upgrade = db.add_parser("upgrade", help="bring the database to the newest schema")
    upgrade.set_defaults(handler=_db_upgrade)

    ingest_cli.add_parser(commands)
    ingest_cli.add_ingest_parser(commands)
    trainer_cli.add_parser(commands)
    evaluation_cli.add_parser(commands, index_documents)
    export_cli.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: 0 when all went well, 1 when something failed, 2 for wrong usage."""
    _utf8()
    args = build_parser().parse_args(argv)
    _log_to_stderr("INFO")
    try:
        return int(args.handler(args))
    except UnderstudyError as exc:
        if getattr(args, "json", False):
            print(json.dumps({"error": str(exc)}, ensure_ascii=False))
        print(f"understudy: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1


def _run(args: argparse.Namespace) -> int:
    config = _config(args)
    return asyncio.run(_serve(config, read_env(config.root / ".env")))


async def _serve(config: Config, env: dict[str, str]) -> int:
    from bot.service import Service

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Service(config, env, _say) as service:
        core = await service.start_core()
        await core.knowledge.index()
        await service.start_platforms()
        await core.knowledge.start_nightly()
        _say("Ready. Stop with Ctrl-C.")
        await service.run_until(stop)
        _say("Stopping …")
    return 0


def _chat(args: argparse.Namespace) -> int:
    config = _config(args)
    if args.once is None and args.json:
        raise UnderstudyError("--json needs --once TEXT.")
    logging.getLogger().setLevel(logging.WARNING)
    return asyncio.run(_talk(config, args))


async def _talk(config: Config, args: argparse.Namespace) -> int:
    from bot.console import Console
    from bot.service import Service
    from engine.types import ReplyOptions

    options = ReplyOptions(seed=args.seed, retrieve=False if args.no_retrieve else None)
    async with Service(config, {}, _say) as service:
        core = await service.start_core()
        await core.knowledge.index()
        console = Console(core.relay, args.session, options)
        if args.once is None:
            return await console.chat(
                f"{core.persona.name}\n{core.persona.disclosure}\n\n{core.persona.greeting}"
            )
        text = sys.stdin.read() if args.once == "-" else args.once
        return await console.once(text, as_json=args.json)


def _db_upgrade(args: argparse.Namespace) -> int:
    from engine.database import migrate

    config = _config(args)
    migrate(config.history_url)
    _say("The database is at the newest schema.")
    return 0


def _config(args: argparse.Namespace) -> Config:
    config = load_config(Path(args.config))
    logging.getLogger().setLevel(config.log.level)
    return config


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    for name, quiet in LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(quiet)


def _utf8() -> None:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(encoding="utf-8", errors="replace")


if __name__ == "__main__":
    sys.exit(main())
