"""`ingest web` over a real server: what it obeys, what it refuses, and where a stopped run goes on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from feed_server import FeedServer, page, story

from bot.cli import main
from ingest.extract import Extract
from ingest.page_store import PageStore


@pytest.fixture
async def server() -> AsyncIterator[FeedServer]:
    async with FeedServer() as running:
        for name in ("ferry", "mill", "bridge"):
            html = page(name.title(), story(name), date="2026-11-01T08:00:00+00:00")
            running.put_page(f"/{name}", html)
        yield running


class Place:
    """A folder with a config.toml whose limits suit the test."""

    def __init__(self, folder: Path, **news: object) -> None:
        self.folder = folder
        quick = {"allow_private": True, "per_host_interval_s": 0.0, "retries": 0, "max_bytes": 50_000}
        lines = [f"{key} = {json.dumps(value)}" for key, value in (quick | news).items()]
        (folder / "config.toml").write_text("\n".join(["[news]", *lines]))

    async def run(self, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
        """The command's exit status and the pairs that it wrote."""
        out = self.folder / "pairs.jsonl"
        head = ["--config", str(self.folder / "config.toml"), "ingest", "web"]
        status = await asyncio.to_thread(main, [*head, *arguments, "--pairs", str(out), "--json"])
        rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()] if out.is_file() else []
        return status, rows


async def ledger(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    stage: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])["ledger"][0]
    assert stage["in"] == stage["out"] + sum(stage["dropped"].values())
    return stage


async def test_web_command_reads_what_it_may_and_counts_the_rest(
    server: FeedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.robots = "User-agent: *\nDisallow: /private\n"
    server.put_page("/private/diary", page("Diary", story("diary")))
    server.redirect("/door", "/private/diary")
    server.redirect("/old-ferry", "/ferry")
    server.put("/film", b"\x00\x01" * 50, type_="video/mp4")
    server.put_page("/huge", page("Huge", story("huge", 4000)))
    server.endless("/endless")
    server.status("/broken", 500)
    paths = "ferry private/diary door gone film huge endless broken mill mill#top".split()
    status, rows = await Place(tmp_path).run(*(server.url(f"/{path}") for path in paths))
    stage = await ledger(capsys)
    assert status == 0 and {row["source"] for row in rows} == {"ferry", "mill"}
    assert stage["out"] == 2 and stage["dropped"] == {
        "robots.txt forbids it": 2,
        "HTTP 404": 1,
        "content type video/mp4": 1,
        "larger than 50000 bytes": 1,
        "content type application/rss+xml": 1,
        "HTTP 500": 1,
        "same page again": 1,
    }
    assert "/private/diary" not in server.hits


async def test_web_command_endless_page_is_cut_off_at_the_limit(
    server: FeedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        while True:
            await response.write(b"<p>more</p>" * 1000)
            server.sent_bytes += 11_000

    server._routes["/endless"] = endless
    status, rows = await Place(tmp_path).run(server.url("/endless"))
    assert (status, rows) == (1, [])
    assert (await ledger(capsys))["dropped"] == {"larger than 50000 bytes": 1}
    assert server.sent_bytes < 20_000_000


@pytest.mark.parametrize(
    ("robots", "interval_s", "pause_s"), [(None, 0.3, 0.28), ("User-agent: *\nCrawl-delay: 1\n", 0.0, 0.97)]
)
async def test_web_command_keeps_the_hosts_pace(
    server: FeedServer, tmp_path: Path, robots: str | None, interval_s: float, pause_s: float
) -> None:
    times: list[float] = []
    for name in ("ferry", "mill", "bridge"):
        before = server._routes[f"/{name}"]

        async def timed(request: web.Request, before: Any = before) -> web.StreamResponse:
            times.append(time.monotonic())
            answer: web.StreamResponse = await before(request)
            return answer

        server._routes[f"/{name}"] = timed
    server.robots = robots
    status, _ = await Place(tmp_path, per_host_interval_s=interval_s).run(
        *(server.url(f"/{name}") for name in ("ferry", "mill", "bridge"))
    )
    assert status == 0 and len(times) == 3
    times.sort()
    assert all(later - earlier >= pause_s for earlier, later in pairwise(times))


async def test_web_command_stopped_run_goes_on_where_it_was(
    server: FeedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, state = Place(tmp_path), tmp_path / "pages.jsonl"
    urls = [server.url(f"/{name}") for name in ("ferry", "mill", "bridge")]
    assert (await place.run(urls[0], "--state", str(state)))[0] == 0
    with state.open("a", encoding="utf-8") as file:
        file.write('{"key": "http://torn')  # killed in the middle of a line
    status, rows = await place.run(*urls, "--state", str(state))
    assert status == 0 and {row["source"] for row in rows} == {"ferry", "mill", "bridge"}
    assert sorted(server.hits) == ["/bridge", "/ferry", "/mill"]
    capsys.readouterr()
    status, again = await place.run(*urls, "--state", str(state))
    assert again == rows and len(server.hits) == 3
    assert (await ledger(capsys))["out"] == 3
    server.put_page("/ferry", page("Ferry", story("steamer")))
    _, anew = await place.run(*urls, "--state", str(state), "--again")
    assert len(server.hits) == 6 and "steamer" in str(anew) and "steamer" not in str(rows)
    assert "steamer" in str((await place.run(*urls, "--state", str(state)))[1]) and len(server.hits) == 6


async def test_web_command_what_failed_is_tried_again(server: FeedServer, tmp_path: Path) -> None:
    place, url = Place(tmp_path), server.url("/late")
    server.status("/late", 503)
    assert (await place.run(url))[0] == 1
    server.put_page("/late", page("Late", story("late")))
    assert (await place.run(url))[0] == 0
    assert (tmp_path / "data" / "web_pages.jsonl").is_file()


def test_page_store_keeps_dates_and_skips_what_it_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / "pages.jsonl"
    path.write_text('{"key": "x"}\nnot json\n{"key": "torn', "utf-8")
    store = PageStore(path)
    kept = Extract("u", "Title", 'Two\n\n"paragraphs" 😀', datetime(2026, 1, 2, tzinfo=UTC), "u", "s")
    store.add("u", kept)
    assert store.get("u") == kept and PageStore(path).get("u") == kept
    assert PageStore(path).get("x") is None and PageStore(path, again=True).get("u") is None
