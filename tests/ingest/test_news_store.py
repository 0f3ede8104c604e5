"""The news file is opened for the first time by many at once without anybody being turned away."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ingest.news_store import NewsStore

WORKERS, ROUNDS = 12, 15


def test_first_opening_by_many_at_once_locks_nobody_out(tmp_path: Path) -> None:
    for number in range(ROUNDS):
        path = tmp_path / f"{number}.db"
        together = threading.Barrier(WORKERS)

        def first(_: int, path: Path = path, together: threading.Barrier = together) -> int:
            together.wait()
            return len(list(NewsStore(path).articles()))

        with ThreadPoolExecutor(WORKERS) as pool:
            assert list(pool.map(first, range(WORKERS))) == [0] * WORKERS
