"""Why something could not be fetched or read. Each has a short reason, which is the ledger's row.

FetchError
├── AddressRefused     not http(s), or the address is private, loopback or link-local
├── Unreachable        no such host, no connection, connection lost
├── TooSlow            a read, or the whole answer, took too long
├── TooLarge           more bytes than allowed, as sent or once unpacked
├── HttpStatus         an answer other than 200 or 304
├── BadRedirect        too many, or without a target
├── WrongType          not what was asked for, by content type or by content
└── Disallowed         robots.txt forbids it
"""

from __future__ import annotations

from engine.errors import UnderstudyError


class FetchError(UnderstudyError):
    """A source or a page could not be read.

    Args:
        reason: short and without the address, so that equal failures are counted together.
        lasting: trying again tomorrow will not help.
    """

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lasting = lasting


class AddressRefused(FetchError):
    """The address may not be visited."""


class Unreachable(FetchError):
    """No connection, or it was lost."""


class TooSlow(FetchError):
    """It took too long."""


class TooLarge(FetchError):
    """It is larger than allowed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, lasting=True)


class HttpStatus(FetchError):
    """The server answered with an error."""

    def __init__(self, status: int, *, retry_after_s: float | None = None) -> None:
        super().__init__(f"HTTP {status}", lasting=400 <= status < 500 and status not in (408, 425, 429))
        self.status = status
        self.retry_after_s = retry_after_s


class BadRedirect(FetchError):
    """The chain of redirects leads nowhere."""


class WrongType(FetchError):
    """It is something else than what was asked for."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, lasting=True)


class Disallowed(FetchError):
    """The site asks robots to stay away."""
