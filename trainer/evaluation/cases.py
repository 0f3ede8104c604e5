"""Evaluation cases: what a row of each part's JSONL must hold.

A row may have more keys than these; they are carried into `--out` and otherwise left alone, except
`kind`, by which results are broken down. This module knows nothing of models.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    model_validator,
)

from engine.rows import Absent, Given, Moment, Name, Unsaid
from engine.types import Passage, Turn


def _pattern(value: object) -> re.Pattern[str]:
    if not isinstance(value, str):
        raise ValueError("a regular expression must be a string")
    try:
        return re.compile(value, re.IGNORECASE)
    except re.error as exc:
        raise ValueError(f"{value!r} is no regular expression ({exc})") from None


Pattern = Annotated[Any, BeforeValidator(_pattern)]
"""A compiled regular expression that ignores case."""
Patterns = Annotated[tuple[Pattern, ...], Absent]


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Said(_Row):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


History = Annotated[tuple[Said, ...], Absent]


class GivenPassage(_Row):
    """A passage as a row brings it."""

    text: Given
    title: Annotated[str, Unsaid] = ""
    url: Annotated[str, Unsaid] = ""
    published_at: Moment = None


class AnalyzerRow(_Row):
    """Does this message need a search?"""

    message: Given
    retrieve: StrictBool
    history: History = ()


class RewriteRow(_Row):
    """What the standalone query must name."""

    message: Given
    must_contain: tuple[Given, ...] = Field(min_length=1)
    history: History = ()


class ConflictRow(_Row):
    """A question whose passages contradict each other, or what training said."""

    question: Given
    passages: tuple[GivenPassage, ...] = Field(min_length=1)
    fresh: tuple[Given, ...] = Field(min_length=1)
    stale: Annotated[tuple[Given, ...], Absent] = ()


class _Matched(_Row):
    must_match: Patterns = ()
    must_not_match: Patterns = ()

    @model_validator(mode="after")
    def _says_something(self) -> _Matched:
        if not self.must_match and not self.must_not_match:
            raise ValueError("give must_match or must_not_match: this row would pass whatever is answered")
        return self


class GroundedRow(_Matched):
    """A question to be answered from its passages."""

    question: Given
    passages: tuple[GivenPassage, ...]


class PersonaRow(_Matched):
    """A conversation that ends with the user; a leading system message replaces the persona's."""

    messages: tuple[Said, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ends_with_user(self) -> PersonaRow:
        if self.messages[-1].role != "user" or not self.messages[-1].content.strip():
            raise ValueError("messages must end with what the user said")
        if any(said.role == "system" for said in self.messages[1:]):
            raise ValueError("only the first message may have the role system")
        return self


class RetrievalRow(_Row):
    """A query and the ids of the documents that answer it."""

    query: Given
    relevant: tuple[Name, ...] = Field(min_length=1)
    asked_at: Moment = None


def turns(history: Sequence[Said]) -> tuple[Turn, ...]:
    """A history as the engine stores it; system messages are no part of one and are left out."""
    return tuple(Turn(said.role, said.content) for said in history if said.role != "system")


def passages(given: Sequence[GivenPassage]) -> tuple[Passage, ...]:
    """Passages as the retriever hands them over, in the row's order."""
    return tuple(
        Passage(g.text, g.title.strip() or "Document", g.url, g.published_at, id=str(i))
        for i, g in enumerate(given, 1)
    )
