"""Headlines or posts from a table: one column is what was written, another or a template the prompt.

Encoding and delimiter are found; HTML is cleaned. This module knows no other format of tables.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InputError
from engine.prompt import clean_text
from ingest.charsets import decode
from ingest.jsonl import Row, pair_row
from ingest.ledger import Stage
from ingest.pages import fragment_text

TEMPLATES = (
    "Write a short post.",
    "What is on your mind today?",
    "Say something to your readers.",
    "What's new?",
)
DELIMITERS = ",;\t|"
MAX_CELL_CHARS = 1_000_000

_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<!--|&(?:#\d+|#x[0-9a-f]+|[a-z]+\d?);", re.I)
_REPOST = re.compile(r"^RT @\w+")


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """Which columns mean what."""

    text: str
    """Column of what was written."""
    prompt: str = ""
    """Column of what it answers; empty: a template."""
    templates: tuple[str, ...] = TEMPLATES
    """May name columns in braces, such as `Write a headline about {topic}.`"""
    source: str = ""
    """Name that pairs carry; empty: the file's."""
    delimiter: str = ""
    """Empty: found."""
    min_words: int = 2


def csv_pairs(path: Path, options: CsvOptions, stage: Stage) -> Iterator[Row]:
    """A pair for each usable row.

    Raises:
        InputError: the file cannot be read, or lacks a named column; the message names those there are.
    """
    header, rows = _table(path, options)
    source = options.source or path.stem
    seen: dict[str, int] = {}
    for number, cells in rows:
        where = f"{path.name} line {number}"
        if len(cells) != len(header):
            stage.drop("another number of cells than the header", where)
            continue
        row = {name: clean_cell(cell) for name, cell in zip(header, cells, strict=True)}
        text = row[options.text]
        prompt = _prompt(row, options, number)
        key = " ".join(text.split()).casefold()
        if reason := _unusable(text, prompt, options):
            stage.drop(reason, where)
        elif key in seen:
            stage.drop("same text as an earlier row", where)
        else:
            seen[key] = number
            stage.keep()
            digest = hashlib.sha256(f"{source}\x00{key}".encode()).hexdigest()
            yield pair_row([prompt], text, source, f"{source}-{digest[:12]}")


def clean_cell(cell: str) -> str:
    """A cell without markup; `<3` and `a < b` stay."""
    return clean_text(fragment_text(cell) if _TAG.search(cell) else cell)


def _table(path: Path, options: CsvOptions) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The header, and the rows that follow with their line numbers."""
    try:
        text = decode(path.read_bytes())
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}.") from exc
    if not text.strip():
        raise InputError(f"{path} is empty.")
    if "\x00" in text:
        raise InputError(f"{path} is no text table; save it as CSV, UTF-8.")
    csv.field_size_limit(MAX_CELL_CHARS)
    wanted = _columns(options)
    header, delimiter = _header(text, wanted, options.delimiter)
    missing = [name for name in wanted if name not in header]
    if missing:
        raise InputError(f"{path} has no column {missing[0]!r}; it has: {', '.join(header)}.")
    twice = [name for name in wanted if header.count(name) > 1]
    if twice:
        raise InputError(f"{path} has the column {twice[0]!r} more than once; rename one of them.")
    return header, _rows(path, text, delimiter)


def _rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        next(reader)
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as exc:
        raise InputError(f"{path} line {reader.line_num} cannot be read as a table: {exc}.") from exc


def _header(text: str, wanted: Sequence[str], given: str) -> tuple[list[str], str]:
    """Column names, by the delimiter that makes most of the wanted ones appear."""
    found: list[tuple[int, int, list[str], str]] = []
    for delimiter in given or DELIMITERS:
        try:
            first = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        except (csv.Error, StopIteration):
            continue
        names = [name.strip() for name in first]
        found.append((sum(name in names for name in wanted), len(names), names, delimiter))
    if not found:
        raise InputError("The table's first line cannot be read; it must name the columns.")
    _, _, header, delimiter = max(found, key=lambda f: f[:2])
    return header, delimiter


def _columns(options: CsvOptions) -> list[str]:
    """All columns that the options name. Raises InputError for a template that is none."""
    columns = [options.text, *([options.prompt] if options.prompt else [])]
    for template in options.templates if not options.prompt else ():
        try:
            fields = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
        except ValueError as exc:
            raise InputError(f"--template {template!r} has a brace that is not closed; double it.") from exc
        columns += fields
    return list(dict.fromkeys(columns))


def _prompt(row: dict[str, str], options: CsvOptions, number: int) -> str:
    if options.prompt:
        return row[options.prompt]
    template = options.templates[number % len(options.templates)]
    parts = string.Formatter().parse(template)
    # not str.format: names with dots or brackets would reach into objects
    return "".join(text + (row[name] if name is not None else "") for text, name, _, _ in parts)


def _unusable(text: str, prompt: str, options: CsvOptions) -> str:
    if not text:
        return "no text"
    if _REPOST.match(text):
        return "somebody else's post"
    if len(text.split()) < options.min_words:
        return f"shorter than {options.min_words} words"
    return "" if prompt.strip() else "no prompt"
