"""OpenAI's chat-completions format: what callers send, checked, and what they get back.

Fields that are not known are ignored, since clients send many; what would change the answer and is
not offered (several choices, tools, images) is refused by name. This module serves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bot.result_json import result_json
from bot.web_errors import Problem
from engine.types import Message, ReplyOptions, Result, Role

MAX_NEW_TOKENS = 8192
"""More is understood as this: the field is an upper bound, and clients ask for much."""
MAX_STOPS = 4

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
Extras = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A checked request."""

    model: str
    """The persona's id, or `base`."""
    messages: tuple[Message, ...]
    options: ReplyOptions
    user: str = ""
    """The caller's own name for its user; may be empty."""
    stop: tuple[str, ...] = ()
    """The reply ends before the first of these."""


class StreamOptions(BaseModel):
    """Options of a streamed answer."""

    include_usage: bool = False


class WireMessage(BaseModel):
    """One message as it arrives."""

    role: str
    content: str | list[dict[str, Any]] | None = None

    def message(self, where: str) -> Message:
        """The message as the engine wants it. Raises Problem."""
        if self.role in ("tool", "function"):
            raise _unsupported(f"{where}.role", "tool messages")
        if self.role not in ROLES:
            allowed = ", ".join(ROLES)
            raise Problem(
                400, f"{where}.role is {self.role[:40]!r}; allowed: {allowed}.", param=f"{where}.role"
            )
        if isinstance(self.content, str):
            return Message(ROLES[self.role], self.content)
        texts = [_text(part, f"{where}.content") for part in self.content or ()]
        return Message(ROLES[self.role], "".join(texts))


class CompletionBody(BaseModel):
    """The body of POST /v1/chat/completions."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    model: str | None = None
    messages: list[WireMessage] = Field(min_length=1, max_length=2000)
    temperature: float | None = Field(None, ge=0.0, le=5.0, allow_inf_nan=False)
    top_p: float | None = Field(None, gt=0.0, le=1.0)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: str | list[str] | None = None
    n: int | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    user: str | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    logprobs: bool | None = None
    response_format: dict[str, Any] | None = None
    modalities: list[str] | None = None

    def request(self, default_model: str) -> CompletionRequest:
        """The checked request. Raises Problem."""
        self._refuse_unsupported()
        limit = self.max_completion_tokens or self.max_tokens
        return CompletionRequest(
            model=self.model or default_model,
            messages=tuple(m.message(f"messages[{i}]") for i, m in enumerate(self.messages)),
            options=ReplyOptions(
                seed=None if self.seed is None else self.seed % 2**63,
                max_new_tokens=min(limit, MAX_NEW_TOKENS) if limit else None,
                temperature=self.temperature,
                top_p=self.top_p,
            ),
            user=self.user or "",
            stop=self._stops(),
        )

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with a chunk of token counts."""
        return self.stream_options is not None and self.stream_options.include_usage

    def _stops(self) -> tuple[str, ...]:
        stops = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        if len(stops) > MAX_STOPS:
            raise Problem(400, f"stop has {len(stops)} strings; allowed: at most {MAX_STOPS}.", param="stop")
        return tuple(stop for stop in stops if stop)

    def _refuse_unsupported(self) -> None:
        if self.n not in (None, 1):
            raise _unsupported("n", "more than one choice")
        if self.tools or self.functions:
            raise _unsupported("tools" if self.tools else "functions", "tools")
        if self.logprobs:
            raise _unsupported("logprobs", "log probabilities")
        if self.response_format and self.response_format.get("type") != "text":
            raise _unsupported("response_format", "formats other than text")
        if self.modalities and self.modalities != ["text"]:
            raise _unsupported("modalities", "modalities other than text")


def _unsupported(param: str, what: str) -> Problem:
    return Problem(400, f"{param}: {what} are not supported here.", "unsupported_value", param)


def _text(part: Mapping[str, Any], where: str) -> str:
    if part.get("type") != "text" or not isinstance(part.get("text"), str):
        raise _unsupported(where, f"parts of type {str(part.get('type'))[:40]!r}")
    return str(part["text"])


# --- answers -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Head:
    """What every object of one answer has in common."""

    id: str
    created_s: int
    model: str

    def completion(self, result: Result) -> dict[str, object]:
        """The whole answer of a request that does not stream."""
        message = {"role": "assistant", "content": result.reply, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(result)}
        extras = {"usage": usage(result), "understudy": understudy(result)}
        return self._object("chat.completion", [choice], extras)

    def chunk(
        self,
        delta: Mapping[str, object],
        finish: Literal["stop", "length"] | None = None,
        extras: Extras | None = None,
    ) -> dict[str, object]:
        """One piece of a streamed answer."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._object("chat.completion.chunk", [choice], extras or {})

    def usage_chunk(self, result: Result) -> dict[str, object]:
        """The last piece when token counts were asked for; it has no choices."""
        return self._object("chat.completion.chunk", [], {"usage": usage(result)})

    def last_chunks(self, result: Result, *, with_usage: bool) -> Iterator[dict[str, object]]:
        """What ends a stream."""
        yield self.chunk({}, finish_reason(result), {"understudy": understudy(result)})
        if with_usage:
            yield self.usage_chunk(result)

    def _object(self, kind: str, choices: list[dict[str, object]], extras: Extras) -> dict[str, object]:
        head = {"id": self.id, "object": kind, "created": self.created_s, "model": self.model}
        return {**head, "choices": choices, **extras}


def finish_reason(result: Result) -> Literal["stop", "length"]:
    """OpenAI's word for how the reply ended."""
    return "length" if result.finish == "length" else "stop"


def usage(result: Result) -> dict[str, int]:
    """Token counts."""
    return {
        "prompt_tokens": result.prompt_tokens,
        "completion_tokens": result.new_tokens,
        "total_tokens": result.prompt_tokens + result.new_tokens,
    }


def understudy(result: Result) -> dict[str, object]:
    """How the reply came about, under a key of our own; clients that do not know it skip it."""
    keys = ("retrieve", "probability", "query", "sources", "adapters", "timings_ms", "note")
    row = result_json(result)
    return {key: row[key] for key in keys}
