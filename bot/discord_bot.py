"""The Discord adapter: logging in, registering commands, and a connection that comes back by itself.

What is answered is `bot.discord_listener`'s business, how a command is answered
`bot.discord_commands`'s, and how a reply gets into a channel `bot.delivery`'s.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Coroutine
from typing import Any

import discord
from discord.webhook.async_ import async_context

from bot.discord_client import UnderstudyClient, Webhooks
from bot.discord_commands import Interaction, Tree, answer, build_tree
from bot.discord_listener import INTENT, PASSING, Listener, discord_footer
from bot.thumbs import discord_ballot
from bot.types import RelayLike
from engine.config import DiscordConfig, LimitsConfig
from engine.errors import ConfigError
from engine.secrets import Secret

log = logging.getLogger(__name__)

BAD_TOKEN = (
    "Discord does not accept the token in DISCORD_TOKEN; copy it anew from "
    "https://discord.com/developers/applications, Bot, Reset Token (docs/discord.md)."
)
PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    read_message_history=True,
    embed_links=True,
)
LOGIN_TIMEOUT_S = 60.0
FIRST_WAIT_S = 1.0  # before connecting anew; doubles
MAX_WAIT_S = 60.0
AUTHENTICATION_FAILED = 4004  # the gateway's close code


class DiscordBot:
    """Answers on Discord, or on a server that speaks its protocol.

    Args:
        config: the [discord] section.
        token: the bot's token.
        relay: answers messages and runs commands.
        persona_name: shown in the descriptions of commands.
        limits: its `bot_loop_replies` ends conversations among bots.
    """

    def __init__(
        self,
        config: DiscordConfig,
        token: Secret,
        relay: RelayLike,
        persona_name: str,
        limits: LimitsConfig | None = None,
    ) -> None:
        self.ready = asyncio.Event()
        """Set when the first session is up."""
        self._config = config
        self._token = token
        self._relay = relay
        self._persona_name = persona_name
        self._client: UnderstudyClient | None = None
        self._tree: Tree | None = None
        self._application_id = 0
        self._webhooks = Webhooks(config.api_url)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = asyncio.Event()
        self._counting = asyncio.Lock()  # thumbs count in the order in which they came
        bot_replies = (limits or LimitsConfig()).bot_loop_replies
        self._listener = Listener(config, relay, bot_replies, lambda: self._client, self._spawn)

    async def start(self) -> None:
        """Log in; when Discord cannot be reached, `run` goes on trying.

        Raises:
            ConfigError: the token is wrong.
        """
        await self._log_in()

    async def run(self) -> None:
        """Stay connected until `close`.

        Raises:
            ConfigError: the token or the intents are wrong, so that trying again is no use.
        """
        async_context.set(self._webhooks)
        loop, wait_s = asyncio.get_running_loop(), FIRST_WAIT_S
        while not self._closed.is_set():
            began_s = loop.time()
            try:
                await self._connect()
            except discord.PrivilegedIntentsRequired as exc:
                log.error(INTENT)
                raise ConfigError(INTENT) from exc
            except discord.ConnectionClosed as exc:
                if exc.code == AUTHENTICATION_FAILED:
                    raise ConfigError(BAD_TOKEN) from exc
                log.warning("discord: the gateway closed the connection with %s", exc.code)
            except ConfigError:
                raise
            except Exception:  # whatever the library did not foresee: a fresh client helps
                log.exception("discord: the connection failed")
            finally:
                await self._drop_client()
            if loop.time() - began_s > MAX_WAIT_S:  # it had held
                wait_s = FIRST_WAIT_S
            await _set_within(self._closed, wait_s)
            wait_s = min(MAX_WAIT_S, wait_s * 2)

    async def close(self) -> None:
        """Stop; replies that are being written stay pending and are finished after the next start."""
        self._closed.set()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._drop_client()

    @property
    def invite_url(self) -> str:
        """Where the owner of a server lets the bot in; empty before the first login."""
        if not self._application_id:
            return ""
        return discord.utils.oauth_url(
            self._application_id, permissions=PERMISSIONS, scopes=("bot", "applications.commands")
        )

    def status(self) -> dict[str, Any]:
        """For /healthz: whether it is connected, the heartbeat's milliseconds and how many servers."""
        client = self._client
        ws = client.ws if client is not None else None
        connected = client is not None and ws is not None and ws.open and client.is_ready()
        latency_s = client.latency if client is not None and connected else math.nan
        return {
            "connected": connected,
            "latency_ms": round(latency_s * 1000, 1) if math.isfinite(latency_s) else None,
            "guilds": len(client.guilds) if client is not None else 0,
        }

    # --- the connection --------------------------------------------------------------------

    async def _connect(self) -> None:
        """Hold a connection until it ends for good; the library resumes short breaks by itself."""
        if self._client is None:
            await self._log_in()
        if self._client is not None:
            await self._listener.prepare()
            self._spawn(self._sync_commands())
            await self._client.connect()

    async def _log_in(self) -> None:
        listener = self._listener
        client = UnderstudyClient(
            self._config.api_url,
            self._config.gateway_url,
            on_text=lambda message: self._spawn(listener.on_message(message)),
            on_up=self._on_up,
            on_down=lambda: self._spawn(listener.note_seen()),
            on_back=listener.forget_seen,
            on_reaction=lambda event: self._spawn(self._count(event)),
        )
        try:
            async with asyncio.timeout(LOGIN_TIMEOUT_S):
                await client.login(self._token.reveal())
        except discord.LoginFailure as exc:
            await client.close()
            raise ConfigError(BAD_TOKEN) from exc
        except Exception as exc:  # no network, or an answer that the library cannot read
            await client.close()
            log.warning("discord: cannot log in (%s: %s), trying again", type(exc).__name__, exc)
            return
        self._client = client
        self._application_id = client.application_id or 0
        self._tree = build_tree(client, self._on_command, self._persona_name)

    async def _drop_client(self) -> None:
        client, self._client, self._tree = self._client, None, None
        if client is not None:
            try:
                await client.close()
            except PASSING as exc:
                log.debug("discord: while closing: %s", type(exc).__name__)

    async def _sync_commands(self) -> None:
        """Tell Discord the commands; the bot works without, so a failure is only logged."""
        tree = self._tree
        if tree is None:
            return
        guild = discord.Object(self._config.test_guild) if self._config.test_guild else None
        try:
            if guild is not None:
                tree.copy_global_to(guild=guild)
            await tree.sync(guild=guild)
        except (discord.DiscordException, KeyError, ValueError, *PASSING) as exc:
            log.warning("discord: the slash commands could not be registered: %s", exc)

    def _on_up(self) -> None:
        log.info("discord: connected to %d servers", self.status()["guilds"])
        self.ready.set()
        self._spawn(self._listener.recover())

    async def _on_command(self, interaction: Interaction, name: str, args: str) -> None:
        fallback = self._listener.channel(interaction.channel_id or 0, interaction.id, refer=False)
        self._spawn(answer(interaction, name, args, self._relay, fallback, discord_footer))

    async def _count(self, event: discord.RawReactionActionEvent) -> None:
        """A reaction that is a thumb for a reply of ours is a vote."""
        me = self._client.user if self._client is not None else None
        ballot = discord_ballot(event, me.id) if me is not None else None
        if ballot is not None:
            async with self._counting:
                await self._relay.rate(ballot)

    # --- tasks -----------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside the gateway; its errors are logged and end nothing else."""
        if self._closed.is_set():
            work.close()
            return
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("discord: an event failed", exc_info=task.exception())


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
