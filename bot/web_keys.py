"""Bearer keys: who may call what is not for everybody."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from fastapi import Request

from bot.web_errors import Problem


class Keys:
    """The keys of `[web] api_keys`.

    Args:
        keys: any of them opens.
        required: whether the routes stay shut when there is no key at all.
    """

    def __init__(self, keys: Sequence[str], *, required: bool = False) -> None:
        self._keys = tuple(key.encode() for key in keys)
        self._required = required

    async def authorize(self, request: Request) -> None:
        """Let a request pass that carries a key. Raises Problem."""
        if not self._keys:
            if self._required:
                raise Problem(
                    403, "This is shut until the operator sets a key: api_keys under [web] in config.toml."
                )
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        # Every key is compared, so that the time taken tells nothing about which one was close.
        known = [hmac.compare_digest(given.strip().encode(), key) for key in self._keys]
        if scheme.lower() != "bearer" or not any(known):
            raise Problem(
                401,
                "The API key is missing or wrong; send Authorization: Bearer KEY with a key of this server.",
                "invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )
