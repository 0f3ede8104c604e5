"""Opening the news file for the first time waits for whoever opens it too, instead of giving up."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from ingest.news_store import NewsStore

HELD_S = 0.4


def test_first_opening_waits_for_another_that_reads_and_writes(tmp_path: Path) -> None:
    path = tmp_path / "news.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE t (x)")
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO t VALUES (1)")

    def release() -> None:
        other.execute("COMMIT")
        other.close()

    timer = threading.Timer(HELD_S, release)
    timer.start()
    try:
        assert NewsStore(path).articles() == []
    finally:
        timer.join()
