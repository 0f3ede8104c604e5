"""The whole service as `understudy run` builds it: real model code, database, index and clients.

The model is tiny and random, so these tests are about the path, not about what is said: which
source, which adapters, exactly one answer. What the shipped model says is `test_newcomer.py`'s.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from discord_double import ALICE, BOT, DiscordDouble
from telegram_double import TOKEN as TELEGRAM_TOKEN
from telegram_double import TelegramDouble
from tiny import make_tiny_adapter, make_tiny_model

from bot.service import Service
from engine.config import Config, load_config

ROOT = Path(__file__).parent.parent
QUESTION = "When does the Harlow Bridge open?"
SOURCE = "Harlow Bridge opening moved to 12 December"
EVE = {"id": 12, "is_bot": False, "first_name": "Eve"}

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the repository's: persona with knowledge and adapters, and a small model."""
    home = tmp_path_factory.mktemp("home")
    model = make_tiny_model(home / "model", context=1024)
    persona = home / "twain"
    persona.mkdir()
    shipped = ROOT / "personas" / "mark-twain"
    (persona / "persona.toml").write_bytes((shipped / "persona.toml").read_bytes())
    (persona / "knowledge").symlink_to(shipped / "knowledge")
    for name, rank in (("identity", 8), ("style", 32)):
        make_tiny_adapter(model, persona / "adapters" / name, name, r=rank)
    return home


def write_config(home: Path, data: Path, discord: DiscordDouble | None, telegram: str) -> Path:
    """config.toml over the doubles; the analyzer's threshold 0 makes every message a question."""
    path = home / f"{data.name}.toml"
    path.write_text(
        f"""
persona = "twain"
data_dir = "{data}"
[profiles.starter]
model = "model"
device = "cpu"
dtype = "float32"
context_tokens = 900
strengths = {{ style = 0.5 }}
[sampling]
max_new_tokens = 24
[analyzer]
threshold = 0.0
[limits]
admins = ["discord:{ALICE}"]
replies_per_minute = 0
[discord]
api_url = "{discord.api_url if discord else ""}"
gateway_url = "{discord.gateway_url if discord else ""}"
edit_interval_s = 0.05
[telegram]
base_url = "{telegram}/bot"
base_file_url = "{telegram}/file/bot"
edit_interval_s = 0.05
[web]
port = 0
""",
        encoding="utf-8",
    )
    return path


class Running:
    """A started service and the people around it."""

    def __init__(self, service: Service, discord: DiscordDouble, telegram: TelegramDouble, said: list[str]):
        self.service = service
        self.discord = discord
        self.telegram = telegram
        self.said = said
        self.url = service.web_url
        self.client = httpx.AsyncClient(base_url=self.url, timeout=60)

    async def web(self, text: str, **extra: Any) -> dict[str, Any]:
        """Ask on the page's own route and return the result event."""
        body = {"text": text, "message_id": os.urandom(8).hex(), **extra}
        answer = await self.client.post("/api/chat", json=body, headers={"Origin": self.url})
        assert answer.status_code == 200, answer.text
        events = [part for part in answer.text.split("\n\n") if part.startswith("event: result")]
        return dict(json.loads(events[0].split("data: ", 1)[1]))


@pytest.fixture(scope="module")
async def running(home: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    discord = DiscordDouble()
    await discord.start()
    said: list[str] = []
    async with TelegramDouble() as telegram:
        data = tmp_path_factory.mktemp("data")
        config: Config = load_config(write_config(home, data, discord, telegram.url))
        env = {"DISCORD_TOKEN": "double.token", "TELEGRAM_BOT_TOKEN": TELEGRAM_TOKEN}
        async with Service(config, env, said.append) as service:
            core = await service.start_core()
            await core.knowledge.index()
            await service.start_platforms()
            people = Running(service, discord, telegram, said)
            yield people
            await people.client.aclose()
    await discord.close()


def answered(telegram: TelegramDouble, chat_id: int | None = None) -> int:
    """How many finished replies show the question's source."""
    return sum(SOURCE in text for text in telegram.texts(chat_id))


@pytest.mark.asyncio(loop_scope="module")
async def test_start_tells_what_runs_and_the_invite(running: Running) -> None:
    told = "\n".join(running.said)
    assert running.url in told and "discord.com/oauth2/authorize" in told and "Telegram is on" in told


@pytest.mark.asyncio(loop_scope="module")
async def test_question_web_names_the_right_source_and_both_adapters(running: Running) -> None:
    result = await running.web(QUESTION)
    assert result["sources"][0]["title"] == SOURCE
    assert [(a["name"], a["strength"]) for a in result["adapters"]] == [("identity", 1.0), ("style", 0.5)]
    assert result["retrieve"] and {"decide", "retrieve", "generate", "total"} <= set(result["timings_ms"])


@pytest.mark.asyncio(loop_scope="module")
async def test_question_discord_streams_and_ends_with_the_source(running: Running) -> None:
    await running.discord.say(f"<@{BOT}> {QUESTION}", mentions=(BOT,))
    await running.discord.until(lambda: any(SOURCE in text for text in running.discord.said()), 60)


@pytest.mark.asyncio(loop_scope="module")
async def test_question_telegram_ends_with_the_source(running: Running) -> None:
    running.telegram.write(QUESTION)
    async with asyncio.timeout(60):
        while not any(SOURCE in text for text in running.telegram.texts()):
            await asyncio.sleep(0.05)


@pytest.mark.asyncio(loop_scope="module")
async def test_openai_client_gets_persona_and_base(running: Running) -> None:
    async with httpx.AsyncClient(base_url=running.url, timeout=60) as client:
        models = (await client.get("/v1/models")).json()
        assert [m["id"] for m in models["data"]] == ["mark-twain", "base"]
        for model, names in (("mark-twain", ["identity", "style"]), ("base", [])):
            body = {"model": model, "messages": [{"role": "user", "content": QUESTION}]}
            answer = (await client.post("/v1/chat/completions", json=body)).json()
            assert [a["name"] for a in answer["understudy"]["adapters"]] == names


@pytest.mark.asyncio(loop_scope="module")
async def test_admin_unload_on_discord_changes_every_adapter_live(running: Running) -> None:
    answers = await running.discord.use("admin adapters unload", name="style")
    await running.discord.until(lambda: answers.messages, 30)
    try:
        result = await running.web(QUESTION)
        assert [a["name"] for a in result["adapters"]] == ["identity"]
        running.telegram.write(QUESTION, sender=EVE)
        async with asyncio.timeout(60):
            while answered(running.telegram, EVE["id"]) == 0:  # /why tells of the last finished reply
                await asyncio.sleep(0.05)
            running.telegram.write("/why", sender=EVE)
            while not any("Adapters: identity" in text for text in running.telegram.texts(EVE["id"])):
                await asyncio.sleep(0.05)
        assert not any("style" in text for text in running.telegram.texts(EVE["id"]) if "Adapters:" in text)
    finally:
        answers = await running.discord.use("admin adapters load", name="style")
        await running.discord.until(lambda: answers.messages, 30)
    now = (await running.web("Hello"))["adapters"]  # the profile's strength is back, too
    assert [(a["name"], a["strength"]) for a in now] == [("identity", 1.0), ("style", 0.5)]


@pytest.mark.asyncio(loop_scope="module")
async def test_healthz_lists_every_part(running: Running) -> None:
    async with httpx.AsyncClient(base_url=running.url) as client:
        answer = await client.get("/healthz")
    body = answer.json()
    assert answer.status_code == 200 and body["status"] == "ok"
    assert {"model", "index", "database", "discord", "telegram"} <= set(body)


@pytest.mark.asyncio(loop_scope="module")
async def test_event_loop_stays_responsive_while_replies_are_generated(running: Running) -> None:
    # A blocked loop loses Discord's heartbeat. The bound is the promise: 50 ms at p99.
    lags: list[float] = []
    loop = asyncio.get_running_loop()

    async def probe() -> None:
        while True:
            before = loop.time()
            await asyncio.sleep(0.005)
            lags.append((loop.time() - before - 0.005) * 1000)

    prober = asyncio.create_task(probe())
    for i in range(5):
        await asyncio.gather(*(running.web(f"{QUESTION} {i} {j}") for j in range(4)))
    prober.cancel()
    assert len(lags) > 150
    assert sorted(lags)[int(len(lags) * 0.99)] < 50.0


# --- the process itself -----------------------------------------------------------------------


def start_process(config: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "TELEGRAM_BOT_TOKEN": TELEGRAM_TOKEN, "DISCORD_TOKEN": "", "DISCORD_BOT_TOKEN": ""}
    return subprocess.Popen(
        [sys.executable, "-m", "bot.cli", "--config", str(config), "run"],
        cwd=ROOT,
        env=env,
        stderr=subprocess.PIPE,
        text=True,
    )


async def test_killed_mid_reply_restarted_service_answers_exactly_once(home: Path, tmp_path: Path) -> None:
    async with TelegramDouble() as telegram:
        path = write_config(home, tmp_path / "killed", None, telegram.url)
        text = path.read_text(encoding="utf-8").replace(
            "max_new_tokens = 24", "max_new_tokens = 300\ntemperature = 0.0"
        )
        text = text.replace("edit_interval_s = 0.05", "edit_interval_s = 2.0")  # time to be killed in
        path.write_text(text, encoding="utf-8")
        first = start_process(path)
        try:
            async with asyncio.timeout(120):
                while not telegram.polls_held:
                    await asyncio.sleep(0.1)
                telegram.write(QUESTION)
                while not telegram.messages:  # the first part of the reply is on the platform
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0.5)  # its id is on disk; before that Telegram cannot be asked for it
        finally:
            first.send_signal(signal.SIGKILL)
            await asyncio.to_thread(first.communicate)
        assert len(telegram.messages) == 1 and answered(telegram) == 0
        (begun,) = telegram.messages
        second = start_process(path)
        try:
            async with asyncio.timeout(120):
                while answered(telegram) == 0:
                    await asyncio.sleep(0.1)
            await asyncio.sleep(1.0)  # time for a second answer, if there were one
        finally:
            second.terminate()
            await asyncio.to_thread(second.communicate)
        assert answered(telegram) == 1
        # The message that was begun is the first part of the reply: edited, not sent again.
        assert next(iter(telegram.messages)) == begun
        assert any(int(call.params["message_id"]) == begun for call in telegram.of("editMessageText"))


async def test_occupied_port_is_one_clear_sentence(home: Path, tmp_path: Path) -> None:
    listener = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with TelegramDouble() as telegram:
        path = write_config(home, tmp_path / "port", None, telegram.url)
        path.write_text(
            path.read_text(encoding="utf-8").replace("port = 0", f"port = {port}"), encoding="utf-8"
        )
        process = start_process(path)
        _, told = await asyncio.to_thread(process.communicate)
    listener.close()
    assert process.returncode == 1
    assert str(port) in told and "Traceback" not in told
