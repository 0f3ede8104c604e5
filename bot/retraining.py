"""Scheduled retraining: at the times of `[retraining] cron`, the log becomes a new version of an adapter.

    ingest conversations → train rag-data → train retrain → the worker reads the adapter again

Off unless `[retraining] enabled` is true. Every step is a process of its own; the last one decides
whether the new version goes live (`trainer.retrain_gate`). A line a run is kept in
data/retraining/log.jsonl. Part of the composition root's surroundings: it knows commands by name only.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from bot.child import Child, Ended, log_tail
from bot.finetuning_files import full_config
from engine.config import Config
from engine.errors import BusyError, ConfigError, UnderstudyError
from engine.types import AdapterInfo

log = logging.getLogger(__name__)

JOB = "retraining"
GRACE_S = 3600  # a run that is due while the loop is held up still starts so much later


class Reloads(Protocol):
    """What retraining needs of the worker."""

    def adapters(self) -> tuple[AdapterInfo, ...]:
        """Loaded adapters."""

    async def reload_adapter(self, name: str) -> AdapterInfo:
        """Read one again from its folder. Raises AdapterError."""


class Retraining:
    """Trains an adapter again, by schedule.

    Args:
        config: `[retraining]`, persona, profile and database.
        worker: where the adapter is read again.
        recipes: folder of the shipped recipes.
    """

    def __init__(self, config: Config, worker: Reloads, recipes: Path) -> None:
        self._config = config
        self._settings = config.retraining
        self._worker = worker
        self._recipes = recipes
        self._folder = config.data_path / "retraining"
        self._scheduler: Any = None
        self._running: asyncio.Task[dict[str, Any]] | None = None
        self._last: dict[str, Any] = {}

    async def start(self) -> None:
        """Begin to wait; does nothing while it is off. Raises ConfigError for a wrong cron line."""
        if not self._settings.enabled or self._scheduler is not None:
            return
        from apscheduler.jobstores.memory import MemoryJobStore
        from apscheduler.schedulers.asyncio import AsyncIOScheduler
        from apscheduler.triggers.cron import CronTrigger

        try:
            trigger = CronTrigger.from_crontab(self._settings.cron)
        except ValueError as exc:
            raise ConfigError(
                f'[retraining] cron is "{self._settings.cron}"; allowed: five fields, such as '
                f"30 3 * * 0 ({exc})."
            ) from exc
        if not self._recipe.is_file():
            raise ConfigError(
                f'[retraining] recipe is "{self._settings.recipe}"; there is no {self._recipe}.'
            )
        self._scheduler = AsyncIOScheduler(jobstores={"default": MemoryJobStore()})
        self._scheduler.add_job(
            self._scheduled, trigger, id=JOB, coalesce=True, max_instances=1, misfire_grace_time=GRACE_S
        )
        self._scheduler.start()
        log.info("retraining of %s is scheduled: %s", self._settings.adapter, self._settings.cron)

    async def close(self) -> None:
        """Stop waiting, and stop a run with its process; the live adapter stays. Idempotent."""
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.shutdown(wait=False)
        task, self._running = self._running, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run_now(self) -> dict[str, Any]:
        """One run; returns its record.

        Raises:
            BusyError: another one runs.
            UnderstudyError: it failed; the live adapter stays.
        """
        if self._running is not None and not self._running.done():
            raise BusyError("A retraining runs already.")
        self._running = asyncio.create_task(self._run(), name=JOB)
        return await self._running

    def status(self) -> dict[str, Any]:
        """For status pages."""
        running = self._running is not None and not self._running.done()
        parts: dict[str, Any] = {"ok": True, "enabled": self._settings.enabled, "running": running}
        job = self._scheduler.get_job(JOB) if self._scheduler is not None else None
        if job is not None and job.next_run_time is not None:
            parts["next"] = job.next_run_time.isoformat(timespec="minutes")
        if self._last:
            parts |= {"last": self._last["state"], "last_at": self._last["at"]}
        return parts

    @property
    def _recipe(self) -> Path:
        return self._recipes / f"{self._settings.recipe}.toml"

    async def _scheduled(self) -> None:
        with suppress(UnderstudyError):  # it is in the log, and the next time comes
            await self.run_now()

    async def _run(self) -> dict[str, Any]:
        began = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            report = await self._steps()
        except UnderstudyError as exc:
            log.warning("retraining failed: %s", exc)
            await self._record({"at": began, "state": "failed", "reasons": [str(exc)]})
            raise
        name = self._settings.adapter
        if report["state"] == "live" and name in {a.name for a in self._worker.adapters()}:
            await self._worker.reload_adapter(name)
            log.info("%s %s is live", name, report.get("hash"))
        await self._record({**report, "at": began})
        return report

    async def _steps(self) -> dict[str, Any]:
        """The three commands in turn; a log with nothing to learn from ends early."""
        folder, settings = self._folder, self._settings
        await asyncio.to_thread(full_config, self._config, folder / "config.toml")
        exported, pairs = folder / "conversations.jsonl", folder / "pairs.jsonl"
        ended = await self._command("ingest", "conversations", "--out", str(exported), "--json")
        if ended.status and not ended.result.get("counts"):
            raise UnderstudyError(f"The conversations could not be exported. {self._why(ended)}")
        if not ended.result["counts"].get("pairs"):
            return _skipped("no conversation is good enough to learn from")
        ended = await self._command("train", "rag-data", str(exported), "--out", str(pairs), "--json")
        if not ended.result.get("kept"):
            return _skipped(self._why(ended))
        ended = await self._command(
            "train", "retrain", settings.adapter, "--pairs", str(pairs), "--recipe", str(self._recipe),
            "--min-new", str(settings.min_new_conversations), "--limit", str(settings.gate_cases), "--json",
        )  # fmt: skip
        if ended.status:
            raise UnderstudyError(f"The training failed. {self._why(ended)}")
        return dict(ended.result)

    async def _command(self, *arguments: str) -> Ended:
        child = Child(["--config", str(self._folder / "config.toml"), *arguments], self._folder / "log.txt")
        await child.start()
        return await child.wait()

    def _why(self, ended: Ended) -> str:
        error = ended.result.get("error")
        return str(error) if error else log_tail(self._folder / "log.txt", 3)

    async def _record(self, row: dict[str, Any]) -> None:
        self._last = row

        def write() -> None:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")

        await asyncio.to_thread(write)


def _skipped(why: str) -> dict[str, Any]:
    return {"state": "skipped", "reasons": [why]}
