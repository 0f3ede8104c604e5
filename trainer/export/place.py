"""An output folder that appears whole or not at all, and never replaces anything but an older export."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.errors import InputError

REPORT = "export.json"


@contextmanager
def new_folder(out: Path, force: bool) -> Iterator[Path]:
    """A temporary folder beside `out`, which takes its place when the block ends well.

    Args:
        out: must not exist, or be empty; with `force` it may be an earlier export.

    Raises:
        InputError: it is in the way, or cannot be written.
    """
    out = out.resolve()
    _check_free(out, force)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    except OSError as exc:
        raise InputError(
            f"{out.parent} cannot be written: {exc.strerror or exc}; choose another --out."
        ) from exc
    try:
        yield draft
        _let_others_read(draft)
        _swap(draft, out, force)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Write `export.json`, by which a later run knows that the folder is an export."""
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    (folder / REPORT).write_text(text, encoding="utf-8")


def folder_files(folder: Path) -> list[str]:
    """Every file in it, relative, sorted."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def _let_others_read(folder: Path) -> None:
    """mkdtemp and safetensors make things the owner's alone."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def _check_free(out: Path, force: bool) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out} is a file; give a folder with --out.")
    if not any(out.iterdir()):
        return
    if not force:
        raise InputError(f"{out} is not empty; choose another --out, or replace an older export by --force.")
    if not (out / REPORT).is_file():
        raise InputError(
            f"{out} holds no {REPORT}, so it is no export and is not replaced; choose another --out."
        )


def _swap(draft: Path, out: Path, force: bool) -> None:
    _check_free(out, force)  # again: exporting takes a while
    old = None
    if out.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
        out.replace(old)
    try:
        draft.replace(out)
    except OSError:
        if old is not None:
            old.replace(out)
        raise
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)
