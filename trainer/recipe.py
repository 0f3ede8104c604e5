"""What a persona training does, read from TOML: one `[[phase]]` an adapter, in stacking order."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from engine.toml_file import checked, read_toml


class Phase(BaseModel):
    """One adapter. Its phase trains on top of all earlier ones, which stay frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    r: int = Field(ge=1, le=512)
    alpha: float = Field(gt=0)
    dropout: float = Field(0.05, ge=0, lt=1)
    target_modules: list[str] = ["q_proj", "k_proj", "v_proj"]
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(0.0, ge=0)
    epochs: int = Field(ge=1)
    identity_rate: float = Field(ge=0, le=1)
    """Share of examples whose last user turn begins with one of the persona's identity prefixes."""
    warmup_steps: int = Field(10, ge=0)


class Recipe(BaseModel):
    """A whole persona training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch_size: int = Field(2, ge=1)
    accumulation: int = Field(4, ge=1)
    max_length: int = Field(4096, ge=32)
    """Tokens; longer examples lose their oldest turns, a response that does not fit is refused."""
    held_out: float = Field(0.15, gt=0, lt=1)
    divergence: float = Field(1.5, gt=1)
    """Stop a phase when its held-out loss exceeds the best one by this factor."""
    replay: float = Field(0.0, ge=0, le=4)
    """Generated skill conversations per pair, mixed into training so that a small base keeps them."""
    seed: int = 0
    phase: list[Phase] = Field(min_length=1)


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ConfigError: the file is missing or a key is wrong; the message names it.
    """
    return checked(Recipe, read_toml(path, "name a recipe with --recipe"), path)
