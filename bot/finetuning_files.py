"""Which files a fine-tuning may read, and the files that its trainer is given.

Names from outside stay inside the upload folder, whatever dots, links or roots they hold.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from bot.finetuning_job import Settings
from engine.config import Config
from engine.errors import ConfigError, InputError, StorageError
from engine.toml_file import read_toml
from engine.toml_write import toml_text

SUFFIXES = (".pdf", ".docx", ".md", ".markdown", ".html", ".htm", ".txt")


def chosen_documents(folder: Path, names: Sequence[str], limit: int) -> list[Path]:
    """The documents that a request names.

    Args:
        folder: the upload folder.
        names: files or folders in it; none means all of it.
        limit: how many files at most.

    Raises:
        InputError: a name leads out of the folder or to nothing, or there are none or too many.
    """
    found: list[Path] = []
    if not folder.is_dir():
        raise InputError(f"There are no documents: upload some, or put them into {folder.name}/.")
    for name in names or ["."]:
        path = inside(folder, name)
        if path.is_dir():
            inner = (p for p in sorted(path.rglob("*")) if p.suffix.lower() in SUFFIXES and p.is_file())
            found += [p for p in inner if p.resolve().is_relative_to(folder.resolve())]
        elif path.suffix.lower() not in SUFFIXES:
            raise InputError(
                f"{name[:80]!r} is of a kind that cannot be read; allowed: {' '.join(SUFFIXES)}."
            )
        else:
            found.append(path)
    unique = list(dict.fromkeys(found))
    if not unique:
        raise InputError("There are no documents: upload some, or put them into the upload folder.")
    if len(unique) > limit:
        raise InputError(f"{len(unique)} documents are too many at once; allowed: {limit}.")
    return unique


def inside(folder: Path, name: str) -> Path:
    """`folder/name`. Raises InputError when it is not there or leads out of the folder."""
    root = folder.resolve()
    rooted = PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute()
    parts = re.split(r"[\\/]", name)
    if rooted or ".." in parts or "\x00" in name:
        raise InputError(f"{name[:80]!r} is no path inside the upload folder.")
    try:
        path = (root / name).resolve()
        there = path.exists()
    except (OSError, ValueError) as exc:
        raise InputError(f"{name[:80]!r} is no usable file name.") from exc
    if not path.is_relative_to(root):
        raise InputError(f"{name[:80]!r} leads out of the upload folder.")
    if not there:
        raise InputError(f"{name[:80]!r} is not in the upload folder.")
    return path


def safe_name(name: str, taken: Sequence[str]) -> str:
    """A file name of an upload: its last part in plain characters, not among those taken.

    Raises:
        InputError: its ending is of a kind that cannot be read.
    """
    last = re.split(r"[\\/]", name)[-1]
    plain = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode()
    stem, dot, suffix = plain.rpartition(".")
    suffix = f"{dot}{suffix}".lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{last[:80]!r} is of a kind that cannot be read; allowed: {' '.join(SUFFIXES)}.")
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-")[:80] or "document"
    number, free = 1, f"{stem}{suffix}"
    while free in taken:
        number += 1
        free = f"{stem}-{number}{suffix}"
    return free


def trainer_config(config: Config, profile: str) -> str:
    """The config.toml of a job: persona and base model, nothing that is secret."""
    return toml_text(_trainer_tables(config, profile))


def full_config(config: Config, path: Path) -> None:
    """Write a config.toml that also names the database; for its owner's eyes, as a URL may hold a password.

    Raises:
        StorageError: the folder or file cannot be written.
    """
    kept = ("history", "sampling", "analyzer", "index")
    data = {
        **_trainer_tables(config, config.profile),
        "data_dir": str(config.data_path),
        **config.model_dump(mode="json", include=set(kept)),
    }
    draft = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(toml_text(data), encoding="utf-8")
        draft.replace(path)
    except OSError as exc:
        raise StorageError(f"{path} cannot be written: {exc.strerror or exc}.") from exc


def _trainer_tables(config: Config, profile: str) -> dict[str, Any]:
    chosen = config.profiles[profile]
    folder = config.path(chosen.model)
    model = str(folder) if folder.is_dir() else chosen.model
    return {
        "persona": str(config.persona_path),
        "profile": profile,
        "profiles": {profile: {**chosen.model_dump(mode="json"), "model": model}},
    }


def trainer_recipe(recipes: Path, name: str, settings: Settings, *, own_base: bool = True) -> str:
    """A shipped recipe with a request's numbers in place of its own.

    Args:
        recipes: folder of the shipped ones.
        own_base: whether a base model that the recipe names is kept; else the profile's is used.

    Raises:
        InputError: there is no recipe of that name.
    """
    path = recipes / f"{name}.toml"
    if not path.is_file():
        have = ", ".join(sorted(p.stem for p in recipes.glob("*.toml"))) or "none"
        raise InputError(f"There is no recipe {name[:64]!r}; there are {have}.")
    try:
        data = read_toml(path, "")
    except ConfigError as exc:
        raise InputError(str(exc)) from exc
    phases = data.get("phase")
    if not isinstance(phases, list) or not phases:
        raise InputError(f"Recipe {name[:64]!r} trains no adapter; it has no [[phase]].")
    if not own_base:
        data.pop("base", None)
    of_phase = {"epochs": "epochs", "learning_rate": "learning_rate", "rank": "r", "alpha": "alpha"}
    for key, value in settings.model_dump(exclude_none=True).items():
        if key in of_phase:
            for phase in phases:
                phase[of_phase[key]] = value
        else:
            data[key] = value
    return toml_text(data)
