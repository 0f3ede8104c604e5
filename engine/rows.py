"""JSON lines from outside, each checked against a pydantic row, every bad one named by its line.

This module does not know what the rows are for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from engine.errors import InputError


def _moment(value: object) -> datetime | None:
    """An ISO date or time; without a zone it is UTC, null or empty is no date."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        made = value
    elif isinstance(value, str):
        try:
            made = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(f"{value!r} is no ISO date; write 2026-11-20 or 2026-11-20T08:30:00Z") from None
    else:
        raise ValueError(f"{value!r} is no ISO date; write it as text, such as 2026-11-20")
    return made if made.tzinfo else made.replace(tzinfo=UTC)


Moment = Annotated[datetime | None, BeforeValidator(_moment)]
"""An ISO date or time as an aware datetime; null or empty is None."""
Given = Annotated[str, Field(pattern=r"\S")]
"""Text that is not blank."""

PLAIN = {
    "string_pattern_mismatch": "must not be blank",
    "tuple_type": "must be a list",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "missing": "is missing",
}
"""Pydantic's kinds of findings in words that fit JSON."""

Absent = BeforeValidator(lambda value: () if value is None else value)
"""For a list: null is an empty one."""
Unsaid = BeforeValidator(lambda value: "" if value is None else value)
"""For a text: null is an empty one."""
Name = Annotated[Given, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
"""An id: text, or a whole number that is taken as text."""

R = TypeVar("R", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Case(Generic[R]):
    """A row with where it came from."""

    line: int
    raw: dict[str, Any]
    row: R

    @property
    def kind(self) -> str:
        """The row's own `kind`, or empty."""
        return str(self.raw.get("kind") or "")


def read_rows(path: Path, row_type: type[R], limit: int | None = None) -> list[Case[R]]:
    """All rows of a JSONL file; blank lines are skipped.

    Args:
        path: the file, UTF-8.
        row_type: what every row must be.
        limit: only so many, from the beginning; the whole file is checked nevertheless.

    Raises:
        InputError: the file cannot be read, holds no row, or has bad rows; names every one of them.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as exc:
        raise InputError(
            f"{path} cannot be read ({exc.strerror or exc}); name a file of JSON lines."
        ) from exc
    except UnicodeDecodeError as exc:
        raise InputError(f"{path} is not UTF-8 (byte {exc.start}); save it as UTF-8 text.") from exc
    cases: list[Case[R]] = []
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
            cases.append(Case(number, raw, row_type.model_validate(raw)))
        except ValidationError as exc:
            problems.append(f"line {number}: {_told(exc)}")
        except json.JSONDecodeError as exc:
            problems.append(f"line {number}: is no JSON ({exc.msg} at character {exc.pos + 1})")
        except (ValueError, RecursionError) as exc:
            problems.append(f"line {number}: is no JSON ({exc})")
    if problems:
        rows = "1 bad row" if len(problems) == 1 else f"{len(problems)} bad rows"
        raise InputError(f"{path} has {rows}; mend or remove:\n  " + "\n  ".join(problems))
    if not cases:
        raise InputError(f"{path} holds no rows; write one JSON object a line.")
    return cases[:limit] if limit is not None else cases


def _told(exc: ValidationError) -> str:
    """Pydantic's findings in one line."""
    found = []
    for error in exc.errors(include_url=False):
        where = ".".join(str(part) for part in error["loc"])
        text = error["msg"].removeprefix("Value error, ")
        text = PLAIN.get(error["type"], text)
        found.append(f"{where}: {text}" if where else text)
    return "; ".join(found)
