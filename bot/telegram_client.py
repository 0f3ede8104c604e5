"""The Bot API client: python-telegram-bot with the token kept out of everything that is printed.

The library builds URLs that contain the token, and httpx logs URLs. So the library is given a
placeholder, and the token is put in its place at the last step before the wire. This module knows
no chats and no conversations.
"""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Any

import httpx
import telegram
from telegram.error import BadRequest, RetryAfter, TelegramError
from telegram.request import BaseRequest, HTTPXRequest, RequestData

from engine.config import TelegramConfig
from engine.errors import InputError
from engine.secrets import Secret

log = logging.getLogger(__name__)

API_URL = "https://api.telegram.org/bot"
FILE_URL = "https://api.telegram.org/file/bot"
PLACEHOLDER = "hidden-token"  # no character that would be quoted in a URL

TIMEOUT_S = 20.0  # reading and writing; generous, because a message that timed out may have arrived
CONNECT_TIMEOUT_S = 10.0


@cache
def _tls() -> ssl.SSLContext:
    """One for all connections: reading the certificates takes longer than all else at start."""
    return httpx.create_ssl_context()


class TokenRequest(HTTPXRequest):
    """The library's own transport, with the token put into the URL on its way out."""

    __slots__ = ("_secret",)

    def __init__(self, token: Secret, connections: int) -> None:
        super().__init__(
            connection_pool_size=connections,
            read_timeout=TIMEOUT_S,
            write_timeout=TIMEOUT_S,
            connect_timeout=CONNECT_TIMEOUT_S,
            pool_timeout=TIMEOUT_S,
            httpx_kwargs={"verify": _tls()},
        )
        self._secret = token

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        write_timeout: Any = BaseRequest.DEFAULT_NONE,
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """See `BaseRequest.do_request`."""
        real = url.replace(PLACEHOLDER, self._secret.reveal(), 1)
        return await super().do_request(
            real, method, request_data, read_timeout, write_timeout, connect_timeout, pool_timeout
        )


class Client(telegram.Bot):
    """The library's client, with updates as they came: one that it cannot read must not stop the rest."""

    __slots__ = ()

    async def raw_updates(
        self, offset: int | None, timeout_s: float, allowed: Sequence[str] = (), limit: int = 100
    ) -> list[Any]:
        """Updates from `offset` on, unparsed; everything before it is forgotten by the server.

        Args:
            offset: None for all that wait.
            timeout_s: how long the server holds the request while there are none.
            allowed: kinds of updates; empty leaves the server's choice.
            limit: most updates at once, 1 to 100.
        """
        data: dict[str, Any] = {"offset": offset, "timeout": round(timeout_s), "limit": limit}
        if allowed:
            data["allowed_updates"] = list(allowed)
        result = await self._post("getUpdates", data, read_timeout=timeout_s + TIMEOUT_S)
        return result if isinstance(result, list) else []


def build_client(config: TelegramConfig, token: Secret) -> Client:
    """A client for Telegram's servers, or for the Bot API server that the settings name."""
    return Client(
        PLACEHOLDER,
        base_url=config.base_url or API_URL,
        base_file_url=config.base_file_url or FILE_URL,
        request=TokenRequest(token, connections=64),
        get_updates_request=TokenRequest(token, connections=1),
    )


class Hush(logging.Filter):
    """Drops what httpx logs of URLs with the token, and what the library logs of messages' text.

    In force between `start` and `stop`.
    """

    PAYLOADS = "telegram.request.BaseRequest"  # logs nothing but answers that are no JSON, whole
    LOGGERS = ("httpx", "telegram.Bot", PAYLOADS)

    def __init__(self, token: Secret) -> None:
        super().__init__()
        self._secret = token

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may be seen."""
        if record.name == self.PAYLOADS:
            return False
        if record.name == "telegram.Bot" and record.levelno < logging.INFO:
            return False  # every request with all its parameters
        return self._secret.reveal() not in record.getMessage()

    def start(self) -> None:
        """Begin to filter."""
        for name in self.LOGGERS:
            logging.getLogger(name).addFilter(self)

    def stop(self) -> None:
        """Filter no longer."""
        for name in self.LOGGERS:
            logging.getLogger(name).removeFilter(self)


async def fetch_text(client: Client, document: telegram.Document) -> str:
    """The text of a document, with its name, in a fence.

    Raises:
        InputError: it could not be fetched, or is no text after all.
    """
    name = document.file_name or "file.txt"
    try:
        file = await client.get_file(document.file_id)
        data = bytes(await file.download_as_bytearray())
    except (TelegramError, OSError, RuntimeError) as exc:
        log.warning("a document could not be fetched: %s", type(exc).__name__)
        raise InputError(f"I could not fetch {name}. Please send it again or paste its text.") from exc
    if b"\0" in data:
        raise InputError(f"{name} is not a text file, so I cannot read it. Please paste what matters.")
    text = data.decode("utf-8-sig", "replace").strip()
    fence = "`" * max(3, 1 + max((len(ticks) for ticks in re.findall("`+", text)), default=0))
    return f"{name}:\n{fence}\n{text}\n{fence}"


def brief(exc: TelegramError) -> str:
    """What went wrong, for a log line; a proxy's error page may be part of the message."""
    return exc.message[:120]


def retry_after_s(exc: RetryAfter) -> float:
    """Seconds that the server asks to wait, at least one."""
    wait = exc._retry_after  # the public property warns about its own future on every use
    return max(1.0, wait.total_seconds() if isinstance(wait, timedelta) else float(wait))


def says(exc: BadRequest, *phrases: str) -> bool:
    """Whether the server's description contains one of the lower-case phrases."""
    description = exc.message.lower()
    return any(phrase in description for phrase in phrases)
