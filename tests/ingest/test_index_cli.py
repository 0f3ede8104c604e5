"""`understudy index`: JSON on stdout, exit status, nothing heavy at import."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_knowledge import real_embedder, write_knowledge

from engine.errors import ConfigError, RetrievalError, UnderstudyError
from ingest.cli import add_parser, run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    persona = tmp_path / "ada"
    write_knowledge(persona / "knowledge")
    (persona / "persona.toml").write_text(
        'id = "ada"\nname = "Ada"\nsystem_prompt = "You are Ada."\ndisclosure = "An AI."\n'
    )
    path = tmp_path / "config.toml"
    path.write_text('persona = "ada"\n')
    return path


@pytest.fixture(autouse=True)
def loaded_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The commands load their own embedder; here they share one that stays open."""
    monkeypatch.setattr("engine.embedder.Embedder", lambda name: real_embedder())
    monkeypatch.setattr(real_embedder(), "close", lambda: None)
    yield


def understudy(config_path: Path, *words: str) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config")
    add_parser(parser.add_subparsers(dest="command"))
    args = parser.parse_args(["--config", str(config_path), "index", *words])
    assert args.handler is run
    return run(args)


def output(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_cli_index_build_then_search_stats_and_verify_print_one_json_object(
    config_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert understudy(config_path, "build", "--json") == 0
    built = output(capsys)
    assert (built["documents"], built["chunks"], built["refused"]) == (5, 5, [])

    assert understudy(config_path, "search", "Which cheese weighs two tons?", "--json", "--k", "1") == 0
    found = output(capsys)
    assert found["query"] == "Which cheese weighs two tons?"
    (best,) = found["results"]
    assert set(best) == {"title", "url", "published_at", "similarity", "score", "text"}
    assert best["published_at"] == "2026-11-18T09:30:00+00:00"
    assert "two tons" in best["text"]

    assert understudy(config_path, "stats", "--json") == 0
    assert output(capsys)["live"]["collection"] == built["collection"]

    assert understudy(config_path, "verify", "--json") == 0
    assert output(capsys)["ok"] is True


def test_cli_index_build_with_refused_document_names_it_and_exits_1(
    config_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_knowledge(config_path.parent / "ada/knowledge", {"bad.md": "no head\n"})
    assert understudy(config_path, "build") == 1
    captured = capsys.readouterr()
    assert "is live: 5 documents" in captured.out
    assert "refused: bad.md has no front matter" in captured.err


def test_cli_index_build_if_changed_says_unchanged(
    config_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    understudy(config_path, "build")
    assert understudy(config_path, "build", "--if-changed") == 0
    assert "is unchanged" in capsys.readouterr().out


def test_cli_index_of_another_persona_keeps_indexes_apart(
    config_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    understudy(config_path, "build")
    bob = tmp_path / "bob"
    write_knowledge(bob / "knowledge", {"a.md": '---\ntitle: "Bob"\n---\nBob keeps bees.\n'})
    (bob / "persona.toml").write_text('id = "bob"\nname = "B"\nsystem_prompt = "x"\ndisclosure = "y"\n')
    assert understudy(config_path, "build", "--persona", str(bob)) == 0
    capsys.readouterr()
    understudy(config_path, "stats", "--json")
    assert output(capsys)["live"]["persona"] == "ada"
    understudy(config_path, "stats", "--json", "--persona", str(bob))
    assert output(capsys)["live"]["persona"] == "bob"


def test_cli_index_search_without_index_raises_what_main_prints(config_path: Path) -> None:
    with pytest.raises(RetrievalError, match="index build"):
        understudy(config_path, "search", "anything")


@pytest.mark.parametrize("words", [("build", "--chunk-tokens", "1"), ("search", "x", "--k", "0")])
def test_cli_index_with_bad_number_names_what_is_allowed(config_path: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"allowed: [12]"):
        understudy(config_path, *words)


def test_cli_index_with_missing_config_raises(tmp_path: Path) -> None:
    with pytest.raises(UnderstudyError, match="does not exist"):
        understudy(tmp_path / "none.toml", "stats")


def test_cli_import_loads_nothing_heavy() -> None:
    heavy = ("torch", "chromadb", "sentence_transformers", "transformers", "numpy", "pydantic")
    code = f"import sys, ingest.cli; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert found.stdout.strip() == "[]"
