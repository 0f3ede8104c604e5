"""Which addresses may be visited: the guard against feeds that point into one's own network.

The check happens where the connection is opened, on the very address that is then used, so a name
that resolves differently a moment later gains nothing. This module knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import httpcore

from ingest.fetch_errors import AddressRefused, Unreachable

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, whatever it is wrapped in."""
    try:
        ip: IpAddress = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return False
    return all(one.is_global and not one.is_multicast and not one.is_reserved for one in _unwrap(ip))


def _unwrap(ip: IpAddress) -> Iterable[IpAddress]:
    """The address that traffic really goes to, behind the ways to write IPv4 as IPv6."""
    if isinstance(ip, ipaddress.IPv4Address):
        return [ip]
    if ip in _NAT64:
        return [ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)]
    if ip.ipv4_mapped is not None:
        return [ip.ipv4_mapped]
    if ip.sixtofour is not None:
        return [ip.sixtofour]
    if ip.teredo is not None:
        return [*ip.teredo]
    return [ip]


def check_url(url: str) -> None:
    """Refuse what is no plain web address.

    Raises:
        AddressRefused: another scheme than http or https, no host, or a user name in it.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as exc:
        raise AddressRefused("is no web address", lasting=True) from exc
    if parts.scheme not in ("http", "https"):
        raise AddressRefused(f"scheme {parts.scheme or '(none)'} is not http or https", lasting=True)
    if not host:
        raise AddressRefused("is no web address", lasting=True)
    if parts.username or parts.password:
        raise AddressRefused("carries a user name", lasting=True)


async def resolve(host: str, port: int, *, allow_private: bool = False) -> list[str]:
    """The addresses of a host, in the order to try them.

    Raises:
        AddressRefused: one of them is not public. One is enough: a name that mixes both is a trap.
        Unreachable: the name has none.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise Unreachable("host name cannot be resolved") from exc
    addresses = list(dict.fromkeys(str(row[4][0]) for row in found))
    if not allow_private and not all(is_public(address) for address in addresses):
        raise AddressRefused("private address (set news.allow_private to allow it)", lasting=True)
    return addresses


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to checked addresses only; TLS still checks the host's name."""

    def __init__(self, *, allow_private: bool = False) -> None:
        self._allow_private = allow_private
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is the library's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first checked address that answers."""
        failed: Exception | None = None
        for address in await resolve(host, port, allow_private=self._allow_private):
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failed = exc
        raise failed or Unreachable("host name cannot be resolved")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is the library's
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never: no feed lives in a local socket."""
        raise AddressRefused("local socket", lasting=True)

    async def sleep(self, seconds: float) -> None:
        """Wait between the library's own retries."""
        await asyncio.sleep(seconds)
