"""What a user may choose for an evaluation: stack, decoding, profile, model, persona.

This module imports no torch, so that wrong options are told at once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from engine.config import Config
from engine.errors import InputError

Strengths = Mapping[str, float]
Decoding = Literal["greedy", "sample", "context-aware"]
DECODINGS: tuple[str, ...] = get_args(Decoding)
STACKS = ("base", "identity", "style", "both")


@dataclass(frozen=True, slots=True)
class Options:
    """How cases are answered."""

    decoding: Decoding = "greedy"
    temperature: float | None = None
    """None: 0 for greedy and context-aware, the configured one for sample."""
    seed: int = 0
    """Case i is drawn with seed + i."""
    strengths: Strengths | None = None
    """Adapter -> strength for every case; None is the configured stack, empty the base model."""
    context_weight: float = 0.5
    reader: bool = True
    """The profile's reader looks for answers first, as in service."""

    def __post_init__(self) -> None:
        if self.temperature is not None and not 0.0 <= self.temperature <= 5.0:
            raise InputError(f"--temperature is {self.temperature:g}; allowed: 0 to 5.")
        if not 0.0 <= self.context_weight <= 10.0:
            raise InputError(f"--context-weight is {self.context_weight:g}; allowed: 0 to 10.")


def stack_strengths(words: Sequence[str]) -> dict[str, float]:
    """`base`, `identity`, `style`, `both` or `NAME=STRENGTH …` as strengths.

    Raises:
        InputError: a word is none of these.
    """
    if len(words) == 1 and words[0] in STACKS:
        names = ("identity", "style") if words[0] == "both" else (words[0],)
        return {} if words[0] == "base" else dict.fromkeys(names, 1.0)
    out: dict[str, float] = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            out[name] = float(value)
        except ValueError:
            raise InputError(
                f"--stack {word!r} cannot be read; write {', '.join(STACKS)}, or NAME=STRENGTH with a "
                "strength from 0 to 1."
            ) from None
        if not name or not 0.0 <= out[name] <= 1.0:
            raise InputError(f"--stack {word!r}: a strength is from 0 to 1, behind an adapter's name.")
    return out


def decoding_named(name: str) -> Decoding:
    """The decoding of this name. Raises InputError that lists all of them."""
    if name not in DECODINGS:
        raise InputError(f"--decoding {name!r} is unknown; choose one of: {', '.join(DECODINGS)}.")
    return cast(Decoding, name)


def chosen_config(
    config: Config, *, profile: str | None = None, model: str | None = None, persona: Path | None = None
) -> Config:
    """The configuration with another profile, model or persona.

    Raises:
        InputError: there is no such profile.
    """
    if profile is not None:
        if profile not in config.profiles:
            raise InputError(f"--profile {profile!r}; config.toml has {', '.join(sorted(config.profiles))}.")
        config = config.model_copy(update={"profile": profile})
    if model is not None:
        folder = Path(model).expanduser()
        named = str(folder.resolve()) if folder.is_dir() else model
        active = config.active_profile.model_copy(update={"model": named})
        config = config.model_copy(update={"profiles": {**config.profiles, config.profile: active}})
    if persona is not None:
        config = config.model_copy(update={"persona": str(persona.expanduser().resolve())})
    return config


class Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Rounded to a hundredth."""
        return round(time.perf_counter() - self._start, 2)
