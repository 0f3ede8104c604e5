"""The collected articles on disk, with what was read of which source.

One SQLite file a persona. What a source brought and the validators of its answer are written in
one transaction: after a kill either both are there, or the source is simply read again. This module
knows nothing of HTTP, feeds or indexes.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from engine.errors import StorageError
from ingest.articles import Article
from ingest.fetch import Validators

SCHEMA = 2
LOCK_WAIT_S = 30.0
_COLUMNS = "key, url, title, text, published_at, source"
_TABLES = """
CREATE TABLE IF NOT EXISTS article (
    key TEXT PRIMARY KEY, url TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL,
    published_at TEXT, source TEXT NOT NULL, page INTEGER NOT NULL, seen_at TEXT NOT NULL,
    expired INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alias (name TEXT PRIMARY KEY, key TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (
    feed TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, key TEXT NOT NULL,
    listed_at TEXT NOT NULL, PRIMARY KEY (feed, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS validator (
    source TEXT PRIMARY KEY, policy TEXT NOT NULL, url TEXT NOT NULL, etag TEXT NOT NULL,
    last_modified TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS page (
    key TEXT PRIMARY KEY, asked TEXT NOT NULL, url TEXT NOT NULL, etag TEXT NOT NULL,
    last_modified TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """An entry as it was read last."""

    digest: str
    key: str


@dataclass(frozen=True, slots=True)
class PageSeen:
    """The page that an article's text was taken from."""

    key: str
    """The article's."""
    asked: str
    """The address as it stands in the feed."""
    validators: Validators


@dataclass(frozen=True, slots=True)
class Finding:
    """What one entry of a source came to."""

    name: str
    """The entry's name inside its source."""
    digest: str
    """Empty: to be read again next time, since its page could not be fetched now."""
    article: Article
    aliases: tuple[str, ...] = ()
    """Other names that lead to the article from now on."""
    expired: bool = False
    """Too old: remembered without its text, so that it is not fetched again."""
    page: PageSeen | None = None
    """Where the text comes from, when it is not the feed."""


@dataclass(slots=True)
class Harvest:
    """What one run found in one source; it is written whole."""

    source: str
    findings: list[Finding] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    """Names of the entries that are unchanged."""
    validators: Validators | None = None
    """None: read the source anew next time."""
    page: bool = False
    """The source is a page of the settings: its age does not count."""


def news_file(data_path: Path, persona_id: str) -> Path:
    """Where a persona's collected articles live."""
    return data_path / "news" / persona_id / "news.db"


class NewsStore:
    """Collected articles; every call is a transaction of its own and blocks.

    Args:
        path: the file; it is created with its folder when something is written or read first.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def articles(self) -> list[Article]:
        """All articles that have not expired, by key."""
        if not self.path.exists():
            return []
        with self._open() as db:
            rows = db.execute(f"SELECT {_COLUMNS} FROM article WHERE NOT expired ORDER BY key").fetchall()
        return [_article(row) for row in rows]

    def article(self, key: str) -> Article | None:
        """One article; None when there is none or only its shell is left."""
        with self._open() as db:
            row = db.execute(
                f"SELECT {_COLUMNS} FROM article WHERE key = ? AND NOT expired",
                (key,),
            ).fetchone()
        return _article(row) if row else None

    def find(self, names: Iterable[str]) -> str | None:
        """Key of the first name that leads to a stored article, or to what is left of one."""
        with self._open() as db:
            for name in names:
                row = db.execute(
                    "SELECT key FROM article WHERE key = ?"
                    " UNION ALL SELECT a.key FROM alias a JOIN article USING (key) WHERE name = ?",
                    (name, name),
                ).fetchone()
                if row:
                    return str(row[0])
        return None

    def seen(self, source: str) -> dict[str, Seen]:
        """Entries of a source that were read before, by name."""
        with self._open() as db:
            rows = db.execute("SELECT name, digest, key FROM entry WHERE feed = ?", (source,)).fetchall()
        return {name: Seen(digest, key) for name, digest, key in rows}

    def validators(self, source: str, policy: str) -> Validators | None:
        """What the source's last answer can be asked for again with; only under the same settings."""
        with self._open() as db:
            row = db.execute(
                "SELECT url, etag, last_modified FROM validator WHERE source = ? AND policy = ?",
                (source, policy),
            ).fetchone()
        return Validators(*row) if row else None

    def young_pages(self, since: datetime) -> list[PageSeen]:
        """Pages of articles that were published, or found where that is not known, since then."""
        with self._open() as db:
            rows = db.execute(
                "SELECT p.key, p.asked, p.url, p.etag, p.last_modified FROM page p JOIN article USING (key)"
                " WHERE NOT expired AND coalesce(published_at, seen_at) >= ? ORDER BY p.key",
                (since.isoformat(),),
            ).fetchall()
        return [PageSeen(key, asked, Validators(*rest)) for key, asked, *rest in rows]

    def correct(self, seen: PageSeen, article: Article | None) -> None:
        """Note that a page was asked again, with the article when it was corrected."""
        with self._open() as db:
            if article is not None:
                published = article.published_at.isoformat() if article.published_at else None
                db.execute(
                    "UPDATE article SET text = ?, published_at = ? WHERE key = ?",
                    (article.text, published, article.key),
                )
            self._put_page(db, seen)

    def write(self, harvest: Harvest, policy: str, now: datetime) -> None:
        """Store what a source brought, all or nothing."""
        at = now.isoformat()
        with self._open() as db:
            for found in harvest.findings:
                self._put(db, found, page=harvest.page, at=at)
                db.execute(
                    "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?)",
                    (harvest.source, found.name, found.digest, found.article.key, at),
                )
            db.executemany(
                "UPDATE entry SET listed_at = ? WHERE feed = ? AND name = ?",
                [(at, harvest.source, name) for name in harvest.listed],
            )
            db.execute("DELETE FROM validator WHERE source = ?", (harvest.source,))
            v = harvest.validators
            if v is not None and (v.etag or v.last_modified):
                db.execute(
                    "INSERT INTO validator VALUES (?, ?, ?, ?, ?)",
                    (harvest.source, policy, v.url, v.etag, v.last_modified),
                )

    def unchanged(self, source: str, now: datetime) -> None:
        """The source answered that nothing changed: all its entries are still listed."""
        with self._open() as db:
            newest = db.execute("SELECT max(listed_at) FROM entry WHERE feed = ?", (source,)).fetchone()[0]
            db.execute(
                "UPDATE entry SET listed_at = ? WHERE feed = ? AND listed_at = ?",
                (now.isoformat(), source, newest),
            )

    def expire(self, now: datetime, max_age_days: float, pages: Sequence[str]) -> int:
        """Forget what is too old, by publication date, or by when it was found where it has none.

        A shell stays for as long as a source lists it, so that it is not taken for new. Pages of
        the settings stay, and go when they are no longer named there.

        Args:
            now: the time of the run.
            max_age_days: 0 keeps everything.
            pages: sources that are pages of the settings.

        Returns:
            how many articles expired.
        """
        with self._open() as db:
            marks = ",".join("?" * len(pages))
            gone = db.execute(
                "DELETE FROM article WHERE page AND key NOT IN"
                f" (SELECT key FROM entry WHERE feed IN ({marks}))",
                tuple(pages),
            ).rowcount
            if max_age_days > 0:
                limit = (now - timedelta(days=max_age_days)).isoformat()
                gone += db.execute(
                    "UPDATE article SET expired = 1, text = '' WHERE NOT page AND NOT expired"
                    " AND coalesce(published_at, seen_at) < ?",
                    (limit,),
                ).rowcount
                db.execute("DELETE FROM entry WHERE listed_at < ?", (limit,))
                db.execute("DELETE FROM article WHERE expired AND key NOT IN (SELECT key FROM entry)")
            # What is left of an article that is gone would pass for "read before".
            db.execute("DELETE FROM alias WHERE key NOT IN (SELECT key FROM article)")
            db.execute("DELETE FROM entry WHERE key NOT IN (SELECT key FROM article)")
            db.execute("DELETE FROM page WHERE key NOT IN (SELECT key FROM article WHERE NOT expired)")
            db.execute("DELETE FROM validator WHERE source NOT IN (SELECT feed FROM entry)")
        return gone

    # --- inside a transaction --------------------------------------------------------------

    def _put(self, db: sqlite3.Connection, found: Finding, *, page: bool, at: str) -> None:
        a = found.article
        published = a.published_at.isoformat() if a.published_at else None
        # An update that lost its date keeps the known one; when it was first found stays too.
        db.execute(
            "INSERT INTO article VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
            " url = excluded.url, title = excluded.title, text = excluded.text, source = excluded.source,"
            " published_at = coalesce(excluded.published_at, published_at), page = excluded.page,"
            " expired = excluded.expired",
            (
                a.key,
                a.url,
                a.title,
                "" if found.expired else a.text,
                published,
                a.source,
                int(page),
                at,
                int(found.expired),
            ),
        )
        db.executemany(
            "INSERT OR REPLACE INTO alias VALUES (?, ?)",
            [(name, a.key) for name in found.aliases if name and name != a.key],
        )
        if found.page is not None:
            self._put_page(db, found.page)

    def _put_page(self, db: sqlite3.Connection, seen: PageSeen) -> None:
        v = seen.validators
        row = (seen.key, seen.asked, v.url, v.etag, v.last_modified)
        db.execute("INSERT OR REPLACE INTO page VALUES (?, ?, ?, ?, ?)", row)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection with one transaction; what SQLite raises becomes StorageError here."""
        db: sqlite3.Connection | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(self.path, timeout=LOCK_WAIT_S, isolation_level=None)
            _use_wal(db)
            db.execute("PRAGMA synchronous = NORMAL")
            if db.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
                db.executescript(_TABLES)
                db.execute(f"PRAGMA user_version = {SCHEMA}")
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        except (sqlite3.Error, OSError) as exc:
            raise StorageError(
                f"{self.path} cannot be read or written ({exc}); check the disk and its rights, or delete "
                "the file: its news will be collected again."
            ) from exc
        finally:
            if db is not None:
                db.close()  # an open transaction is rolled back


def _article(row: Sequence[str]) -> Article:
    key, url, title, text, published, source = row
    return Article(key, url, title, text, datetime.fromisoformat(published) if published else None, source)


def _use_wal(db: sqlite3.Connection) -> None:
    """Turn the write-ahead log on. Against another's first opening SQLite gives up at once, so this waits."""
    until = time.monotonic() + LOCK_WAIT_S
    while db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as exc:
            if "locked" not in str(exc) or time.monotonic() > until:
                raise
            time.sleep(0.01)
