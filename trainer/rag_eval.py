"""`understudy train rag-test`: do answers use their passages, and do they name them?

Every case is asked through the engine as the service asks it, its passages in place of what the index
finds. Two rates, each a share of the cases:

    context use    the reply matches the case's `expect`, or, where a case has none, holds two of its
                   passages' telling words that the question does not hold
    attribution    the reply names a passage by [number] or by its whole title

and beside them whether they are above 80 % and 90 %. What a reply says beyond that is not judged here.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import InputError
from trainer.grounded_rows import LogRow, cited, read_log, telling_words

if TYPE_CHECKING:
    from engine.config import Config
    from trainer.evaluation.session import Session

CASES = Path(__file__).parent / "evaluation" / "sets" / "grounded_natural.jsonl"
CONTEXT_GOAL, ATTRIBUTION_GOAL = 0.8, 0.9
OWN_WORDS = 2
"""Telling words of the passages alone that show that they were read."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One reply and what it shows."""

    question: str
    reply: str
    used: bool
    cited: tuple[int, ...]


def uses_context(row: LogRow, reply: str) -> bool:
    """Whether a reply shows that the passages were read."""
    if row.expect:
        return all(re.search(pattern, reply, re.IGNORECASE) for pattern in row.expect)
    told = " ".join(p.text for p in row.passages)
    return len((telling_words(told) - telling_words(row.question)) & telling_words(reply)) >= OWN_WORDS


def judge(row: LogRow, reply: str) -> Judged:
    """Both measures of one reply."""
    return Judged(row.question, reply, uses_context(row, reply), tuple(sorted(cited(reply, row.passages))))


def rates(judged: Sequence[Judged]) -> dict[str, Any]:
    """Both rates with their goals."""
    count = max(1, len(judged))
    use = sum(j.used for j in judged) / count
    named = sum(bool(j.cited) for j in judged) / count
    return {
        "cases": len(judged),
        "context_use": round(use, 4),
        "attribution": round(named, 4),
        "context_use_goal": CONTEXT_GOAL,
        "attribution_goal": ATTRIBUTION_GOAL,
        "passed": bool(judged) and use > CONTEXT_GOAL and named > ATTRIBUTION_GOAL,
    }


def read_cases(path: Path, limit: int = 0) -> list[LogRow]:
    """The cases of a file whose passages hold the answer.

    Raises:
        InputError: a row cannot be read, or none has passages.
    """
    rows: list[LogRow] = []
    for row in read_log([path]):
        if not isinstance(row, LogRow):
            raise InputError(str(row))
        if row.passages and row.answerable:
            rows.append(row)
    if not rows:
        raise InputError(f"{path} holds no case with passages.")
    return rows[:limit] if limit else rows


async def run_cases(session: Session, rows: Sequence[LogRow]) -> list[Judged]:
    """Ask every case with the session's stack. Raises InputError, ModelError."""

    async def one(index: int, row: LogRow) -> Judged:
        result = await session.reply(index, row.question, passages=row.passages)
        return judge(row, result.reply)

    return [judged async for judged in session.each("rag-test", rows, one)]


async def rag_test(
    config: Config,
    rows: Sequence[LogRow],
    *,
    adapters: Sequence[Path] = (),
    out: Path | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure a model.

    Args:
        config: model, persona and sampling; replies are greedy.
        rows: the cases.
        adapters: folders of adapters that answer together instead of the configured stack.
        out: every reply is written there as JSON lines.

    Returns:
        the rates and what was measured, as JSON.

    Raises:
        ConfigError, InputError, ModelError: with what to mend.
    """
    from trainer.evaluation.options import Options
    from trainer.evaluation.session import Session

    alone: dict[str, float] | None = {} if adapters else None  # the configured stack stays out of it
    async with Session(config, Options(seed=seed, strengths=alone), say) as session:
        if adapters:
            infos = [await session.worker.load_adapter(folder) for folder in adapters]
            session = session.having(strengths={info.name: 1.0 for info in infos})
        judged = await run_cases(session, rows)
        described = session.describe()
    if out is not None:
        await asyncio.to_thread(_write, out, judged)
    return {**rates(judged), **described}


def _write(path: Path, judged: Sequence[Judged]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(asdict(j), ensure_ascii=False) + "\n" for j in judged]
    path.write_text("".join(lines), encoding="utf-8")
