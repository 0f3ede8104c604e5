"""Working fakes of the engine's seams: history in memory, retriever over a list, reader, scripted generator.

They are for tests and demonstrations and need no database, index or model. They keep the contracts
of the real ones, except that nothing outlives the process. This module knows no backend.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from engine.errors import ModelError, StorageError
from engine.types import (
    Chunk,
    FinishReason,
    GenerationRequest,
    Incoming,
    Passage,
    Prompt,
    Receipt,
    Result,
    Turn,
    utc_now,
)

# --- history -------------------------------------------------------------------------------


@dataclass(slots=True)
class _Entry:
    incoming: Incoming
    epoch: int
    result: Result | None = None
    answered_at: datetime | None = None


class MemoryHistory:
    """History in lists; one instance lives as long as the process.

    `failing` makes every call raise it, as a full disk would.
    """

    def __init__(self) -> None:
        self.failing: StorageError | None = None
        self._entries: dict[int, _Entry] = {}
        self._pks: dict[tuple[str, str], int] = {}
        self._epochs: dict[str, int] = {}
        self._replies = 0

    async def receive(self, incoming: Incoming) -> Receipt:
        """Store a message once; see `engine.types.History`."""
        self._check()
        name = (incoming.key, incoming.message_id)
        if name in self._pks:
            return Receipt(self._pks[name], fresh=False)
        pk = self._pks[name] = len(self._pks) + 1
        self._entries[pk] = _Entry(incoming, self._epochs.get(incoming.key, 0))
        return Receipt(pk, fresh=True)

    async def turns(self, key: str, limit: int, before_pk: int | None = None) -> Sequence[Turn]:
        """The last turns that were answered since `new`, oldest first."""
        self._check()
        turns: list[Turn] = []
        for pk, entry in self._answered(key):
            if before_pk is None or pk < before_pk:
                said, result = entry.incoming, entry.result
                assert result is not None and entry.answered_at is not None
                turns.append(Turn("user", said.text, said.user_id, said.user_name, said.sent_at))
                turns.append(Turn("assistant", result.reply, at=entry.answered_at))
        return turns[-limit:] if limit > 0 else []

    async def answer(self, message_pk: int, result: Result) -> int:
        """Store the reply to a message in place of an earlier one; 0 when the message was erased."""
        self._check()
        entry = self._entries.get(message_pk)
        if entry is None:
            if message_pk in self._pks.values():
                return 0
            raise StorageError(f"There is no message {message_pk} in the history; it must be received first.")
        self._replies += 1
        entry.result = replace(result, message_pk=message_pk, reply_pk=self._replies)
        entry.answered_at = utc_now()
        return self._replies

    async def last(self, key: str) -> tuple[Incoming, Result, int] | None:
        """The message answered last since `new`, its reply and its row."""
        self._check()
        answered = self._answered(key)
        if not answered:
            return None
        pk, entry = answered[-1]
        assert entry.result is not None
        return entry.incoming, entry.result, pk

    async def new(self, key: str) -> None:
        """Begin afresh: earlier turns are not read any more."""
        self._check()
        self._epochs[key] = self._epochs.get(key, 0) + 1

    async def reset(self, key: str) -> int:
        """Erase a conversation; its messages are still known when they are delivered again."""
        self._check()
        gone = [pk for pk, entry in self._entries.items() if entry.incoming.key == key]
        for pk in gone:
            del self._entries[pk]
        return len(gone)

    def _answered(self, key: str) -> list[tuple[int, _Entry]]:
        epoch = self._epochs.get(key, 0)
        return [
            (pk, entry)
            for pk, entry in self._entries.items()
            if entry.incoming.key == key and entry.epoch == epoch and entry.result is not None
        ]

    def _check(self) -> None:
        if self.failing is not None:
            raise self.failing


# --- retrieval -----------------------------------------------------------------------------

_WORD = re.compile(r"\w+")
_COMMON = frozenset(
    _WORD.findall(
        "a an and are at be by did do does for from has have he her his how i in is it its of on or she "
        "that the their they this to was were what when where which who why will with you your"
    )
)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def keywords(text: str) -> set[str]:
    """The words that carry meaning, in lower case."""
    return set(_WORD.findall(text.casefold())) - _COMMON


class ListRetriever:
    """Retrieval by keyword overlap over a list.

    Args:
        passages: what can be found.
        k: most passages in an answer.
        failing: raised instead of answering, as a missing index would.
    """

    def __init__(self, passages: Sequence[Passage], k: int = 3, failing: Exception | None = None) -> None:
        self.passages = list(passages)
        self.k = k
        self.failing = failing
        self.queries: list[str] = []
        """Every query so far."""

    async def search(self, query: str, now: datetime) -> Sequence[Passage]:
        """The passages that share most of the query's keywords; of equal ones the newest first."""
        self.queries.append(query)
        if self.failing is not None:
            raise self.failing
        wanted = keywords(query)
        found = []
        for passage in self.passages:
            share = len(wanted & keywords(f"{passage.title} {passage.text}")) / max(1, len(wanted))
            if share > 0:
                found.append(replace(passage, similarity=share, score=share))
        found.sort(key=lambda p: (p.score, p.published_at or _LONG_AGO), reverse=True)
        return found[: self.k]


class KeywordReader:
    """A reader that finds what stands behind a keyword.

    Args:
        known: a word of the question to the answer that is looked for.
        failing: raised instead of answering, as missing weights would.
    """

    def __init__(self, known: Mapping[str, str], failing: Exception | None = None) -> None:
        self.known = dict(known)
        self.failing = failing
        self.questions: list[str] = []
        """Every question so far."""

    async def read(self, question: str, passages: Sequence[Passage]) -> Sequence[Passage]:
        """Each passage with the first known answer that it holds."""
        self.questions.append(question)
        if self.failing is not None:
            raise self.failing
        wanted = [a for word, a in self.known.items() if word.lower() in question.lower()]
        return [replace(p, found=next((a for a in wanted if a in p.text), "")) for p in passages]


# --- generation ----------------------------------------------------------------------------

Script = Sequence[str | Sequence[str]] | Callable[[GenerationRequest], str]


class ScriptedGenerator:
    """A generator that says what it was given.

    Args:
        script: the replies in order, the last one again and again; a text comes word by word, a
            sequence of texts chunk by chunk. Or a function from the request to the text.
        probability: of the first label in `choose`; several are used in order, the last one again.
        delay_s: before every chunk.
        failing: raised by `generate` and `choose`, as a full queue would.
    """

    def __init__(
        self,
        script: Script = ("Hello.",),
        *,
        probability: float | Sequence[float] = 0.0,
        delay_s: float = 0.0,
        failing: Exception | None = None,
    ) -> None:
        self.failing = failing
        self.delay_s = delay_s
        self.requests: list[GenerationRequest] = []
        """Every generation asked for."""
        self.choices: list[Prompt] = []
        """Every prompt that `choose` was asked about."""
        self.cancelled = 0
        """Generations that were closed before their end."""
        self.closed = False
        self._script = script
        self._probabilities = [probability] if isinstance(probability, int | float) else list(probability)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        """The next scripted reply, one chunk a "token", cut at the request's max_new_tokens."""
        self._check()
        pieces = self._pieces(request)
        self.requests.append(request)
        allowed = request.sampling.max_new_tokens
        finish: FinishReason = "stop" if len(pieces) <= allowed else "length"
        done = False
        try:
            for piece in pieces[:allowed]:
                await asyncio.sleep(self.delay_s)
                yield Chunk(piece)
            done = True
            yield Chunk(
                "", finish, prompt_tokens=len(request.prompt.ids), new_tokens=min(len(pieces), allowed)
            )
        finally:
            self.cancelled += not done

    async def choose(self, prompt: Prompt, labels: Sequence[str], request_id: str = "") -> Sequence[float]:
        """The scripted probability for the first label, the rest shared among the others."""
        self._check()
        p = self._probabilities[min(len(self.choices), len(self._probabilities) - 1)]
        self.choices.append(prompt)
        rest = (1.0 - p) / max(1, len(labels) - 1)
        return [p, *[rest] * (len(labels) - 1)]

    async def close(self) -> None:
        """Answer no more. Idempotent."""
        self.closed = True

    def _pieces(self, request: GenerationRequest) -> list[str]:
        if callable(self._script):
            text: str | Sequence[str] = self._script(request)
        else:
            text = self._script[min(len(self.requests), len(self._script) - 1)]
        return re.findall(r"\s*\S+|\s+$", text) if isinstance(text, str) else list(text)

    def _check(self) -> None:
        if self.closed:
            raise ModelError("The model is closed.")
        if self.failing is not None:
            raise self.failing
