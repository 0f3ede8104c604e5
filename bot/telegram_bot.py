"""The Telegram adapter: connecting, fetching, closing.

It decides only what Telegram knows: `bot.telegram_inbox` reads updates, `bot.telegram_answers`
answers them, `bot.telegram_poll` fetches them. Who may talk, what is answered and what is stored is
the relay's.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import Any

import telegram
from telegram.constants import ChatType
from telegram.error import InvalidToken, TelegramError

from bot.commands import COMMANDS
from bot.telegram_answers import Answers
from bot.telegram_client import Client, Hush, brief, build_client
from bot.telegram_inbox import read
from bot.telegram_poll import Backoff, Poller
from bot.thumbs import telegram_ballot
from bot.types import RelayLike
from engine.config import TelegramConfig
from engine.errors import ConfigError, StorageError
from engine.secrets import Secret

log = logging.getLogger(__name__)

BAD_TOKEN = (
    "Telegram refuses the token in TELEGRAM_BOT_TOKEN; copy it again from @BotFather "
    "(/mybots, your bot, API Token) into .env."
)
PRIVACY = (
    "@%s is in privacy mode: in groups Telegram hands it only commands, replies to it and mentions of it. "
    "To let it read every message, send /setprivacy to @BotFather, choose Disable, then remove the bot "
    "from the group and add it again."
)


class TelegramBot:
    """One bot account on Telegram.

    Args:
        config: the section [telegram].
        token: from @BotFather.
        relay: answers messages and runs commands.
        persona_name: for the log.
    """

    def __init__(self, config: TelegramConfig, token: Secret, relay: RelayLike, persona_name: str) -> None:
        self._config = config
        self._token = token
        self._relay = relay
        self._persona_name = persona_name
        self._hush = Hush(token)
        self._client: Client | None = None
        self._answers: Answers | None = None
        self._poller: Poller | None = None
        self._runner: asyncio.Task[None] | None = None
        self._connected = self._resumed = self._privacy_told = self._closed = False
        self.ready = asyncio.Event()
        """Set when the account is known and updates are being fetched."""

    # --- life ------------------------------------------------------------------------------

    async def start(self) -> None:
        """Find out who the bot is. A network that is down is no error: `run` tries again.

        Raises:
            ConfigError: the token is wrong.
        """
        if not re.fullmatch(r"[!-.0-~]+", self._token.reveal()):  # nothing that would break a URL
            raise ConfigError(BAD_TOKEN)
        self._hush.start()
        self._client = build_client(self._config, self._token)
        try:
            await self._connect(self._client)
        except TelegramError as exc:
            log.warning("Telegram cannot be reached yet (%s); trying again.", brief(exc))

    async def run(self) -> None:
        """Fetch and answer until `close`.

        Raises:
            ConfigError: the token turned out to be wrong when Telegram could be reached.
        """
        if self._closed or self._client is None:
            return
        self._runner = asyncio.create_task(self._serve(self._client), name="telegram-poller")
        try:
            await self._runner
        except asyncio.CancelledError:
            if not self._closed:
                raise

    async def close(self) -> None:
        """Stop fetching and answering; what is unfinished is resumed at the next start. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        if self._answers is not None:
            await self._answers.close()
        if self._client is not None:
            if self._poller is not None:
                await self._poller.acknowledge()
            await self._client.shutdown()
        self._hush.stop()
        self.ready.clear()

    def status(self) -> dict[str, Any]:
        """How the adapter is, for /admin status and /healthz."""
        running = self._runner is not None and not self._runner.done()
        state = (self._poller.state if self._poller else "connecting") if running else "stopped"
        status: dict[str, Any] = {"ok": state == "polling", "state": state}
        if self._connected and self._client is not None:
            status["account"] = f"@{self._client.username}"
        if self._answers is not None:
            status["answering"] = len(self._answers)
        if self._poller is not None and self._poller.last_answer_s is not None:
            status["last_poll_s"] = round(time.monotonic() - self._poller.last_answer_s)
        return status

    async def _serve(self, client: Client) -> None:
        """Connect if `start` could not, take up what was left, then poll for ever."""
        backoff = Backoff()
        while not self._connected:
            await asyncio.sleep(backoff.next_s())
            try:
                await self._connect(client)
            except TelegramError as exc:
                log.info("Telegram still cannot be reached: %s", brief(exc))
        self._answers = self._answers or Answers(client, self._relay, self._config.edit_interval_s)
        await self._resume(self._answers)
        self._poller = self._poller or Poller(client, self._take)
        self.ready.set()
        await self._poller.run()

    async def _connect(self, client: Client) -> None:
        try:
            await client.initialize()
        except InvalidToken as exc:
            raise ConfigError(BAD_TOKEN) from exc
        self._connected = True
        log.info("Telegram: @%s answers as %s", client.username, self._persona_name)
        try:
            await client.set_my_commands([telegram.BotCommand(n, what) for n, what in COMMANDS.items()])
        except TelegramError as exc:
            log.warning("the list of commands could not be set: %s", brief(exc))

    async def _resume(self, answers: Answers) -> None:
        """Take up what an earlier process left, once."""
        if self._resumed:
            return
        try:
            answers.resume(await self._relay.pending("telegram"))
            self._resumed = True
        except StorageError:
            log.exception("what was left unanswered cannot be read; it is tried at the next start")

    # --- updates ---------------------------------------------------------------------------

    async def _take(self, update: telegram.Update) -> None:
        """Start answering an update and return when it is stored."""
        if update.my_chat_member:
            member = update.my_chat_member
            log.info("chat %d: the bot is now %s", member.chat.id, member.new_chat_member.status)
        ballot = telegram_ballot(update.message_reaction) if update.message_reaction else None
        if ballot is not None:
            await self._relay.rate(ballot)
        message = update.message
        if message is None or self._client is None or self._answers is None:
            return
        if message.migrate_to_chat_id:
            log.info("group %d became supergroup %d", message.chat.id, message.migrate_to_chat_id)
        self._explain_privacy(message, self._client.bot)
        letter = read(message, self._client.bot, self._relay.always_on)
        if letter is not None:
            await self._answers.take(letter)

    def _explain_privacy(self, message: telegram.Message, me: telegram.User) -> None:
        """Once, when the first group shows up."""
        group = message.chat.type in (ChatType.GROUP, ChatType.SUPERGROUP)
        if group and not me.can_read_all_group_messages and not self._privacy_told:
            self._privacy_told = True
            log.warning(PRIVACY, me.username)
