"""What many tests share: a tiny tokenizer's renderer, a persona, a configuration over tmp_path."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from engine.config import Config
from engine.personas import Persona
from engine.prompt import Renderer

# Nothing may be fetched while tests run.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
for folder in ("", "bot"):  # tiny.py and the platforms' doubles are imported by their bare names
    sys.path.insert(0, str(Path(__file__).parent / folder))


@pytest.fixture(scope="session")
def tiny_tokenizer_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny tokenizer alone."""
    from tiny import make_tiny_tokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    make_tiny_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def renderer(tiny_tokenizer_dir: Path) -> Renderer:
    """A renderer over the tiny tokenizer, whose template is Llama-3 style."""
    from transformers import AutoTokenizer

    return Renderer(AutoTokenizer.from_pretrained(tiny_tokenizer_dir))


@pytest.fixture
def persona(tmp_path: Path) -> Persona:
    """A short persona."""
    return Persona(
        id="ada",
        name="Ada",
        system_prompt="You are Ada.",
        greeting="Good day.",
        disclosure="An AI speaking as Ada.",
        folder=tmp_path / "ada",
    )


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Defaults, with data under tmp_path and an admin on every platform."""
    limits = {"admins": ["discord:1", "telegram:1", "web:1"]}
    return Config.model_validate({"root": tmp_path, "limits": limits})
