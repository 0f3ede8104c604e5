"""The guard against addresses of one's own network."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest
from feed_server import FeedServer, settings

from ingest.addresses import check_url, is_public, resolve
from ingest.fetch import FEED_TYPES, Fetcher
from ingest.fetch_errors import AddressRefused, Unreachable


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "no address",
    ],
)
def test_is_public_of_inner_address_is_false(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_is_public_of_outer_address_is_true(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://example.org/", "gopher://x/", "http://", "http://a:b@x/", "http://[x/"],
)
def test_check_url_of_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url)


async def test_resolve_of_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def both(*_: object, **__: object) -> list[object]:
        return [(2, 1, 6, "", ("93.184.216.34", 80)), (2, 1, 6, "", ("10.0.0.1", 80))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
    with pytest.raises(AddressRefused, match="private"):
        await resolve("mixed.example", 80)
    assert await resolve("mixed.example", 80, allow_private=True) == ["93.184.216.34", "10.0.0.1"]


async def test_fetch_of_name_that_rebinds_connects_to_the_checked_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only one look-up is made, and the connection goes to what it said."""
    async with FeedServer() as server:
        server.put("/feed", "<rss/>")
        port = int(server.base.rsplit(":", 1)[1])
        asked: list[str] = []

        async def lookup(host: str, *_: object, **__: object) -> list[object]:
            asked.append(host)
            # A later look-up of the name, by whoever, would lead elsewhere.
            return [(2, 1, 6, "", ("127.0.0.1" if len(asked) == 1 else "192.0.2.1", port))]

        loop = asyncio.get_running_loop()
        real = loop.getaddrinfo

        async def route(host: str, *args: object, **more: object) -> list[object]:
            name = host.decode() if isinstance(host, bytes) else host
            return await (lookup(name) if name == "rebind.example" else real(host, *args, **more))

        monkeypatch.setattr(loop, "getaddrinfo", route)
        async with Fetcher(settings()) as fetcher:
            got = await fetcher.get(f"http://rebind.example:{port}/feed", FEED_TYPES)
    assert got.body == b"<rss/>"
    assert asked == ["rebind.example"]
    assert server.headers[0]["Host"] == f"rebind.example:{port}"


async def test_fetch_of_loopback_without_leave_makes_no_connection() -> None:
    async with FeedServer() as server:
        server.put("/feed", "<rss/>")
        async with Fetcher(settings(allow_private=False)) as fetcher:
            for host in ("127.0.0.1", "localhost", "0x7f000001", "2130706433"):
                url = server.url("/feed").replace("127.0.0.1", host)
                with pytest.raises((AddressRefused, Unreachable)):
                    await fetcher.get(url, FEED_TYPES)
    assert server.hits == []


async def test_fetch_of_unknown_name_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(-2, "unknown")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", none)
    async with Fetcher(settings(retries=0)) as fetcher:
        with pytest.raises(Unreachable, match="resolved"):
            await fetcher.get("http://nowhere.example/", FEED_TYPES)


def test_guard_of_the_fetcher_is_below_httpx() -> None:
    """The guard sits in a private place of httpx; if that moves, this must fail loudly."""
    assert hasattr(httpx.AsyncHTTPTransport(), "_pool")
