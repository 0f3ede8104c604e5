"""Running one part of the evaluation over its cases, and writing what was said to each.

A part is a module with ROW, KEYS, `answer` and `summarize`. A case that the engine refuses, such as
one that is too long, is wrong and says why; a model that fails ends the run.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from pydantic import BaseModel

from engine.errors import InputError
from engine.rows import Case
from trainer.evaluation import analyzer, conflicts, grounded, persona, rewrite
from trainer.evaluation.outcome import Outcome, by_kind, out_line, rounded
from trainer.evaluation.session import Session


@dataclass(frozen=True, slots=True)
class Part:
    """What a part's module offers."""

    row: type[BaseModel]
    keys: tuple[str, ...]
    answer: Callable[[Session, int, Any], Awaitable[Outcome]]
    """What the engine makes of one row; the number is the case's."""
    summarize: Callable[[Sequence[Case[Any]], Sequence[Outcome]], dict[str, Any]]


def _part(module: ModuleType) -> Part:
    return Part(module.ROW, module.KEYS, module.answer, module.summarize)


PARTS: dict[str, Part] = {
    "analyzer": _part(analyzer),
    "rewrite": _part(rewrite),
    "grounded": _part(grounded),
    "conflicts": _part(conflicts),
    "persona": _part(persona),
}
READING_PARTS = ("grounded", "conflicts")
"""Those whose cases bring passages."""


async def run_part(
    name: str, session: Session, cases: Sequence[Case[Any]], out: TextIO | None = None, what: str = ""
) -> dict[str, Any]:
    """The numbers of one part: its KEYS first, then `errors`, and `by_kind` where rows have kinds."""
    outcomes = await answer_all(what or name, PARTS[name], session, cases, out)
    errors = sum(bool(o.error) for o in outcomes)
    summary = rounded(PARTS[name].summarize(cases, outcomes))
    return {**summary, "errors": errors, **by_kind(cases, outcomes)}


async def answer_all(
    what: str, part: Part, session: Session, cases: Sequence[Case[Any]], out: TextIO | None = None
) -> list[Outcome]:
    """Every case's outcome, in order; lines are written as soon as those before them are."""

    async def one(index: int, case: Case[Any]) -> Outcome:
        try:
            return await part.answer(session, index, case.row)
        except InputError as exc:
            return Outcome(False, "error", error=str(exc))

    outcomes: list[Outcome] = []
    async for outcome in session.each(what, cases, one):
        if out is not None:
            line = out_line(cases[len(outcomes)], outcome)
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
            out.flush()
        outcomes.append(outcome)
    return outcomes


@contextmanager
def opened(path: Path | None) -> Iterator[TextIO | None]:
    """The file of `--out` for writing; None stays None.

    Raises:
        InputError: it cannot be written.
    """
    if path is None:
        yield None
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w", encoding="utf-8")
    except OSError as exc:
        raise InputError(f"{path} cannot be written ({exc.strerror or exc}); name another --out.") from exc
    with file:
        yield file
