"""Logged answers with the passages they rest on, read from any of three kinds of JSON lines.

    {"instruction": ["Question: …\n\nContext, newest first:\n[1] Title (2026-11-20): …\n\nQuestion: …"],
     "response": "…"}
    {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}
    {"question": "…", "answer": "…", "sources": [{"title": "…", "text": "…", "date": "2026-11-20"}],
     "rating": "up", "retried": false}

The first is what `understudy ingest conversations` writes, the second is chat format, the third is
for logs of other systems; passages may also be called `passages`, their date `published_at`. A last
user turn with the engine's own context block gives its passages back. This module judges nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import InputError
from engine.prompt import CONTEXT_RULE, POSSIBLE, QUESTION, clean_text, newest_first
from engine.types import Passage

WORD = re.compile(r"\w+")
MIN_WORD_CHARS = 4
"""Shorter words are in every text; numbers always count."""
COMMON = frozenset(
    "about according after again also because been before being between both came come could does down each "
    "even every first from have here into just know like made make many more most much must only other over "
    "said same says should some such take than that their them then there these they this those through time "
    "under very want well were what when where which while will with would your".split()
)
UNANSWERABLE = ("absent", "not in the passages")
"""What test sets call a `kind` of question whose passages do not hold the answer."""

_CONTEXT = re.compile(
    rf"\A(?:{QUESTION}[^\n]*\n\n)?Context(?:, newest first)?:\n(?P<lines>.*?)\n\n"
    rf"{re.escape(CONTEXT_RULE)}\n\n(?:{POSSIBLE}(?P<found>[^\n]*)\n)?{QUESTION}(?P<question>.*)\Z",
    re.S,
)
_FOUND = re.compile(r"\[(?P<n>\d+)\] (?P<text>.*?)(?=; \[\d+\] |\Z)")
_DATED = re.compile(r"^\[\d+\] (?P<title>.+?) \((?P<date>\d{4}-\d{2}-\d{2})\): (?P<text>.*)$")
_UNDATED = re.compile(r"^\[\d+\] (?P<title>.+?): (?P<text>.*)$")


@dataclass(frozen=True, slots=True)
class LogRow:
    """One answered question."""

    question: str
    """The last user turn without its context block."""
    answer: str
    """Empty in rows that only ask."""
    passages: tuple[Passage, ...] = ()
    earlier: tuple[str, ...] = ()
    """Turns before the question, oldest first; the last of them is the assistant's."""
    rating: str = ""
    """up, down or empty."""
    retried: bool = False
    """The user asked for another answer."""
    expect: tuple[str, ...] = ()
    """Patterns that a right answer matches, where a test brings them."""
    answerable: bool = True
    """False where a test's passages do not hold the answer."""
    source: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read, and why."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


def read_log(paths: Sequence[Path]) -> Iterator[LogRow | BadRow]:
    """Every row of JSON-lines files, the bad ones with their line number.

    Raises:
        InputError: a file cannot be read.
    """
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            raise InputError(f"{path} cannot be read as UTF-8 JSON lines: {exc}.") from exc
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield log_row(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as exc:
                told = f"{exc.args[0]} is missing" if isinstance(exc, KeyError) else str(exc)
                yield BadRow(f"{path.name}:{number}", told)


def log_row(row: Mapping[str, Any]) -> LogRow:
    """A row of any of the three kinds. Raises ValueError, KeyError or TypeError when it is none."""
    if not isinstance(row, Mapping):
        raise ValueError("is no JSON object")
    given = tuple(_passage(p) for p in row.get("sources") or row.get("passages") or ())
    if "messages" in row:
        turns, answer = _chat(row["messages"])
    elif "instruction" in row:
        asked = row["instruction"]
        turns, answer = ([asked] if isinstance(asked, str) else list(asked)), row["response"]
    else:
        turns, answer = [row["question"]], row.get("answer", "")
    texts = [clean_text(str(turn)) for turn in turns]
    if not texts or not texts[-1]:
        raise ValueError("the question is empty")
    passages, question = split_context(texts[-1])
    expect = row.get("expect") or row.get("must_match") or ()
    return LogRow(
        question,
        clean_text(str(answer)),
        tuple(newest_first(passages or given)),
        tuple(texts[:-1]),
        str(row.get("rating") or ""),
        bool(row.get("retried", False)),
        (expect,) if isinstance(expect, str) else tuple(map(str, expect)),
        row.get("kind") not in UNANSWERABLE,
        str(row.get("source", "")),
        str(row.get("id", "")),
    )


def split_context(text: str) -> tuple[tuple[Passage, ...], str]:
    """The passages of a grounded question and the question itself; see `engine.prompt`."""
    match = _CONTEXT.match(text)
    if match is None:
        return (), text
    passages = []
    for line in match["lines"].splitlines():
        if found := _DATED.match(line):
            day = datetime.fromisoformat(found["date"]).replace(tzinfo=UTC)
            passages.append(Passage(found["text"], found["title"], published_at=day))
        elif found := _UNDATED.match(line):
            passages.append(Passage(found["text"], found["title"]))
    return _as_read(passages, match["found"]), match["question"]


def _as_read(passages: Sequence[Passage], line: str | None) -> tuple[Passage, ...]:
    """The passages with what the prompt's line of possible answers says was found in them."""
    if line is None:
        return tuple(passages)
    found = {int(m["n"]): m["text"] for m in _FOUND.finditer(line)}
    return tuple(replace(p, found=found.get(n, "")) for n, p in enumerate(passages, 1))


def telling_words(text: str) -> set[str]:
    """Words that say what a text is about: numbers, and longer words that are not everywhere."""
    found = {word for word in WORD.findall(text.casefold()) if len(word) >= MIN_WORD_CHARS or word.isdigit()}
    return found - COMMON


def cited(reply: str, passages: Sequence[Passage]) -> set[int]:
    """Numbers, from 1, of the passages that a reply names by [number] or title."""
    numbers = {int(n) for n in re.findall(r"\[(\d{1,2})\]", reply) if 1 <= int(n) <= len(passages)}
    flat = " ".join(reply.casefold().split())
    for number, passage in enumerate(passages, 1):
        title = " ".join(passage.title.casefold().split())
        if title and re.search(rf"(?<!\w){re.escape(title)}(?!\w)", flat):
            numbers.add(number)
    return numbers


def _chat(messages: Sequence[Mapping[str, Any]]) -> tuple[list[str], str]:
    spoken = [m for m in messages if m["role"] in ("user", "assistant")]
    if len(spoken) < 2 or spoken[-1]["role"] != "assistant" or spoken[-2]["role"] != "user":
        raise ValueError("messages must end with a user's turn and the assistant's answer")
    return [str(m["content"]) for m in spoken[:-1]], str(spoken[-1]["content"])


def _passage(given: Mapping[str, Any]) -> Passage:
    date = given.get("date") or given.get("published_at")
    moment = datetime.fromisoformat(str(date)) if date else None
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return Passage(clean_text(str(given["text"])), clean_text(str(given.get("title") or "Document")),
                   str(given.get("url") or ""), moment)  # fmt: skip
