"""Fetching from servers that are slow, wrong or hostile."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from email.utils import format_datetime

import pytest
from feed_server import FeedServer, settings

from engine.types import utc_now
from ingest import addresses
from ingest.addresses import is_public
from ingest.fetch import FEED_TYPES, PAGE_TYPES, Fetcher, shown
from ingest.fetch_errors import (
    AddressRefused,
    BadRedirect,
    FetchError,
    HttpStatus,
    TooLarge,
    TooSlow,
    Unreachable,
    WrongType,
)


@pytest.fixture
async def server() -> AsyncIterator[FeedServer]:
    async with FeedServer() as running:
        yield running


def fetcher(**changes: object) -> Fetcher:
    return Fetcher(settings(**changes), backoff_s=0.01)


async def test_get_of_document_names_the_project_and_returns_it(server: FeedServer) -> None:
    server.put("/feed", "<rss/>", etag='"a"')
    async with fetcher() as fetch:
        got = await fetch.get(server.url("/feed"), FEED_TYPES)
    assert (got.status, got.body, got.validators.etag) == (200, b"<rss/>", '"a"')
    assert server.headers[0]["User-Agent"].startswith("understudy/")


async def test_get_with_validators_of_unchanged_document_is_304(server: FeedServer) -> None:
    server.put("/feed", "<rss/>", etag='"a"')
    async with fetcher() as fetch:
        first = await fetch.get(server.url("/feed"), FEED_TYPES)
        again = await fetch.get(server.url("/feed"), FEED_TYPES, validators=first.validators)
        server.put("/feed", "<rss>new</rss>", etag='"b"')
        changed = await fetch.get(server.url("/feed"), FEED_TYPES, validators=first.validators)
    assert again.unchanged and again.body == b""
    assert not changed.unchanged and changed.body == b"<rss>new</rss>"


async def test_get_of_redirect_that_moved_asks_the_new_target_unconditionally(server: FeedServer) -> None:
    server.put("/one", "<rss/>", etag='"a"')
    server.put("/two", "<rss>2</rss>", etag='"a"')  # another document that happens to share the tag
    server.redirect("/feed", "/one")
    async with fetcher() as fetch:
        first = await fetch.get(server.url("/feed"), FEED_TYPES)
        server.redirect("/feed", "/two")
        second = await fetch.get(server.url("/feed"), FEED_TYPES, validators=first.validators)
    assert first.url == server.url("/one")
    assert second.body == b"<rss>2</rss>"


async def test_get_of_missing_document_fails_for_good_without_retry(server: FeedServer) -> None:
    async with fetcher() as fetch:
        with pytest.raises(HttpStatus, match="HTTP 404") as caught:
            await fetch.get(server.url("/none"), FEED_TYPES)
    assert caught.value.lasting
    assert server.hits == ["/none"]


async def test_get_of_server_that_recovers_tries_again(server: FeedServer) -> None:
    server.status("/feed", 503, 500, then="<rss/>")
    async with fetcher(retries=2) as fetch:
        got = await fetch.get(server.url("/feed"), FEED_TYPES)
    assert got.body == b"<rss/>"
    assert len(server.hits) == 3


async def test_get_with_retry_after_waits_so_long(server: FeedServer) -> None:
    server.status("/feed", 429, then="<rss/>", headers={"Retry-After": "1"})
    started = time.monotonic()
    async with fetcher() as fetch:
        await fetch.get(server.url("/feed"), FEED_TYPES)
    assert time.monotonic() - started >= 1.0


@pytest.mark.parametrize("wait", ["86400", format_datetime(utc_now().replace(year=utc_now().year + 1))])
async def test_get_with_far_retry_after_gives_up(server: FeedServer, wait: str) -> None:
    server.status("/feed", 503, headers={"Retry-After": wait})
    async with fetcher(retries=3) as fetch:
        with pytest.raises(HttpStatus, match="503") as caught:
            await fetch.get(server.url("/feed"), FEED_TYPES)
    assert not caught.value.lasting
    assert len(server.hits) == 1


@pytest.mark.parametrize("host", ["127.0.0.2", "169.254.169.254", "[::1]", "10.0.0.1"])
async def test_get_of_redirect_to_private_address_is_refused_at_the_hop(
    server: FeedServer, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test's server alone passes for public, as the first hop of a hostile redirect is."""
    monkeypatch.setattr(addresses, "is_public", lambda a: a == "127.0.0.1" or is_public(a))
    server.redirect("/feed", f"http://{host}:{server.base.rsplit(':', 1)[1]}/secret")
    server.put("/secret", "<rss/>")
    async with fetcher(allow_private=False) as fetch:
        with pytest.raises(AddressRefused, match="private address"):
            await fetch.get(server.url("/feed"), FEED_TYPES)
    assert server.hits == ["/feed"]


async def test_get_of_redirect_to_other_scheme_is_refused(server: FeedServer) -> None:
    server.redirect("/feed", "file:///etc/passwd")
    async with fetcher() as fetch:
        with pytest.raises(AddressRefused, match="scheme file"):
            await fetch.get(server.url("/feed"), FEED_TYPES)


async def test_get_of_redirect_loop_ends(server: FeedServer) -> None:
    server.redirect("/a", "/b")
    server.redirect("/b", "/a")
    async with fetcher() as fetch:
        with pytest.raises(BadRedirect, match="more than 5"):
            await fetch.get(server.url("/a"), FEED_TYPES)
    assert len(server.hits) == 6


async def test_get_of_redirect_to_other_host_leaves_the_key_behind(server: FeedServer) -> None:
    other = server.url("/there").replace("127.0.0.1", "localhost")
    server.put("/there", "<rss/>")
    server.redirect("/here", other)
    server.redirect("/same", "/there")
    async with fetcher() as fetch:
        await fetch.get(server.url("/here"), FEED_TYPES, headers={"X-Api-Key": "k"})
        await fetch.get(server.url("/same"), FEED_TYPES, headers={"X-Api-Key": "k"})
    assert [h.get("X-Api-Key") for h in server.headers] == ["k", None, "k", "k"]


async def test_get_of_slow_loris_ends_at_the_total_limit(server: FeedServer) -> None:
    server.drip("/feed", 0.05)
    started = time.monotonic()
    async with fetcher(timeout_s=0.6, retries=3) as fetch:
        with pytest.raises(TooSlow, match="longer than"):
            await fetch.get(server.url("/feed"), FEED_TYPES)
    assert time.monotonic() - started < 3.0
    assert len(server.hits) == 1


async def test_get_of_silent_server_ends_at_the_read_limit(server: FeedServer) -> None:
    server.drip("/feed", 30.0)
    async with fetcher(read_timeout_s=0.3) as fetch:
        with pytest.raises(TooSlow, match="sent nothing"):
            await fetch.get(server.url("/feed"), FEED_TYPES)


async def test_get_of_endless_body_stops_at_the_limit(server: FeedServer) -> None:
    server.endless("/feed")
    async with fetcher() as fetch:
        with pytest.raises(TooLarge):
            await fetch.get(server.url("/feed"), FEED_TYPES)
    assert server.sent_bytes < 20_000_000  # what socket buffers swallow, far from 2 GB


async def test_get_of_announced_large_body_reads_none_of_it(server: FeedServer) -> None:
    server.put("/feed", b"x" * 300_000)
    async with fetcher() as fetch:
        with pytest.raises(TooLarge, match="200000 bytes"):
            await fetch.get(server.url("/feed"), FEED_TYPES)


async def test_get_of_gzip_bomb_stops_at_the_limit(server: FeedServer) -> None:
    server.packed("/feed", b"\0" * 50_000_000)  # 50 kB on the way
    async with fetcher() as fetch:
        with pytest.raises(TooLarge, match="unpacked"):
            await fetch.get(server.url("/feed"), FEED_TYPES)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_get_of_packed_body_unpacks_it(server: FeedServer, encoding: str) -> None:
    body = b"<rss>" + b"word " * 20_000 + b"</rss>"
    server.packed("/feed", body, encoding)
    async with fetcher() as fetch:
        assert (await fetch.get(server.url("/feed"), FEED_TYPES)).body == body


async def test_get_of_packed_body_cut_short_is_no_whole_answer(server: FeedServer) -> None:
    server.packed("/feed", b"<rss>" + bytes(range(256)) * 40, cut=20)
    async with fetcher() as fetch:
        with pytest.raises(Unreachable, match="compressed"):
            await fetch.get(server.url("/feed"), FEED_TYPES)


async def test_get_of_wrong_content_type_is_refused(server: FeedServer) -> None:
    server.put("/feed", b"\x89PNG", type_="image/png")
    async with fetcher() as fetch:
        with pytest.raises(WrongType, match="image/png"):
            await fetch.get(server.url("/feed"), FEED_TYPES)
        with pytest.raises(WrongType):
            await fetch.get(server.url("/feed"), PAGE_TYPES)


async def test_get_of_closed_port_is_unreachable(server: FeedServer) -> None:
    async with fetcher(retries=0) as fetch:
        with pytest.raises(Unreachable, match="connected"):
            await fetch.get("http://127.0.0.1:9/feed", FEED_TYPES)


async def test_get_of_one_host_keeps_the_pause(server: FeedServer) -> None:
    server.put("/feed", "<rss/>")
    started = time.monotonic()
    async with fetcher(per_host_interval_s=0.2) as fetch:
        for _ in range(3):
            await fetch.get(server.url("/feed"), FEED_TYPES)
    assert time.monotonic() - started >= 0.4


async def test_errors_are_fetch_errors_and_shown_hides_keys() -> None:
    assert issubclass(AddressRefused, FetchError)
    assert shown("https://x.org:8443/feed?key=secret#part") == "https://x.org:8443/feed"
