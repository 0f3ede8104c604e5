"""`understudy train rag-data`: a conversation log into answers that use and name their sources.

    read → grounded? → good enough? → does a source hold it? → attributed → pairs and chat rows

The quality score of an answer, 0 to 1, is

    0.50 support    share of its telling words that its passages hold, full at half of them
    0.20 length     full from 5 to 150 words, nothing at 1 and at 400
    0.15 on topic   share of the question's telling words that the answer or its passages hold
    0.15 ended      whether it ends a sentence

and it is taken when the score reaches a threshold, or somebody rated it up. Refusals, answers that
were rated down or retried, and answers that no passage supports are never taken. What is added is
the source alone: the first supported sentence is led in by "According to TITLE (DATE), …", and each
sentence that rests on another passage than the one before carries its number. No word of the answer
is invented or taken out. English only.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.chunks import sentences
from engine.errors import InputError
from engine.prompt import grounded_question
from engine.types import Passage
from trainer.grounded_rows import WORD, BadRow, LogRow, cited, read_log, telling_words

SUPPORTED = 0.3
"""A passage supports a sentence that shares so much of its telling words, and at least two of them."""
_REFUSAL = re.compile(
    r"\b(?:I (?:do not|don['’]t|cannot|can['’]t) (?:know|say|tell|answer|find|help)"
    r"|I['’]m (?:not sure|sorry|unable)"
    r"|I am (?:not sure|sorry|unable)|no (?:information|idea)|as an AI)\b",
    re.I,
)
_LED_IN = re.compile(
    r"\b(?:according to|based on|as reported (?:by|in)|the (?:document|article|report) says)\b", re.I
)
_LOWERED = frozenset(
    "about around nearly almost over under more less only just today yesterday tomorrow last next so "
    "a an the this that these those it its there they their he she we our in on at by for from with after "
    "before since until during as all some many most each every both no not one two three if "
    "when while".split()
)
_END = re.compile(r"([.!?…]+[\"'”’)]*)\s*$")


@dataclass(slots=True)
class RagLedger:
    """What came in, what was taken, and why the others were not."""

    rows: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    named_before: int = 0
    """Kept answers that named a source already."""
    scores: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """rows = kept + dropped + refused."""
        mean = sum(self.scores) / len(self.scores) if self.scores else None
        return {
            "rows": self.rows,
            "kept": self.kept,
            "dropped": dict(self.dropped),
            "refused": self.refused,
            "attributed_before": self.named_before,
            "mean_score": round(mean, 3) if mean is not None else None,
        }


def make_rag_data(
    paths: Sequence[Path], out: Path, chat: Path | None = None, *, min_score: float = 0.5
) -> dict[str, Any]:
    """Write the training rows of a log.

    Args:
        paths: JSON lines (`trainer.grounded_rows`).
        out: pairs JSONL.
        chat: the same in chat format, where wanted.
        min_score: 0 to 1.

    Returns:
        the ledger as JSON.

    Raises:
        InputError: a file cannot be read, or no row is good enough.
    """
    ledger = RagLedger()
    made = list(rag_rows(read_log(paths), ledger, min_score))
    if not made:
        why = ", ".join(f"{n} {reason}" for reason, n in ledger.dropped.most_common()) or "the log is empty"
        raise InputError(f"None of {ledger.rows} rows can be trained on: {why}.")
    _write(out, [pair for pair, _ in made])
    if chat is not None:
        _write(chat, [messages for _, messages in made])
    return {"out": str(out), "chat": str(chat) if chat else "", **ledger.as_json()}


def rag_rows(
    rows: Iterable[LogRow | BadRow], ledger: RagLedger, min_score: float
) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
    """The pair and the chat row of every answer that is good enough."""
    seen: set[tuple[str, str]] = set()
    for row in rows:
        ledger.rows += 1
        if isinstance(row, BadRow):
            ledger.refused.append(str(row))
            continue
        reason = unusable(row, min_score)
        if not reason and (row.question, row.answer) in seen:
            reason = "same question and answer again"
        answer = "" if reason else attributed(row.answer, row.passages)
        if not reason and not answer:
            reason = "no passage supports it"
        if reason:
            ledger.dropped[reason] += 1
            continue
        seen.add((row.question, row.answer))
        ledger.kept += 1
        ledger.scores.append(quality(row))
        ledger.named_before += bool(cited(row.answer, row.passages))
        asked = grounded_question(row.passages, row.question)
        yield (
            {
                "instruction": [*row.earlier, asked],
                "response": answer,
                "source": row.source or "log",
                "id": row.id or f"rag-{ledger.rows}",
            },
            {"messages": _messages([*row.earlier, asked], answer)},
        )


def unusable(row: LogRow, min_score: float) -> str:
    """Why a row is not taken; empty when it is."""
    if not row.answer:
        return "no answer"
    if not row.passages:
        return "not grounded in passages"
    if row.rating == "down":
        return "rated down"
    if row.retried:
        return "retried"
    if _REFUSAL.search(row.answer):
        return "a refusal"
    if row.rating != "up" and quality(row) < min_score:
        return f"score below {min_score:g}"
    return ""


def quality(row: LogRow) -> float:
    """How good a grounded answer is by its form, 0 to 1; see the module."""
    held = telling_words(" ".join(p.text for p in row.passages))
    told = telling_words(row.answer)
    support = min(1.0, len(told & held) / (0.5 * len(told))) if told else 0.0
    count = len(WORD.findall(row.answer))
    length = max(0.0, min((count - 1) / 4, 1.0, (400 - count) / 250))
    asked = telling_words(row.question)
    topic = len(asked & (told | held)) / len(asked) if asked else 1.0
    ended = 1.0 if _END.search(row.answer) else 0.0
    return 0.5 * support + 0.2 * length + 0.15 * topic + 0.15 * ended


def attributed(answer: str, passages: Sequence[Passage]) -> str:
    """The answer with its sources named; empty when no passage supports any of it."""
    before = 0
    named = bool(cited(answer, passages)) or bool(_LED_IN.search(answer))
    supported = False
    prose, fence, code = answer.partition("```")  # nothing is put into code
    lines: list[str] = []
    for line in prose.split("\n"):
        parts: list[str] = []
        for sentence in sentences(line):
            number = supporting(sentence, passages)
            supported = supported or bool(number)
            if number and number != before and not cited(sentence, passages):
                lead = not named and not before
                put = _led_in if lead else _numbered
                sentence = put(sentence, passages[number - 1], number)
            before = number or before
            parts.append(sentence)
        lines.append(" ".join(parts))
    return "\n".join(lines) + fence + code if supported else ""


def supporting(sentence: str, passages: Sequence[Passage]) -> int:
    """Number, from 1, of the passage that holds most of a sentence; 0 when none holds enough."""
    told = telling_words(sentence)
    shared = [len(told & telling_words(f"{p.title} {p.text}")) for p in passages]
    best = max(range(len(passages)), key=lambda i: (shared[i], -i), default=0)
    enough = bool(shared) and shared[best] >= 2 and shared[best] >= SUPPORTED * len(told)
    return best + 1 if enough else 0


def _led_in(sentence: str, passage: Passage, number: int) -> str:
    date = f" ({passage.published_at:%Y-%m-%d})" if passage.published_at else ""
    first, _, rest = sentence.partition(" ")
    plain = first.lower() if first.lower() in _LOWERED else first
    return _numbered(f"According to {passage.title}{date}, {plain} {rest}".strip(), passage, number)


def _numbered(sentence: str, passage: Passage, number: int) -> str:
    end = _END.search(sentence)
    at = end.start() if end else len(sentence.rstrip())
    return f"{sentence[:at]} [{number}]{sentence[at:].rstrip()}"


def _messages(turns: Sequence[str], answer: str) -> list[dict[str, str]]:
    last = len(turns) - 1
    roles = ["user" if (last - i) % 2 == 0 else "assistant" for i in range(len(turns))]
    rows = [{"role": role, "content": text} for role, text in zip(roles, turns, strict=True)]
    rows = rows[1:] if rows[0]["role"] == "assistant" else rows
    return [*rows, {"role": "assistant", "content": answer}]


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(path.suffix + ".tmp")
    draft.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    draft.replace(path)
