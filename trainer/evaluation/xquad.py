"""Answer F1 on XQuAD English, which training never reads, with the passage of each question given.

The base model is asked through the engine with a system message that asks for short answers, as a
caller of the API may bring its own; F1 is SQuAD's, of the whole reply against the one gold answer.
Source: https://arxiv.org/abs/1910.11856.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.types import Passage
from trainer import corpus
from trainer.evaluation.metrics import answer_f1, squad_words
from trainer.evaluation.session import Session

FILE = "grounded_xquad_en.jsonl.xz"
SYSTEM = corpus.BRIEF[0]


@dataclass(frozen=True, slots=True)
class Question:
    """One answerable row."""

    question: str
    passage: Passage
    answer: str


def read_questions(path: Path, limit: int | None, seed: int) -> list[Question]:
    """The answerable rows, or a random choice of `limit` of them."""
    found = []
    rng = random.Random(seed)
    for row in corpus.rows(path):
        made = corpus.grounded(row, rng, corpus.AS_GIVEN)
        if made is None or not any(made.gold):
            continue
        gold = next(p for p, is_gold in zip(made.passages, made.gold, strict=True) if is_gold)
        found.append(Question(made.question, Passage(gold.text, "Article"), made.answer))
    return found if limit is None or limit >= len(found) else rng.sample(found, limit)


async def xquad(session: Session, folder: Path, limit: int | None) -> tuple[dict[str, Any], list[Any]]:
    """f1, exact (all words of the reply are the answer's) and n; and a line for every question."""
    path = folder / FILE
    if not path.is_file():
        return {"n": 0}, []
    questions = read_questions(path, limit, session.options.seed)

    async def one(index: int, asked: Question) -> str:
        result = await session.reply(index, asked.question, passages=[asked.passage], system=SYSTEM)
        return result.reply

    replies = [reply async for reply in session.each("xquad", questions, one)]
    scores = [answer_f1(reply, q.answer) for reply, q in zip(replies, questions, strict=True)]
    exact = [squad_words(r) == squad_words(q.answer) for r, q in zip(replies, questions, strict=True)]
    held = [_within(q.answer, r) for r, q in zip(replies, questions, strict=True)]
    lines = [
        {"question": q.question, "answer": q.answer, "generation": r, "f1": round(f, 4)}
        for q, r, f in zip(questions, replies, scores, strict=True)
    ]
    n = len(questions)
    return {"f1": sum(scores) / n, "exact": sum(exact) / n, "contained": sum(held) / n, "n": n}, lines


def _within(answer: str, reply: str) -> bool:
    """Whether the answer's words occur in the reply, in order and side by side."""
    return f" {' '.join(squad_words(answer))} " in f" {' '.join(squad_words(reply))} "
