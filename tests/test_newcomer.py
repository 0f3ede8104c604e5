"""What a newcomer gets: the shipped model, adapters, persona and news, through the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.adapters import check, open_adapter
from engine.config import load_config
from engine.model.hashes import model_hashes

ROOT = Path(__file__).parent.parent
STARTER = ROOT / "models" / "starter"
ADAPTERS = ROOT / "personas" / "mark-twain" / "adapters"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped config.toml with its data elsewhere."""
    folder = tmp_path_factory.mktemp("newcomer")
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    text = text.replace('data_dir = "data"', f'data_dir = "{folder / "data"}"')
    text = text.replace('"personas/mark-twain"', f'"{ROOT / "personas" / "mark-twain"}"')
    text = text.replace('"models/starter"', f'"{STARTER}"')
    (folder / "config.toml").write_text(text, encoding="utf-8")
    return folder / "config.toml"


def once(config: Path, text: str, *options: str) -> tuple[int, dict[str, Any]]:
    """`understudy chat --once TEXT --json`: exit status and the one object on stdout."""
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "bot.cli", "--config", str(config), "chat", "--once", text, "--json"]
    done = subprocess.run(
        [*command, *options], cwd=ROOT, env=env, capture_output=True, text=True, timeout=110
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, dict(json.loads(done.stdout))


def test_starter_is_small_safe_and_described() -> None:
    files = {p.name for p in STARTER.iterdir()}
    assert {"model.safetensors", "tokenizer.json", "config.json", "README.md", "loss.png"} <= files
    assert not any(name.endswith((".bin", ".pt", ".pkl", ".pickle")) for name in files)
    assert (STARTER / "model.safetensors").stat().st_size <= 32_000_000


def test_shipped_adapters_belong_to_the_shipped_model() -> None:
    hashes = model_hashes(STARTER)
    ranks = {}
    for name in load_config(ROOT / "config.toml").adapters.load:
        adapter = open_adapter(ADAPTERS / name)
        check(adapter.manifest, hashes)
        ranks[name] = adapter.manifest.rank
    assert ranks == {"identity": 8, "style": 32}


def test_chat_once_question_about_the_news_names_its_source(config: Path) -> None:
    status, result = once(config, "When does the Harlow Bridge open?", "--seed", "1")
    assert status == 0 and result["retrieve"] and result["query"]
    assert result["sources"][0]["title"] == "Harlow Bridge opening moved to 12 December"
    assert result["sources"][0]["date"] == "2026-11-18" and result["sources"][0]["url"].startswith("https://")
    assert result["adapters"] == []  # the starter tells facts without: grounded_strengths in config.toml
    assert {"decide", "rewrite", "retrieve", "generate", "total"} <= set(result["timings_ms"])
    assert result["finish"] == "stop"


def test_chat_once_greeting_is_answered_without_retrieval(config: Path) -> None:
    status, result = once(config, "Good evening! How are you?", "--seed", "1")
    assert status == 0 and not result["retrieve"] and result["sources"] == []
    assert [a["name"] for a in result["adapters"]] == ["identity", "style"]
    assert len(result["reply"].split()) >= 2 and result["finish"] == "stop"


def test_chat_once_same_seed_gives_the_same_reply(config: Path) -> None:
    replies = {once(config, "Tell me a joke.", "--seed", "7")[1]["reply"] for _ in range(2)}
    assert len(replies) == 1


def test_chat_once_empty_message_is_an_error_object(config: Path) -> None:
    status, result = once(config, "   ")
    assert status == 1 and "empty" in result["error"]
