"""Scheduled retraining: the real commands over a real history and a tiny model."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from tiny import make_tiny_model

from bot.retraining import Retraining
from engine.adapter_versions import current
from engine.config import Config
from engine.database import migrate
from engine.errors import BusyError, ConfigError
from engine.history import SqlHistory
from engine.types import AdapterInfo, Decision, Incoming, Passage, Result

RECIPE = """
batch_size = 4
accumulation = 1
max_length = 300
held_out = 0.2
[[phase]]
name = "grounded"
r = 4
alpha = 8
learning_rate = 5e-3
epochs = 1
"""

pytestmark = pytest.mark.timeout(240)


class Worker:
    """Records what is read again."""

    def __init__(self) -> None:
        self.reloaded: list[str] = []

    def adapters(self) -> tuple[AdapterInfo, ...]:
        return (AdapterInfo("grounded", "0" * 12, 4, 1.0),)

    async def reload_adapter(self, name: str) -> AdapterInfo:
        self.reloaded.append(name)
        return self.adapters()[0]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    model = make_tiny_model(tmp_path / "model")
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "persona.toml").write_text(
        'id = "ada"\nname = "Ada"\nsystem_prompt = "You are Ada."\ndisclosure = "An AI."\n', "utf-8"
    )
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "few-steps.toml").write_text(RECIPE, "utf-8")
    return Config.model_validate(
        {
            "root": tmp_path,
            "persona": "ada",
            "profiles": {
                "starter": {"model": str(model), "device": "cpu", "dtype": "float32", "context_tokens": 300}
            },
            "retraining": {
                "enabled": True,
                "recipe": "few-steps",
                "min_new_conversations": 5,
                "gate_cases": 0,
            },
        }
    )


@pytest.fixture(autouse=True)
def _no_courtesy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy test machine would starve children that stand back."""
    monkeypatch.setattr("bot.child.NICENESS", 0)


async def talk(url: str, count: int) -> None:
    await asyncio.to_thread(migrate, url)
    async with SqlHistory(url) as history:
        for i in range(count):
            passage = Passage(f"The ferry number {i} leaves the pier at {i} every morning.", f"Ferry {i}")
            incoming = Incoming("web", f"c{i}", f"m{i}", "u", "Maria", f"When does ferry number {i} leave?")
            receipt = await history.receive(incoming)
            reply = f"The ferry number {i} leaves the pier at {i} every morning."
            await history.answer(
                receipt.message_pk, Result(reply, Decision(True, 1.0), (passage,), (), {"total": 1.0})
            )
            await history.sent(receipt.message_pk, ["x"])


async def test_run_now_log_becomes_a_live_adapter_that_is_read_again(config: Config, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    await talk(config.history_url, 30)
    worker = Worker()
    retraining = Retraining(config, worker, tmp_path / "recipes")
    run = asyncio.create_task(retraining.run_now())
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await retraining.run_now()
    report = await run
    assert report["state"] == "live", report
    assert worker.reloaded == ["grounded"]
    assert current(tmp_path / "ada" / "adapters" / "grounded") == report["hash"]
    folder = tmp_path / "data" / "retraining"
    assert "According to Ferry" in (folder / "pairs.jsonl").read_text("utf-8")
    assert stat.S_IMODE((folder / "config.toml").stat().st_mode) == 0o600
    assert json.loads((folder / "log.jsonl").read_text("utf-8"))["state"] == "live"
    assert retraining.status()["last"] == "live"
    await retraining.close()


async def test_run_now_empty_log_is_skipped_with_the_reason(config: Config, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    await asyncio.to_thread(migrate, config.history_url)
    worker = Worker()
    retraining = Retraining(config, worker, tmp_path / "recipes")
    report = await retraining.run_now()
    assert report["state"] == "skipped" and "good enough" in report["reasons"][0]
    assert worker.reloaded == []


def changed(config: Config, **values: Any) -> Config:
    return config.model_copy(update={"retraining": config.retraining.model_copy(update=values)})


async def test_start_by_default_schedules_nothing(config: Config, tmp_path: Path) -> None:
    assert Config().retraining.enabled is False
    retraining = Retraining(changed(config, enabled=False), Worker(), tmp_path / "recipes")
    await retraining.start()
    assert "next" not in retraining.status()
    await retraining.close()


async def test_start_enabled_tells_the_next_time(config: Config, tmp_path: Path) -> None:
    retraining = Retraining(changed(config, cron="0 3 1 1 *"), Worker(), tmp_path / "recipes")
    await retraining.start()
    assert "-01-01T03:00" in retraining.status()["next"]
    await retraining.close()


@pytest.mark.parametrize(
    ("values", "words"), [({"cron": "at night"}, "at night"), ({"recipe": "nothing"}, "nothing")]
)
async def test_start_wrong_setting_is_named(
    config: Config, tmp_path: Path, values: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        await Retraining(changed(config, **values), Worker(), tmp_path / "recipes").start()
