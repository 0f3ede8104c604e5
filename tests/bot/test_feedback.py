"""Thumbs and opting out, from each platform's double to what `ingest conversations` writes."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from discord_double import BOB, BOT, DM, GENERAL, ROBOT, DiscordDouble
from discord_double import TOKEN as DISCORD_TOKEN
from fake_web import CARD, FakeCompleter
from fake_web import FakeRelay as FakePanel
from real_relay import Setup, text_of
from telegram_double import ADA, GROUP, TelegramDouble
from telegram_double import TOKEN as TELEGRAM_TOKEN

from bot import discord_bot, discord_client, telegram_poll
from bot.cli import main
from bot.console import Console
from bot.discord_bot import DiscordBot
from bot.telegram_bot import TelegramBot
from bot.thumbs import thumb_of
from bot.web import WebServer
from engine.config import DiscordConfig, LimitsConfig, TelegramConfig, WebConfig
from engine.feedback import OPT_OUT, RATING, Ballot, balance, rating_scope
from engine.history import SqlHistory
from engine.secrets import Secret
from engine.types import Passage

BOB_THERE = {**ADA, "id": 43, "first_name": "Bob", "username": "bob"}
MENTION = f"<@{BOT}>"
GOOD = "Every morning the ferry crosses the brown river, and it carries letters and even hens."


@pytest.fixture
def grounded(setup: Setup) -> Setup:
    """Every message is answered from a passage, so that every reply is worth exporting."""
    setup.generator._probabilities = [1.0]
    setup.generator._script = lambda request: GOOD
    text = "The ferry crosses the brown river every morning and carries letters and hens."
    setup.retriever.passages = [Passage(text, "Ferry")]
    return setup


@pytest.fixture
async def discord(grounded: Setup, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DiscordDouble]:
    """A small Discord with the bot in it."""
    monkeypatch.setattr(discord_client, "GUILDS_SETTLE_S", 0.05)
    monkeypatch.setattr(discord_bot, "FIRST_WAIT_S", 0.05)
    double = DiscordDouble()
    await double.start()
    config = DiscordConfig(api_url=double.api_url, gateway_url=double.gateway_url, edit_interval_s=0.05)
    bot = DiscordBot(config, Secret(DISCORD_TOKEN), grounded.relay, "Ada")
    await bot.start()
    task = asyncio.create_task(bot.run())
    await asyncio.wait_for(bot.ready.wait(), 10)
    yield double
    await bot.close()
    await asyncio.wait_for(task, 5)
    await double.close()


@pytest.fixture
async def telegram(grounded: Setup, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TelegramDouble]:
    """A small Telegram with the bot in it."""
    monkeypatch.setattr(telegram_poll, "SHORTEST_ROUND_S", 0.02)
    async with TelegramDouble() as double:
        config = TelegramConfig(
            base_url=f"{double.url}/bot", base_file_url=f"{double.url}/file/bot", edit_interval_s=0.05
        )
        bot = TelegramBot(config, Secret(TELEGRAM_TOKEN), grounded.relay, "Ada")
        await bot.start()
        task = asyncio.create_task(bot.run())
        await asyncio.wait_for(bot.ready.wait(), 5)
        yield double
        await bot.close()
        await asyncio.wait_for(task, 5)


async def until(condition: Callable[[], Any], timeout_s: float = 8.0) -> None:
    """Wait until something is true; the condition may be a coroutine function."""
    async with asyncio.timeout(timeout_s):
        while True:
            value = condition()
            if await value if asyncio.iscoroutine(value) else value:
                return
            await asyncio.sleep(0.01)


async def votes(setup: Setup) -> dict[int, int]:
    return balance(await setup.history.settings(RATING))


async def is_sent(setup: Setup, replies: int = 1) -> bool:
    rows = await setup.history.pending("discord") + await setup.history.pending("telegram")
    return not rows and (await setup.history.stats()).replies == replies


def exported(tmp_path: Path) -> list[dict[str, Any]]:
    """What the command writes, run as a user runs it; [] when nothing came out."""
    (tmp_path / "ada").mkdir(exist_ok=True)
    (tmp_path / "ada" / "persona.toml").write_text(
        'id = "ada"\nname = "Ada"\nsystem_prompt = "You are Ada."\n'
        'greeting = "Good day."\ndisclosure = "An AI."\n'
    )
    (tmp_path / "config.toml").write_text(
        f'persona = "ada"\n[history]\nurl = "sqlite+aiosqlite:///{tmp_path / "h.db"}"\n'
    )
    out = tmp_path / "pairs.jsonl"
    out.unlink(missing_ok=True)
    argv = ["--config", str(tmp_path / "config.toml"), "ingest", "conversations", "--out", str(out)]
    done: list[int] = []
    worker = threading.Thread(target=lambda: done.append(main(argv)))  # it has a loop of its own
    worker.start()
    worker.join(30)
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert done == [0 if rows else 1]
    return rows


# --- thumbs --------------------------------------------------------------------------------


async def test_discord_thumbs_count_once_a_person_and_can_be_taken_back(
    discord: DiscordDouble, grounded: Setup, tmp_path: Path
) -> None:
    await discord.say(f"{MENTION} when does the ferry go?", mentions=(BOT,))
    await until(lambda: is_sent(grounded))
    reply = discord.channels[GENERAL][-1]["id"]
    await discord.react(reply, "🎉")
    await discord.react(reply, "👍🏽")
    await until(lambda: votes_are(grounded, {1: 1}))
    await discord.react(reply, "👍")  # a second thumb of the same person
    await discord.react(reply, "👎", author=BOB)
    await until(lambda: votes_are(grounded, {1: 0}))
    await discord.react(reply, "👎")
    await until(lambda: votes_are(grounded, {1: -2}))
    assert exported(tmp_path) == []
    await discord.react(reply, "👍", take_back=True)  # is not her vote any more
    await discord.react(reply, "👎", author=BOB, take_back=True)
    await until(lambda: votes_are(grounded, {1: -1}))
    await discord.react(reply, "👎", take_back=True)
    await until(lambda: votes_are(grounded, {}))
    assert [row["response"] for row in exported(tmp_path)] == [GOOD]


async def votes_are(setup: Setup, wanted: dict[int, int]) -> bool:
    return await votes(setup) == wanted


async def test_discord_thumbs_of_bots_for_others_and_of_the_blocked_do_not_count(
    discord: DiscordDouble, grounded: Setup
) -> None:
    asked = await discord.say("when does the ferry go?", channel=DM)
    await until(lambda: is_sent(grounded))
    reply = discord.channels[DM][-1]["id"]
    grounded.relay._limits = LimitsConfig(blocked_users=[f"discord:{BOB}"])
    await discord.react(asked, "👎", channel=DM, author=BOB)
    await discord.react(asked, "👎", channel=DM, take_back=True)
    await discord.react(reply, "👎", author=ROBOT)  # in a guild, where another message could have this id
    await discord.react(reply, "👎", channel=DM, author=BOB)
    await discord.react(reply, "👍", channel=DM)
    await until(lambda: votes_are(grounded, {1: 1}))


async def test_telegram_thumbs_follow_the_reactions_as_they_stand(
    telegram: TelegramDouble, grounded: Setup
) -> None:
    telegram.write("@TwainBot when does the ferry go?", chat=GROUP, topic=5)
    await until(lambda: is_sent(grounded))
    (reply,) = telegram.messages
    telegram.react(reply, "🔥", "👍", chat=GROUP)
    telegram.react(reply, "👍", chat=GROUP, sender=BOB_THERE)
    await until(lambda: votes_are(grounded, {1: 2}))
    telegram.react(reply, "👎", before=("👍",), chat=GROUP)
    await until(lambda: votes_are(grounded, {1: 0}))
    telegram.react(reply, before=("👎",), chat=GROUP)
    await until(lambda: votes_are(grounded, {1: 1}))
    telegram.react(reply, "👎")  # a message of the same number in another chat
    telegram.react(reply, "👎", chat=GROUP, sender={**ADA, "id": 44, "is_bot": True})
    telegram.react(reply, before=("👍",), chat=GROUP, sender=BOB_THERE)
    await until(lambda: votes_are(grounded, {}))


async def test_telegram_asks_for_reactions(telegram: TelegramDouble) -> None:
    await until(lambda: telegram.of("getUpdates"))
    assert "message_reaction" in telegram.of("getUpdates")[0].params["allowed_updates"]


@asynccontextmanager
async def web(setup: Setup) -> AsyncIterator[WebServer]:
    server = WebServer(WebConfig(port=0), setup.relay, FakePanel(), CARD, FakeCompleter())
    await server.start()
    try:
        yield server
    finally:
        await server.close()


async def asked(client: httpx.AsyncClient, text: str = "When does the ferry go?") -> dict[str, Any]:
    """The result of a message."""
    await client.get("/api/state")
    answer = await client.post("/api/chat", json={"text": text, "message_id": f"m-{id(client)}-{text[:4]}x"})
    lines = [line for line in answer.text.splitlines() if line.startswith("data:")]
    result: dict[str, Any] = json.loads(lines[-1].removeprefix("data: "))
    return result


async def test_web_thumb_counts_in_its_own_conversation_only(grounded: Setup) -> None:
    async with (
        web(grounded) as server,
        httpx.AsyncClient(base_url=server.url, verify=False) as one,
        httpx.AsyncClient(base_url=server.url, verify=False) as other,
    ):
        reply = (await asked(one))["reply_id"]
        await asked(other)
        assert (await one.post("/api/rate", json={"reply": reply, "thumb": "up"})).status_code == 204
        refused = await other.post("/api/rate", json={"reply": reply, "thumb": "down"})
        assert refused.status_code == 404 and "no such reply" in refused.json()["error"]["message"]
        assert await votes(grounded) == {reply: 1}
        assert (await one.post("/api/rate", json={"reply": reply, "thumb": None})).status_code == 204
        assert await votes(grounded) == {}
        for body in ({"reply": 0, "thumb": "up"}, {"reply": reply, "thumb": "left"}, {"reply": reply}):
            assert (await one.post("/api/rate", json=body)).status_code == 400


async def test_votes_go_with_the_reply_and_with_the_voter(grounded: Setup) -> None:
    history = grounded.history
    for number in (1, 2):
        await grounded.say(f"Question {number}", mid=str(number), place=f"p{number}")
        await history.sent(number, [f"r{number}"])
    for user in ("u", "v"):
        for number in (1, 2):
            ballot = Ballot("discord", f"p{number}", user, "up", f"r{number}")
            assert await grounded.relay.rate(ballot)
    await history.set_setting(rating_scope(1), RATING, "up")
    assert await votes(grounded) == {1: 3, 2: 2}
    await history.reset("discord:p1")
    assert await votes(grounded) == {2: 2}
    await history.forget_user("discord", "v")
    assert await votes(grounded) == {2: 1}
    assert not any("discord" in scope for scope in await history.settings(RATING))


def test_balance_other_values_and_scopes_are_no_votes() -> None:
    settings = {
        "reply:1": "up",
        "reply:1/by:ab": "up",
        "reply:1/by:cd": "down",
        "reply:2": "wow",
        "user:x": "up",
    }
    assert balance(settings) == {1: 1}


@pytest.mark.parametrize(
    ("emoji", "thumb"),
    [("👍", "up"), ("👍🏿", "up"), ("👎🏻", "down"), ("👍\ufe0f", "up"), ("🤙", None), ("", None)],
)
def test_thumb_of_skin_tones_are_set_aside(emoji: str, thumb: str | None) -> None:
    assert thumb_of(emoji) == thumb


# --- opting out ----------------------------------------------------------------------------


async def test_discord_optout_is_answered_privately_and_leaves_the_chats_out(
    discord: DiscordDouble, grounded: Setup, tmp_path: Path
) -> None:
    await discord.say(f"{MENTION} when does the ferry go?", mentions=(BOT,))
    await until(lambda: is_sent(grounded, 1))
    await discord.say(f"{MENTION} and what does it carry?", mentions=(BOT,), author=BOB)
    await until(lambda: is_sent(grounded, 2))
    assert len(exported(tmp_path)) == 2
    answers = await discord.use("optout")
    await until(lambda: answers.messages)
    (told,) = answers.messages.values()
    assert told["flags"] & 64 and "training" in told["content"]
    (left,) = exported(tmp_path)
    assert "what does it carry" in left["instruction"][-1] and "when does" not in str(left)
    answers = await discord.use("optin")
    await until(lambda: answers.messages)
    assert len(exported(tmp_path)) == 2
    assert await grounded.history.settings(OPT_OUT) == {}


async def test_telegram_optout_in_a_group_is_told_in_private(
    telegram: TelegramDouble, grounded: Setup, tmp_path: Path
) -> None:
    telegram.write("@TwainBot when does the ferry go?", chat=GROUP)
    await until(lambda: is_sent(grounded))
    assert len(exported(tmp_path)) == 1
    telegram.write("/optout", chat=GROUP)
    await until(lambda: telegram.texts(ADA["id"]))
    assert "training" in telegram.texts(ADA["id"])[0]
    assert not any("training" in text for text in telegram.texts(GROUP["id"]))
    assert exported(tmp_path) == []
    telegram.write("/optin")
    await until(lambda: len(telegram.texts(ADA["id"])) == 2)
    assert len(exported(tmp_path)) == 1


async def test_web_and_console_optout_are_commands_too(
    grounded: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with web(grounded) as server, httpx.AsyncClient(base_url=server.url, verify=False) as client:
        await asked(client)
        assert len(exported(tmp_path)) == 1
        answer = await client.post("/api/command", json={"name": "optout"})
        assert "event: notice" in answer.text
        assert exported(tmp_path) == []
        assert await grounded.history.settings(OPT_OUT)
    lines = iter(["/optout", None])
    monkeypatch.setattr("bot.console._read_line", lambda: next(lines))
    console = Console(grounded.relay)
    await console.chat("hello")
    me = console.incoming("x")
    assert f"user:console:{me.user_id}" in await grounded.history.settings(OPT_OUT)


async def test_help_lists_opting_out(setup: Setup) -> None:
    told = text_of(await setup.command("help"))
    assert "/optout:" in told and "/optin:" in told


async def test_optout_counts_for_the_person_everywhere_on_the_platform(
    setup: Setup, history: SqlHistory
) -> None:
    await setup.command("optout", user="7", place="here")
    await setup.command("optout", user="7", place="there")
    assert await history.settings(OPT_OUT) == {"user:discord:7": "1"}
    await setup.command("optin", user="8")
    assert await history.settings(OPT_OUT) == {"user:discord:7": "1"}
