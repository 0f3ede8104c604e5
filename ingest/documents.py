"""Reading a knowledge folder: a timeline, news, and documents of any age.

    knowledge/
      timeline.md      one bullet for each dated event: - 1835-11-30: what happened (source)
      news/*.md        front matter with title, url and published_at
      *.md, *.txt      front matter with title; url, published_at and source where known

A file that cannot be used is refused by name with the reason; the others are read. This module
knows nothing of chunks, embeddings or indexes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from engine.errors import RetrievalError
from engine.prompt import clean_text

TIMELINE = "timeline.md"
NEWS = "news"
SUFFIXES = (".md", ".txt")
MAX_BYTES = 4_000_000  # a whole book is smaller; anything larger is a mistake

_EVENT = re.compile(
    r"^[-*]\s+(?P<date>\d{4}(?:-\d{2}(?:-\d{2})?)?)\s*:\s*(?P<text>.+?)\s*(?:\((?P<source>[^()]+)\))?$"
)
_FIELD = re.compile(r"^([A-Za-z_]+)\s*:\s*(.*)$")


@dataclass(frozen=True, slots=True)
class Document:
    """One thing to know, with where it came from."""

    id: str
    """Path inside the knowledge folder without its ending; timeline events add their date."""
    title: str
    text: str
    """Paragraphs separated by empty lines."""
    url: str = ""
    published_at: datetime | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was not indexed, and why."""

    name: str
    reason: str


class _Refused(Exception):
    """Ends the reading of one file; its text is the reason."""


class FrontMatter(BaseModel):
    """The lines between the two --- at the head of a document. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(min_length=1, max_length=300)
    url: str = Field("", pattern=r"^(https?://\S+)?$")
    published_at: datetime | None = None
    source: str = Field("", max_length=200)

    @field_validator("published_at", mode="before")
    @classmethod
    def _iso(cls, value: object) -> object:
        """A date or a time in ISO form; without a zone it is UTC."""
        if not isinstance(value, str):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as exc:
            raise ValueError("a date such as 2026-11-18 or 2026-11-18T09:30:00+00:00") from exc
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_knowledge(folder: Path) -> tuple[list[Document], list[Refusal]]:
    """All documents of a knowledge folder, in a stable order, and the files that were refused.

    Raises:
        RetrievalError: the folder does not exist.
    """
    if not folder.is_dir():
        raise RetrievalError(f"{folder} does not exist; put the persona's documents there.")
    documents: list[Document] = []
    refused: list[Refusal] = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if any(part.startswith(".") for part in Path(name).parts):
            continue  # editors and file managers leave these
        try:
            if name == TIMELINE:
                events, bad = read_timeline(_read_text(path))
                documents += events
                refused += bad
            else:
                documents.append(_read_document(path, name))
        except _Refused as exc:
            refused.append(Refusal(name, str(exc)))
    return _without_repeats(documents, refused), refused


def read_timeline(text: str) -> tuple[list[Document], list[Refusal]]:
    """The events of a timeline, each a document of its own.

    A full date becomes `published_at`; of a year or a month alone no day is invented.
    """
    head, body = _front_matter(text)
    documents: list[Document] = []
    refused: list[Refusal] = []
    seen: dict[str, int] = {}
    for line in body.splitlines():
        if not line.lstrip().startswith(("- ", "* ")):
            continue  # headings and remarks between the events
        match = _EVENT.match(line.strip())
        if match is None:
            refused.append(
                Refusal(f"{TIMELINE}: {line.strip()[:40]}", "has no date; write - 1835-11-30: text (source)")
            )
            continue
        when = match["date"]
        try:
            day = _event_date(when)
        except ValueError:
            refused.append(Refusal(f"{TIMELINE}: {when}", "is no date of the calendar"))
            continue
        seen[when] = seen.get(when, 0) + 1
        id_ = f"timeline/{when}" + (f"-{seen[when]}" if seen[when] > 1 else "")
        source = match["source"] or head.source
        documents.append(Document(id_, head.title, match["text"], head.url, day, source))
    return documents, refused


def _event_date(when: str) -> datetime | None:
    year, month, day = (*(int(part) for part in when.split("-")), 1, 1)[:3]
    checked = date(year, month, day)
    return datetime(checked.year, checked.month, checked.day, tzinfo=UTC) if len(when) == 10 else None


def _read_document(path: Path, name: str) -> Document:
    if path.suffix.lower() not in SUFFIXES:
        raise _Refused(f"is no {' or '.join(SUFFIXES)} file")
    head, body = _front_matter(_read_text(path))
    text = clean_text(body)
    if not text:
        raise _Refused("is empty below its front matter")
    if name.startswith(f"{NEWS}/") and head.published_at is None:
        raise _Refused("is news without a date; add published_at: 2026-11-18 to its front matter")
    id_ = name[: -len(path.suffix)]
    return Document(id_, clean_text(head.title), text, head.url, head.published_at, clean_text(head.source))


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _Refused(f"is larger than {MAX_BYTES // 1_000_000} MB; split it")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        raise _Refused(f"cannot be read: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise _Refused("is not UTF-8; save it as UTF-8 text") from exc
    if "\x00" in text:
        raise _Refused("is not text")
    if not text.strip():
        raise _Refused("is empty")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _front_matter(text: str) -> tuple[FrontMatter, str]:
    lines = text.split("\n")
    if lines[0].strip() != "---":
        raise _Refused("has no front matter; begin it with the lines ---, title: …, ---")
    end = next((i for i, line in enumerate(lines[1:], 1) if line.strip() == "---"), 0)
    if not end:
        raise _Refused("has front matter without an end; close it with a line ---")
    values: dict[str, str] = {}
    for line in lines[1:end]:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _FIELD.match(line.strip())
        if match is None:
            raise _Refused(f"has a front matter line that is no key: value ({line.strip()[:40]})")
        if match[1] in values:
            raise _Refused(f"has {match[1]} twice in its front matter")
        values[match[1]] = _unquote(match[2].strip())
    try:
        given = {key: value for key, value in values.items() if value}
        return FrontMatter.model_validate(given), "\n".join(lines[end + 1 :])
    except ValidationError as exc:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors())
        raise _Refused(f"has bad front matter: {problems}") from exc


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def _without_repeats(documents: list[Document], refused: list[Refusal]) -> list[Document]:
    """The same text under two names would crowd out other passages: the first one stays."""
    first: dict[str, str] = {}
    kept: list[Document] = []
    ids: set[str] = set()
    for document in documents:
        key = " ".join(document.text.split()).casefold()
        if key in first:
            refused.append(Refusal(document.id, f"has the same text as {first[key]}"))
        elif document.id in ids:
            refused.append(Refusal(document.id, "has the same name as another document but for its ending"))
        else:
            first[key] = document.id
            ids.add(document.id)
            kept.append(document)
    return kept
