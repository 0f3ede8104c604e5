"""A persona: one folder with persona.toml, knowledge/ and adapters/.

This module reads the description only; adapters are the worker's, knowledge is the index builder's.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from engine.toml_file import checked, read_toml


class Persona(BaseModel):
    """What persona.toml says. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    name: str = Field(min_length=1, max_length=80)
    aliases: list[str] = []
    identity_prefixes: list[str] = []
    system_prompt: str = Field(min_length=1)
    greeting: str = ""
    disclosure: str = Field(min_length=1)
    """Plain words that this is an AI; shown on every adapter."""
    memory_ends: date | None = None
    suggestions: list[str] = []
    style_lexicon: list[str] = []
    feeds: list[str] = []
    tools: list[str] = []
    """What it may call while it answers, such as get_weather; see docs/tools.md."""
    folder: Path = Field(default=Path("."), exclude=True)

    @property
    def system(self) -> str:
        """The system message, on one line."""
        return " ".join(self.system_prompt.split())

    @property
    def adapters_path(self) -> Path:
        """Folder of its adapters, one sub-folder each."""
        return self.folder / "adapters"

    @property
    def knowledge_path(self) -> Path:
        """Folder of its timeline, news and documents."""
        return self.folder / "knowledge"


def load_persona(folder: Path) -> Persona:
    """Read `folder/persona.toml`.

    Raises:
        ConfigError: the file is missing or wrong; the message names file and key.
    """
    path = folder / "persona.toml"
    data = read_toml(path, "set persona in config.toml to a persona's folder")
    return checked(Persona, {**data, "folder": folder}, path)
