"""Reads corpus rows and turns them into our messages and prose windows.

Rows are JSON lines, xz-compressed. Every conversion goes through `engine.prompt`, so what is
trained on is what is served. This module knows nothing of tokens or stores.
"""

from __future__ import annotations

import json
import lzma
import random
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.prompt import REWRITE_SYSTEM, reply_messages
from engine.types import Message, Passage
from trainer.corpus_questions import sentences
from trainer.pointers import UNREAD_SHARE, read
from trainer.skills import systems
from trainer.skills.phrases import UNSAID, in_few_words

Row = dict[str, Any]
LONGEST_SENTENCE = 36  # words; a longer one is not given as an answer
CROPPED_WORDS = 48  # about as many are left of a paragraph that is cut to what news chunks look like
VAL_SHARE = 60  # one paragraph or dialogue in this many is kept for evaluation

_CITED = re.compile(r"\s*\[(\d+)\]")
_HEAD = re.compile(
    r"^(?P<title>[^\n]{1,150}?)(?: \((?P<date>\d{4}-\d{2})(?:-\d{2})?\))?: (?P<text>.+)$", re.S
)
_TOPIC = re.compile(r"^Conversation:\nTopic: ([^\n]+)\n?")
_LOWER_I = re.compile(r"\bi(?=\b(?!\.))")
_ROUGH = re.compile(
    r"\b(fuck\w*|shit\w*|bitch\w*|cunt\w*|nigg\w*|fag\w*|whore\w*|rape\w*|porn\w*|slut\w*|dick)\b", re.I
)

BRIEF = (
    "You answer from the context in a few words.",
    "Answer in as few words as possible.",
    "You are a helpful assistant. Answer with a short phrase.",
    "Give short answers from the context.",
    "You are an assistant who answers in a few words.",
)
UNTITLED = (
    "Encyclopedia",
    "Article",
    "Document",
    "Library",
    "Reference",
    "Handbook",
    "Archive",
    "Notes",
    "Book",
)


@dataclass(frozen=True, slots=True)
class Dress:
    """How human questions are varied; each is a share of them."""

    sentence: float = 0.1
    """Answered by a whole sentence instead of a few words."""
    spoken: float = 0.6
    """Of the few words, said by a persona instead of an assistant told to be brief."""
    cropped: float = 0.85
    """The paragraphs cut to some sentences."""
    withheld: float = 0.06
    """The answering sentence taken out, so that nothing answers."""


AS_GIVEN = Dress(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Grounded:
    """A question with its passages; `gold` marks those that the answer comes from."""

    system: str
    passages: tuple[Passage, ...]
    gold: tuple[bool, ...]
    question: str
    answer: str
    words: str | None = None
    """Those of the passages that answer; empty where none do, None where the answer is no words of theirs."""

    def messages(self, keep: int, rng: random.Random) -> tuple[Message, ...]:
        """The conversation with the gold passages and others up to `keep`, in random order."""
        chosen = [p for p, g in zip(self.passages, self.gold, strict=True) if g]
        chosen += [p for p, g in zip(self.passages, self.gold, strict=True) if not g][
            : max(0, keep - len(chosen))
        ]
        rng.shuffle(chosen)
        if self.words is not None and rng.random() > UNREAD_SHARE:
            chosen = read(chosen, (self.words,), rng)
        return (
            *reply_messages(self.system, (), self.question, chosen),
            Message("assistant", self.answer, trained=True),
        )


def rows(path: Path, share: float = 1.0, seed: int = 0) -> Iterator[Row]:
    """A random share of a file's rows, streamed."""
    rng = random.Random(f"{seed}:{path.name}")
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if share >= 1 or rng.random() < share:
                yield json.loads(line)


def kept_out(text: str) -> bool:
    """Whether a row belongs to the evaluation side; a property of its text alone."""
    return zlib.crc32(text.encode()) % VAL_SHARE == 0


# --- grounded ------------------------------------------------------------------------------


def passage(text: str, rng: random.Random) -> Passage:
    """`Title (2007-02): text` as a passage; untitled text gets a plain title."""
    found = _HEAD.match(text)
    if not found or len(found["title"].split()) > 16:
        return Passage(text, rng.choice(UNTITLED))
    date = found["date"]
    day = datetime(int(date[:4]), int(date[5:]), rng.randint(1, 28), tzinfo=UTC) if date else None
    return Passage(found["text"], found["title"], published_at=day)


def grounded(row: Row, rng: random.Random, dress: Dress | None = None) -> Grounded | None:
    """A `context` row; None where the answer does not say which passage it is from.

    Args:
        dress: how questions that people wrote are varied.
    """
    question, answer = (m["content"] for m in row["messages"][-2:])
    cited = {int(n) - 1 for n in _CITED.findall(answer)}
    answer = _CITED.sub("", answer).strip()
    spans = row["source"].startswith(("squad", "xquad"))
    answered = not row["task"].endswith("unanswerable")
    if not answered:
        answer, cited = rng.choice(UNSAID), set()
    elif not cited or not answer:
        return None
    texts = list(row["context"])
    if not spans:
        who = systems.persona(rng, plain_share=0.6).system
        made = tuple(passage(t, rng) for t in texts)
        words = None if answered else ""
        return Grounded(who, made, tuple(i in cited for i in range(len(texts))), question, answer, words)
    dress = dress or Dress()
    gold, told = min(cited, default=-1), ""
    if gold >= 0:
        told = sentence_with(texts[gold], answer)
    if rng.random() < dress.cropped:
        texts = [cropped(t, told if i == gold else "", rng) for i, t in enumerate(texts)]
    brief = rng.random() >= dress.spoken
    words = answer if answered else ""
    as_persona = rng.random() < dress.sentence and (told or not answered)
    if told and rng.random() < dress.withheld and (left := texts[gold].replace(told, "").strip()):
        texts[gold], answer, words = " ".join(left.split()), rng.choice(UNSAID), ""
    elif answered:
        answer = told if as_persona else in_few_words(answer, brief)
    who = rng.choice(BRIEF) if brief and not as_persona else systems.persona(rng, plain_share=0.4).system
    made = tuple(Passage(t, rng.choice(UNTITLED)) for t in texts)
    return Grounded(who, made, tuple(i in cited for i in range(len(texts))), question, answer, words)


def cropped(text: str, told: str, rng: random.Random) -> str:
    """About `CROPPED_WORDS` of a paragraph's sentences in a row, with `told` where the paragraph has it."""
    parts = sentences(" ".join(text.split()))
    at = parts.index(told) if told in parts else rng.randrange(len(parts)) if parts else 0
    first = last = at
    while sum(len(p.split()) for p in parts[first : last + 1]) < CROPPED_WORDS:
        if first > 0 and (last + 1 >= len(parts) or rng.random() < 0.5):
            first -= 1
        elif last + 1 < len(parts):
            last += 1
        else:
            break
    return " ".join(parts[first : last + 1])


def sentence_with(text: str, answer: str) -> str:
    """The sentence of `text` that holds `answer`, empty where it is long or none does."""
    found = [s for s in sentences(" ".join(text.split())) if answer in s]
    return found[0] if len(found) == 1 and len(found[0].split()) <= LONGEST_SENTENCE else ""


def asked_and_answered(row: Row) -> tuple[str, str]:
    """A human question with the words that answer it."""
    question, answer = (m["content"] for m in row["messages"][-2:])
    return question, " ".join(_CITED.sub("", answer).split())


def grounded_key(row: Row) -> str:
    """The paragraph by which a grounded row falls to training or evaluation."""
    cited = _CITED.findall(row["messages"][-1]["content"])
    texts = row["context"]
    i = int(cited[0]) - 1 if cited else 0
    return str(texts[i] if 0 <= i < len(texts) else texts[0])


# --- rewriting -----------------------------------------------------------------------------


def rewrite(row: Row, rng: random.Random) -> tuple[Message, ...] | None:
    """A query rewriting row in the rewriter's own format; topic lines become a first question."""
    user, answer = (" ".join(m["content"].split("\r")) for m in row["messages"][-2:])
    topic = _TOPIC.match(user)
    if topic:
        name = re.sub(r" \([^)]*\)$", "", topic[1].split(" - ")[0].strip())
        lead = rng.choice(
            (f"Tell me about {name}.", f"What do you know about {name}?", f"Let's talk about {name}.", name)
        )
        user = f"Conversation:\nUser: {lead}\n{user[topic.end() :].lstrip()}"
        user = user.replace("\nLast question:", "\n\nLast question:").replace("\n\n\n", "\n\n")
    answer = tidy(answer)
    if "\n\nLast question: " not in user or len(answer) > 200:
        return None
    return (
        Message("system", REWRITE_SYSTEM),
        Message("user", user),
        Message("assistant", answer, trained=True),
    )


# --- chat ----------------------------------------------------------------------------------


def tidy(text: str) -> str:
    """A capital first, "I" for "i", and a full stop where there is no end."""
    text = _LOWER_I.sub("I", " ".join(text.split()))
    if not text:
        return text
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!\"')…:" else text + "."


def rough(text: str) -> bool:
    """Whether a remark holds what no answer should pick up."""
    return bool(_ROUGH.search(text))


def chat(row: Row, rng: random.Random) -> tuple[Message, ...] | None:
    """A dialogue cut to a few turns, ending with the assistant, under a system prompt of its own."""
    said = [m for m in row["messages"] if m["role"] in ("user", "assistant")]
    if any(rough(m["content"]) for m in said):
        return None
    start = rng.randrange(0, max(1, len(said) - 3), 2) if len(said) > 8 else 0
    cut = said[start : start + rng.choice((4, 6, 8))]
    while cut and cut[0]["role"] != "user":
        cut = cut[1:]
    while cut and cut[-1]["role"] != "assistant":
        cut = cut[:-1]
    if not cut or any(not m["content"].strip() for m in cut):
        return None
    who = systems.persona(rng, plain_share=0.5).system
    turns = [Message(m["role"], tidy(m["content"]), trained=m["role"] == "assistant") for m in cut]
    return (Message("system", who), *turns)


def instruct(row: Row, rng: random.Random) -> tuple[Message, ...] | None:
    """A question with a written answer, short ones only."""
    question, answer = (m["content"].strip() for m in row["messages"][-2:])
    if (
        not question
        or not answer
        or len(answer) > 600
        or answer.count("\n") > 6
        or _ROUGH.search(question + answer)
    ):
        return None
    if answer[-1] not in ".?!":
        return None
    return (
        Message("system", systems.plain(rng).system),
        Message("user", question),
        Message("assistant", answer, trained=True),
    )


CHAT_FILES: dict[str, Callable[[Row, random.Random], tuple[Message, ...] | None]] = {
    "chat_self_dialogue": chat,
    "chat_topical": chat,
    "chat_fiction_dialogue": chat,
    "instruct_dolly_part": instruct,
}


# --- prose ---------------------------------------------------------------------------------


def paragraphs(row: Row) -> list[str]:
    """A prose row's paragraphs; none where it is marked to be left out."""
    if row.get("slur") or "text" not in row:
        return []
    return [p.strip() for p in str(row["text"]).split("\n") if len(p.strip()) > 1]
