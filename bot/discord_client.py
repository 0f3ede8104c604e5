"""discord.py's client, able to talk to any Discord-compatible server.

The endpoints are this client's own instead of the library's globals, payloads of servers in the
wild are put straight before the library reads them, and one bad event never ends the connection.
This module knows nothing of personas, replies or the relay.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import aiohttp
import discord
import yarl
from discord.http import HTTPClient, Route
from discord.webhook.async_ import AsyncWebhookAdapter

log = logging.getLogger(__name__)
logging.getLogger("discord").setLevel(logging.INFO)  # below that, it logs what people write
discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # no voice here

IDENTIFY_PAUSE_S = 5.0  # Discord wants this long between two sessions
GUILDS_SETTLE_S = 2.0  # after the last guild of a new session the client counts as ready
MAX_CACHED_MESSAGES = 500

_NO_NULL = frozenset(
    (
        *("activity", "application", "attachments", "authorizing_integration_owners", "call", "components"),
        *("context", "embeds", "entitlements", "flags", "guild_id", "guild_locale", "interaction"),
        *("interaction_metadata", "member", "mention_roles", "mentions", "message", "message_reference"),
        *("message_snapshots", "poll", "purchase_notification", "reactions", "role_subscription_data"),
        *("sticker_items", "thread", "webhook_id"),
    )
)
"""Keys that Discord leaves out where other servers send null; the library expects them left out."""


def tidy(payload: Any, *, member: bool = False) -> Any:
    """A payload as Discord itself would have written it.

    Args:
        payload: parsed JSON.
        member: whether this is a guild member, whose roles are ids and not objects.
    """
    if isinstance(payload, list):
        return [tidy(item, member=member) for item in payload]
    if not isinstance(payload, dict):
        return payload
    out = {
        key: tidy(value, member=key in ("member", "members"))
        for key, value in payload.items()
        if value is not None or key not in _NO_NULL
    }
    if member and isinstance(out.get("roles"), list):
        out["roles"] = [role["id"] if isinstance(role, dict) else role for role in out["roles"]]
    return out


class _Http(HTTPClient):
    """REST under a base URL of its own; the gateway too, where one is configured."""

    api_url = ""
    gateway_url = ""

    async def request(self, route: Route, **kwargs: Any) -> Any:
        """As the library does it, at this client's address and with a tidy answer."""
        return tidy(await super().request(_moved(route, self.api_url), **kwargs))

    async def ws_connect(self, url: str, *, compress: int = 0) -> aiohttp.ClientWebSocketResponse:
        """Connect to the gateway; READY may name another host, the configured one wins."""
        if self.gateway_url:
            url = str(yarl.URL(self.gateway_url).with_query(yarl.URL(url).query))
        return await super().ws_connect(url, compress=compress)


class Webhooks(AsyncWebhookAdapter):
    """The library's path for interaction answers, under the same base URL.

    The library looks it up in the context variable `discord.webhook.async_.async_context`; set it
    in the task that runs the client.
    """

    def __init__(self, api_url: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._api_url = api_url

    async def request(self, route: Route, session: aiohttp.ClientSession, **kwargs: Any) -> Any:
        """As the library does it, at this client's address and with a tidy answer."""
        return tidy(await super().request(_moved(route, self._api_url), session, **kwargs))


def _moved(route: Route, api_url: str) -> Route:
    if api_url:
        route.url = api_url.rstrip("/") + route.url.removeprefix(Route.BASE)
    return route


class UnderstudyClient(discord.Client):
    """A client that hands messages and readiness on and survives what comes over the wire.

    Args:
        api_url: REST base such as http://host/api/v10; empty for Discord.
        gateway_url: such as ws://host/; empty for Discord.
        on_text: called with every message created.
        on_up: called when a new session is ready: what came since the last one was missed.
        on_down: called when the connection was lost.
        on_back: called when the session was resumed: nothing was missed.
        on_reaction: called with every reaction added or removed.
    """

    def __init__(
        self,
        api_url: str,
        gateway_url: str,
        on_text: Callable[[discord.Message], None],
        on_up: Callable[[], None],
        on_down: Callable[[], None],
        on_back: Callable[[], None],
        on_reaction: Callable[[discord.RawReactionActionEvent], None],
    ) -> None:
        self._api_url, self._gateway_url = api_url, gateway_url
        self._on_text, self._on_up, self._on_down, self._on_back = on_text, on_up, on_down, on_back
        self._on_reaction = on_reaction
        intents = discord.Intents(
            guilds=True, messages=True, message_content=True, reactions=True
        )  # all but the content unprivileged
        super().__init__(
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=MAX_CACHED_MESSAGES,
            guild_ready_timeout=GUILDS_SETTLE_S,
        )

    def _get_state(self, **options: Any) -> Any:
        """The library's hook for another state; here it gets our HTTP client and guarded parsers."""
        self.http = _Http(self.loop)
        self.http.api_url, self.http.gateway_url = self._api_url, self._gateway_url
        state: Any = super()._get_state(**options)
        state.parsers = {event: _guarded(event, parse) for event, parse in state.parsers.items()}
        return state

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Discord's pause between two sessions."""
        if not initial:
            await asyncio.sleep(IDENTIFY_PAUSE_S)

    async def on_ready(self) -> None:
        """A new session is ready."""
        self._on_up()

    async def on_disconnect(self) -> None:
        """The connection was lost."""
        self._on_down()

    async def on_resumed(self) -> None:
        """The old session goes on."""
        self._on_back()

    async def on_message(self, message: discord.Message) -> None:
        """A message was created (edits arrive elsewhere and are not answered again)."""
        self._on_text(message)

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        """Somebody reacted, to whatever message."""
        self._on_reaction(event)

    async def on_raw_reaction_remove(self, event: discord.RawReactionActionEvent) -> None:
        """Somebody took a reaction back."""
        self._on_reaction(event)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """One failing event is logged and ends nothing."""
        log.exception("discord: %s failed", event_method)


def _guarded(event: str, parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A parser that logs what it cannot read instead of ending the connection."""

    def read(data: Any) -> None:
        try:
            data = tidy(data)
            if event == "INTERACTION_CREATE":
                data.setdefault("attachment_size_limit", 0)  # younger than most compatible servers
            if event.startswith("MESSAGE_REACTION_"):
                data.setdefault("type", 0)  # so is this
            parse(data)
        except Exception:
            log.exception("discord: a %s event could not be read", event)

    return read
