"""The values that cross the seams, and the seams themselves.

All values are frozen. The Protocols are small on purpose: History, Retriever, Reader and Generator are
what the engine needs from the outside, and `engine.fakes` ships a working fake of each.
This module knows nothing of any platform, database, vector store or model.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "cancelled"]


def utc_now() -> datetime:
    """The current time, timezone-aware, in UTC."""
    return datetime.now(UTC)


# --- what comes in -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message; its bytes are not fetched unless something can use them."""

    filename: str
    content_type: str
    size_bytes: int
    url: str = ""


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """What one request may ask for; None means the configured default."""

    seed: int | None = None
    max_new_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    strengths: Mapping[str, float] | None = None
    """Adapter -> strength 0..1 for this reply only; a missing name is off, None the default stack."""
    defaults: Mapping[str, float] | None = None
    """In the place of the loaded adapters' default strengths; like them held back beside passages."""
    retrieve: bool | None = None
    """Force retrieval on or off; None lets the analyzer decide."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message of one person, as every adapter hands it to the engine."""

    platform: str
    """discord, telegram, web, console or api."""
    conversation: str
    """Key of the conversation inside the platform: a channel, thread, DM, topic or web session."""
    message_id: str
    """The platform's own id; (platform, conversation, message_id) is answered at most once."""
    user_id: str
    user_name: str
    text: str
    is_group: bool = False
    sent_at: datetime = field(default_factory=utc_now)
    attachments: tuple[Attachment, ...] = ()
    options: ReplyOptions = ReplyOptions()

    @property
    def key(self) -> str:
        """Globally unique key of the conversation; history is never shared across keys."""
        return f"{self.platform}:{self.conversation}"


# --- history -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Turn:
    """One stored message of a conversation. Retrieved passages are never part of it."""

    role: Literal["user", "assistant"]
    text: str
    user_id: str = ""
    user_name: str = ""
    at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What `History.receive` says of a message: its row, and whether it is new."""

    message_pk: int
    fresh: bool
    """False when this (platform, conversation, message_id) was received before: do not answer again."""


# --- retrieval -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Passage:
    """One retrieved chunk with where it came from."""

    text: str
    title: str
    url: str = ""
    published_at: datetime | None = None
    similarity: float = 0.0
    """Cosine similarity to the query, -1..1."""
    score: float = 0.0
    """Similarity blended with recency; passages are ordered by it."""
    id: str = ""
    found: str | None = None
    """Its words that the reader takes for the answer; empty: it sees none; None: nobody has looked."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The analyzer's verdict."""

    retrieve: bool
    probability: float
    """P(RETRIEVE) / (P(RETRIEVE) + P(NO_RETRIEVE)) on the unmodified base model."""
    query: str = ""
    """The standalone rewritten query; empty when nothing is retrieved."""
    reason: Literal["model", "forced"] = "model"


# --- generation ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt. `trained` marks the assistant turns whose tokens carry loss."""

    role: Role
    content: str
    trained: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt: the messages it was made of and their token ids."""

    messages: tuple[Message, ...]
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn. Validates itself."""

    max_new_tokens: int = 200
    temperature: float = 0.7
    """0 means greedy."""
    top_p: float = 0.9
    top_k: int = 50
    """0 means no limit."""
    repetition_penalty: float = 1.1
    seed: int | None = None

    def __post_init__(self) -> None:
        from engine.errors import InputError

        checks = (
            ("max_new_tokens", self.max_new_tokens, 1 <= self.max_new_tokens <= 8192, "1 to 8192"),
            ("temperature", self.temperature, 0.0 <= self.temperature <= 5.0, "0 to 5"),
            ("top_p", self.top_p, 0.0 < self.top_p <= 1.0, "above 0, at most 1"),
            ("top_k", self.top_k, self.top_k >= 0, "0 or more"),
            (
                "repetition_penalty",
                self.repetition_penalty,
                0.5 <= self.repetition_penalty <= 3.0,
                "0.5 to 3",
            ),
        )
        for name, value, ok, allowed in checks:
            if not ok:
                raise InputError(f"{name} is {value!r}; allowed: {allowed}.")


Stack = tuple[tuple[str, float], ...]
"""Adapter names with strengths 0..1, in load order. The empty stack is the unmodified base model."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """Context-aware decoding: logits become (1 + weight) · with context - weight · without.

    Source: https://arxiv.org/abs/2305.14739.
    """

    prompt: Prompt
    """The same prompt without its passages."""
    weight: float


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One job for the generator. `stack` names this job's own adapters: nothing is toggled."""

    prompt: Prompt
    sampling: Sampling
    stack: Stack = ()
    request_id: str = ""
    contrast: Contrast | None = None
    """Only the local worker knows it; evaluation asks for it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of generated text; the last one carries the finish reason and token counts."""

    text: str
    finish: FinishReason | None = None
    prompt_tokens: int = 0
    new_tokens: int = 0


@dataclass(frozen=True, slots=True)
class AdapterInfo:
    """A loaded adapter as shown to people."""

    name: str
    hash: str
    """First 12 hex digits of the SHA-256 of its weights."""
    rank: int
    strength: float
    """Default strength for new requests; 0 means loaded but off."""
    phase: str = ""


@dataclass(frozen=True, slots=True)
class ToolRecord:
    """One call of a tool within a reply, as /why shows it."""

    name: str
    arguments: Mapping[str, Any]
    observation: str
    """The result as the model read it, one line of JSON."""
    ok: bool
    refused: bool = False
    """It was no valid call, so that nothing was run."""
    error: str = ""
    ms: float = 0.0


# --- what goes out -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the reply, in order."""

    text: str


@dataclass(frozen=True, slots=True)
class Result:
    """How a reply ended: everything that /why shows and `chat --once --json` prints."""

    reply: str
    decision: Decision
    sources: tuple[Passage, ...]
    adapters: tuple[AdapterInfo, ...]
    timings_ms: Mapping[str, float]
    """Milliseconds by stage: save, decide, rewrite, retrieve, read, first_token, generate, total."""
    finish: FinishReason = "stop"
    note: str = ""
    """Anything /why should tell, such as "the index was unreachable"; empty when all went well."""
    message_pk: int = 0
    reply_pk: int = 0
    prompt_tokens: int = 0
    new_tokens: int = 0
    tools: tuple[ToolRecord, ...] = ()
    """Tool calls in order; no part of the stored conversation."""


# --- seams ---------------------------------------------------------------------------------


class History(Protocol):
    """What the engine needs of storage."""

    async def receive(self, incoming: Incoming) -> Receipt:
        """Store a message durably, once. Raises StorageError."""

    async def turns(self, key: str, limit: int, before_pk: int | None = None) -> Sequence[Turn]:
        """The last `limit` turns before message `before_pk`, oldest first."""

    async def answer(self, message_pk: int, result: Result) -> int:
        """Store the reply to a message durably (replacing an earlier one) and return its row."""


class Retriever(Protocol):
    """What the engine needs of the knowledge index."""

    async def search(self, query: str, now: datetime) -> Sequence[Passage]:
        """The best passages for a query, best first, never more than k. Raises RetrievalError."""


class Reader(Protocol):
    """What the engine may have look for an answer in the passages before the model does."""

    async def read(self, question: str, passages: Sequence[Passage]) -> Sequence[Passage]:
        """The same passages in order, each with what was `found` in it. Raises RetrievalError."""


class Generator(Protocol):
    """What the engine needs of a model. The local worker and remote servers implement it."""

    def generate(self, request: GenerationRequest) -> AsyncIterator[Chunk]:
        """Stream the reply. Closing the iterator cancels the job. Raises BusyError, ModelError."""

    async def choose(self, prompt: Prompt, labels: Sequence[str], request_id: str = "") -> Sequence[float]:
        """Probabilities of each label as the base model's next words, normalised over the labels."""

    async def close(self) -> None:
        """Finish or cancel what runs and release the model. Idempotent."""
