"""JSON from a web service, with limits on time and size, and errors that may be told to a user."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import httpx

from engine.errors import ToolError

log = logging.getLogger(__name__)
MAX_BYTES = 1_000_000


class JsonService:
    """One service's client.

    Args:
        who: how the service is called in errors, such as "the weather service".
        timeout_s: to connect, and for each read.
    """

    def __init__(self, who: str, timeout_s: float) -> None:
        self._who = who
        self._client = httpx.AsyncClient(
            timeout=timeout_s, follow_redirects=False, headers={"User-Agent": "understudy"}
        )

    async def get(self, url: str, params: Mapping[str, str | float | int]) -> Any:
        """The JSON at `url`.

        Raises:
            ToolError: no answer, another status than 200, too much of it, or no JSON. Neither the
                error nor the log holds the parameters, of which one may be a key.
        """
        try:
            async with self._client.stream("GET", url, params=dict(params)) as answer:
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > MAX_BYTES:
                        raise ToolError(f"{self._who} sent too much")
                status = answer.status_code
        except httpx.TimeoutException as exc:
            raise ToolError(f"{self._who} did not answer in time") from exc
        except httpx.HTTPError as exc:
            log.warning("%s cannot be reached: %s", url, type(exc).__name__)
            raise ToolError(f"{self._who} cannot be reached") from None  # its text may hold the address
        if status != 200:
            log.warning("%s answered %d", url, status)
            raise ToolError(f"{self._who} {_reason(status)}")
        try:
            return json.loads(body)
        except ValueError as exc:
            raise ToolError(f"{self._who} is out of order") from exc

    async def close(self) -> None:
        """Drop the connections. Idempotent."""
        await self._client.aclose()


def _reason(status: int) -> str:
    if status in (401, 403):
        return "refused the key of this bot"
    return "is too busy" if status == 429 else "is out of order"
