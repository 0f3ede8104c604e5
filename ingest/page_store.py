"""Pages that were read, a line of JSON each, written down the moment each is read.

A run that is stopped begins where it was: what stands here is not fetched again. A torn last line,
as a killed run leaves it, counts as not read. This module fetches nothing.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.errors import StorageError
from ingest.extract import Extract


class _Row(BaseModel):
    """A line of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    name: str
    title: str
    text: str
    published_at: datetime | None
    url: str
    source: str


class PageStore:
    """The pages of earlier runs, by address.

    Args:
        path: the file; it is made when the first page comes.
        again: read nothing of it, so that every page is fetched anew; later lines replace earlier ones.

    Raises:
        StorageError: the file cannot be read.
    """

    def __init__(self, path: Path, *, again: bool = False) -> None:
        self.path = path
        self._pages: dict[str, Extract] = {}
        if again:
            return
        try:
            lines = path.read_text("utf-8").splitlines() if path.exists() else []
        except (OSError, UnicodeDecodeError) as exc:
            raise StorageError(f"{path} cannot be read ({exc}); delete it to fetch all pages anew.") from exc
        for line in lines:
            try:
                row = _Row.model_validate_json(line)
            except ValidationError:
                continue  # torn, or of another version: the page is fetched again
            fields = {name: value for name, value in row if name != "key"}
            self._pages[row.key] = Extract(**fields)

    def get(self, key: str) -> Extract | None:
        """The page of an address as `canonical_url` writes it, or None."""
        return self._pages.get(key)

    def add(self, key: str, page: Extract) -> None:
        """Keep a page durably. Raises StorageError."""
        date = page.published_at.isoformat() if page.published_at else None
        row = {"key": key, "name": page.name, "title": page.title, "text": page.text, "published_at": date}
        line = json.dumps({**row, "url": page.url, "source": page.source}, ensure_ascii=False)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+", encoding="utf-8", errors="replace") as file:
                file.write(_mend(self.path) + line + "\n")
        except OSError as exc:
            raise StorageError(f"{self.path} cannot be written: {exc.strerror or exc}.") from exc
        self._pages[key] = page


def _mend(path: Path) -> str:
    """A line break where the last line is torn, so that the next one stands alone."""
    with path.open("rb") as file:
        if not file.seek(0, 2):
            return ""
        file.seek(-1, 2)
        return "" if file.read(1) == b"\n" else "\n"
