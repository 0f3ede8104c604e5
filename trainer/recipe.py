"""What a training of adapters does, read from TOML: one `[[phase]]` an adapter, in stacking order.

Knows no model: names of target modules are looked up when one is loaded (`trainer.targets`).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.toml_file import checked, read_toml

Method = Literal["lora", "rslora", "dora", "prefix", "p-tuning"]
PROMPTS = ("prefix", "p-tuning")
"""Methods that learn virtual tokens instead of weights."""
Rate = Annotated[float, Field(ge=0, le=1)]

LIMITS = {
    "dora": "DoRA rescales whole weights and does not add up in a rank-masked stack: serve it through PEFT "
    "or merged into the base.",
    "prefix": "Prefix tuning is no LoRA: the rank-masked stack refuses it; serve it through PEFT alone.",
    "p-tuning": "P-tuning is no LoRA: the rank-masked stack refuses it; serve it through PEFT alone.",
}
"""Where each method's adapters cannot be served; a method that is not here can be stacked."""

_OPERATIONAL = {"checkpoint_minutes"}  # may change between a kill and the resume


class Phase(BaseModel):
    """One adapter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    method: Method = "lora"
    on: Literal["stack", "base"] = "stack"
    """stack: on top of all earlier phases, which stay frozen; base: alone on the base model."""
    r: int = Field(8, ge=1, le=512)
    alpha: float = Field(16.0, gt=0)
    dropout: float = Field(0.05, ge=0, lt=1)
    target_modules: list[str] | Literal["all-linear"] = ["q", "k", "v"]
    """q, k, v, o, gate, up, down, or the model's own names of modules, or all-linear."""
    virtual_tokens: int = Field(20, ge=1, le=1024)
    """Of prefix tuning and p-tuning alone."""
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(0.0, ge=0)
    epochs: int = Field(ge=1)
    identity_rate: Rate | list[Rate] = 0.0
    """Share of examples whose last user turn begins with one of the persona's identity prefixes; of a
    list, every pair is trained once at each rate in each epoch."""
    warmup_steps: int = Field(10, ge=0)
    """At most a quarter of the phase's steps."""
    keep: Literal["best", "last"] = "best"
    """Which epoch's adapter is kept: the one of the least held-out loss, or the last that was not worse by
    `divergence`. The answers to the held-out pairs are never trained on, so a phase that is to learn certain
    answers by heart gets worse on them as it succeeds."""
    talk: float = Field(0.0, ge=0, le=4)
    """Generated small talk with plain answers per pair, mixed in so that a phase whose pairs all say who it
    is leaves other talk alone."""
    replay: float | None = Field(None, ge=0, le=4)
    """Of this phase, in place of the recipe's."""
    asides: Rate = 0.0
    """Share of replayed answers to which one of the persona's asides is added (`trainer.asides`)."""
    rejoinders: float = Field(0.0, ge=0, le=4)
    """Generated everyday talk per pair, answered as the persona answers it (`trainer.rejoinders`)."""
    preludes: Rate = 0.0
    """Share of pairs and of generated conversations that are trained behind one to three other exchanges, as
    in a conversation that has gone on for a while (`trainer.preludes`)."""
    pairs: list[str] = []
    """Train on the rows of these files alone (names, `*` allowed); empty: on all."""

    @property
    def rates(self) -> tuple[float, ...]:
        """The identity rates, one for each copy of the pairs."""
        return tuple(self.identity_rate) if isinstance(self.identity_rate, list) else (self.identity_rate,)

    @property
    def learns_prompt(self) -> bool:
        """Whether virtual tokens are trained and not matrices."""
        return self.method in PROMPTS


class Recipe(BaseModel):
    """A whole training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str = ""
    """Folder or hub id of the base model; empty: the active profile's."""
    quantize: Literal["profile", "none", "nf4", "int8"] = "profile"
    dtype: Literal["profile", "auto", "fp32", "bf16"] = "profile"
    gradient_checkpointing: bool = False
    batch_size: int = Field(2, ge=1)
    """Examples in a micro-batch; a packed one holds the tokens of as many average examples, or of the
    longest one. How a step is cut into micro-batches changes its memory and not its gradient."""
    accumulation: int = Field(4, ge=1)
    max_length: int = Field(4096, ge=32)
    """Tokens; longer examples lose their oldest turns, a response that does not fit is refused."""
    packing: bool = True
    """Lay examples end to end, each attending to itself alone, where the model allows it."""
    held_out: float = Field(0.15, gt=0, lt=1)
    divergence: float = Field(1.5, gt=1)
    """Stop a phase when its held-out loss exceeds the best one by this factor."""
    patience: int = Field(0, ge=0)
    """Stop a phase after this many epochs without a better one; 0: never."""
    replay: float = Field(0.0, ge=0, le=4)
    """Generated skill conversations per pair, mixed into training so that a small base keeps them."""
    checkpoint_minutes: float = Field(10.0, ge=0)
    """Between checkpoints inside an epoch; each epoch's end has one anyway."""
    seed: int = 0
    phase: list[Phase] = Field(min_length=1)

    @model_validator(mode="after")
    def _phases_fit(self) -> Recipe:
        names = [phase.name for phase in self.phase]
        if len(set(names)) < len(names):
            raise ValueError("two phases have the same name")
        for i, phase in enumerate(self.phase):
            stacked = any(other.on == "stack" for other in self.phase[i + 1 :]) or (i and phase.on == "stack")
            if phase.method == "dora" and stacked:
                raise ValueError(f'phase {phase.name} is DoRA, which does not add up in a stack; on = "base"')
            if phase.learns_prompt and len(self.phase) > 1:
                raise ValueError(f"phase {phase.name} learns a prompt, which must be the only phase")
        return self

    def fingerprint(self) -> str:
        """SHA-256 (hex) of everything in it that changes what is trained."""
        return hashlib.sha256(self.model_dump_json(exclude=_OPERATIONAL).encode()).hexdigest()


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ConfigError: the file is missing or a key is wrong; the message names it.
    """
    return checked(Recipe, read_toml(path, "name a recipe with --recipe"), path)
