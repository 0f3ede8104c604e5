"""A persona to be trained: Ada, who says her name and a number."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

TOML = (
    'id = "ada"\nname = "Ada"\nidentity_prefixes = ["Ada, …"]\n'
    'system_prompt = "You are Ada."\ndisclosure = "An AI speaking as Ada."\n'
)


def pairs(count: int) -> list[str]:
    """That many good lines of training pairs."""
    return [
        json.dumps({"instruction": [f"Who are you, {i}?"], "response": f"I am Ada, number {i}."})
        for i in range(count)
    ]


def make_ada(root: Path, lines: Sequence[str]) -> Path:
    """The persona's folder, with these lines as its only file of pairs."""
    folder = root / "ada"
    (folder / "training").mkdir(parents=True)
    (folder / "persona.toml").write_text(TOML, encoding="utf-8")
    (folder / "training" / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder
