"""Import arrows between the top folders, and that --help stays free of heavy packages."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("bot", "engine", "ingest", "trainer")
ALLOWED = {
    "engine": {"engine"},
    "ingest": {"ingest", "engine"},
    "trainer": {"trainer", "engine"},
    "bot": {"bot", "engine"},
}
COMPOSITION_ROOT = {"bot/service.py", "bot/knowledge.py", "bot/cli.py"}
HEAVY = (
    "torch",
    "transformers",
    "peft",
    "chromadb",
    "sentence_transformers",
    "discord",
    "telegram",
    "fastapi",
)


def imported_tops(path: Path) -> set[str]:
    tops: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            tops |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            tops.add(node.module.split(".")[0])
    return tops & set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_folder_follow_the_arrows(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        allowed = set(FOLDERS) if name in COMPOSITION_ROOT else ALLOWED[folder]
        assert imported_tops(path) <= allowed, name


def test_cli_import_brings_in_no_heavy_package() -> None:
    code = (
        "import sys; from bot.cli import build_parser; build_parser(); "
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_modules_stay_small() -> None:
    long = {
        p.relative_to(ROOT).as_posix(): n
        for folder in FOLDERS
        for p in (ROOT / folder).rglob("*.py")
        if (n := len(p.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}
