"""`understudy train audience-test`: does each audience get its own style, and the right content?

Every held-out question is asked through the engine with the adapter of its audience; all adapters are
loaded in one worker and each request masks the ranks of the others, so audiences are answered side by
side. Three measures over all answers and for each audience:

    style hit rate      the classifier of `trainer.audience_style`, learned from the training answers,
                        takes the answer for its audience's
    semantic overlap    share of answers whose embedding has a cosine of THRESHOLD or more with the
                        reference answer's; the mean cosine beside it
    exact match         equal to the reference but for case, blanks and punctuation
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config import Config
from engine.embedder import TextEmbedder
from engine.errors import InputError
from trainer.audience import PREFIX, Labelled, read_labelled
from trainer.audience_style import StyleClassifier

THRESHOLD = 0.6
"""Cosine of all-MiniLM-L6-v2 from which two answers are taken to say the same."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A held-out row and what the model said."""

    row: Labelled
    reply: str
    adapters: tuple[str, ...] = ()


def load_style(folder: Path) -> StyleClassifier:
    """The classifier of a folder of training pairs, a file an audience.

    Raises:
        InputError: there are not two files with answers.
    """
    answers: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        lines = path.read_text(encoding="utf-8").splitlines()
        answers[path.stem] = [str(json.loads(line)["response"]) for line in lines if line.strip()]
    try:
        return StyleClassifier(answers)
    except ValueError as exc:
        raise InputError(f"{folder}: {exc}. Make it with `understudy train audience-data`.") from exc


def measure(
    answered: Sequence[Answered],
    style: StyleClassifier,
    embedder: TextEmbedder,
    threshold: float = THRESHOLD,
) -> dict[str, Any]:
    """The measures as JSON, with those of each audience."""
    if not answered:
        raise InputError("There is no answer to measure.")
    replies = embedder.embed_now([a.reply or " " for a in answered])
    references = embedder.embed_now([a.row.answer for a in answered])
    cosines = [float(a @ b) for a, b in zip(replies, references, strict=True)]
    hits = [style.of(a.reply) == a.row.audience for a in answered]
    exact = [_plain(a.reply) == _plain(a.row.answer) for a in answered]
    ceiling = [style.of(a.row.answer) == a.row.audience for a in answered]

    def of(chosen: Sequence[int]) -> dict[str, Any]:
        n = len(chosen)
        return {
            "n": n,
            "style_hit_rate": round(sum(hits[i] for i in chosen) / n, 4),
            "semantic_overlap": round(sum(cosines[i] >= threshold for i in chosen) / n, 4),
            "mean_cosine": round(sum(cosines[i] for i in chosen) / n, 4),
            "exact_match": round(sum(exact[i] for i in chosen) / n, 4),
            "reference_style_hit_rate": round(sum(ceiling[i] for i in chosen) / n, 4),
        }

    names = sorted({a.row.audience for a in answered})
    parts = {name: of([i for i, a in enumerate(answered) if a.row.audience == name]) for name in names}
    chance = round(1 / len(style.audiences), 4)
    return {**of(range(len(answered))), "threshold": threshold, "chance": chance, "audiences": parts}


async def audience_test(
    config: Config,
    held_out: Path,
    train: Path,
    adapters: Path | None,
    *,
    limit: int = 0,
    threshold: float = THRESHOLD,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[dict[str, Any], list[Answered]]:
    """Ask every held-out row and measure the answers.

    Args:
        config: model, persona and sampling; replies are greedy and nothing is retrieved.
        held_out, train: as `trainer.audience` writes them.
        adapters: folder with audience-NAME folders; None measures the bare base model.

    Raises:
        InputError, ConfigError, ModelError, RetrievalError: with what to mend.
    """
    from engine.embedder import Embedder
    from trainer.evaluation.options import Options
    from trainer.evaluation.session import Session

    style = load_style(train)
    rows = list(read_labelled([held_out]))
    rows = rows[:limit] if limit else rows
    async with Session(config, Options(strengths={}), say) as session:
        loaded: dict[str, str] = {}
        for name in sorted({row.audience for row in rows}) if adapters else ():
            info = await session.worker.load_adapter(adapters / f"{PREFIX}{name}", strength=0.0)  # type: ignore[operator]
            loaded[name] = info.name

        async def one(index: int, row: Labelled) -> Answered:
            strengths = {loaded[row.audience]: 1.0} if row.audience in loaded else {}
            result = await session.having(strengths=strengths).reply(index, row.question)
            return Answered(row, result.reply, tuple(a.name for a in result.adapters))

        answered = [a async for a in session.each("audience-test", rows, one)]
        told = {"model": config.active_profile.model, "adapters": sorted(loaded.values())}
    embedder = Embedder(config.retriever.embedder)
    try:
        return {**measure(answered, style, embedder, threshold), **told}, answered
    finally:
        embedder.close()


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
