"""The nightly refresh, and the one an admin asks for; never two at once.

APScheduler's own stores keep jobs as pickles, which this project refuses to read. There is one job,
and it comes from the settings, so nothing of it needs keeping: what must outlive the process is
when it last went well. That is a small JSON file, and a night that was missed is made up for
shortly after the start. This module knows nothing of what a refresh does.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from engine.errors import BusyError, StorageError, UnderstudyError
from engine.types import utc_now
from ingest.settings import NewsConfig

log = logging.getLogger(__name__)

JOB = "nightly-refresh"
GRACE_S = 3600  # a run that is due while the loop is held up still starts so much later
CATCH_UP_S = 20.0  # after the start: the platforms connect first


class Report(Protocol):
    """What a refresh returns, as far as it is remembered here."""

    @property
    def text(self) -> str:
        """What it did, in a sentence."""


Job = Callable[[], Awaitable[Report]]


@dataclass(frozen=True, slots=True)
class Memory:
    """What outlives the process; times are ISO in UTC, empty for never."""

    started_at: str = ""
    ok_at: str = ""
    """When the last run that went well was started."""
    outcome: str = ""
    """What the last finished run said, or its error."""


def schedule_file(data_path: Path, persona_id: str) -> Path:
    """Where a persona's schedule is remembered."""
    return data_path / "news" / persona_id / "schedule.json"


class NightlyRefresh:
    """Runs `job` once a night and on demand.

    Args:
        job: the refresh.
        path: where the last run is remembered (`schedule_file`).
        config: hour, minute and jitter, in the machine's time zone.
        now: the clock.
        catch_up_s: pause before a missed run is made up for.
    """

    def __init__(
        self,
        job: Job,
        path: Path,
        config: NewsConfig,
        *,
        now: Callable[[], datetime] = utc_now,
        catch_up_s: float = CATCH_UP_S,
    ) -> None:
        self._job, self._path, self._config, self._now = job, path, config, now
        self._catch_up_s = catch_up_s
        self._scheduler: Any = None
        self._running: asyncio.Task[Report] | None = None

    async def start(self) -> None:
        """Begin to wait for the night; does nothing when `news.enabled` is false."""
        if self._scheduler is not None or not self._config.enabled:
            return
        from apscheduler.jobstores.memory import MemoryJobStore
        from apscheduler.schedulers.asyncio import AsyncIOScheduler

        self._scheduler = AsyncIOScheduler(
            jobstores={"default": MemoryJobStore()},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": GRACE_S},
        )
        self._scheduler.add_job(self._nightly, self._trigger(self._config.jitter_s), id=JOB)
        if await asyncio.to_thread(self._missed):
            log.info("the last nightly refresh was missed; it runs in %.0f s", self._catch_up_s)
            self._scheduler.add_job(
                self._nightly, "date", run_date=datetime.now(UTC) + timedelta(seconds=self._catch_up_s)
            )
        self._scheduler.start()

    async def close(self) -> None:
        """Stop waiting and stop a run in progress; the old index goes on serving. Idempotent."""
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.shutdown(wait=False)
        task = self._running
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run_now(self) -> Report:
        """Refresh at once; the run goes on when the caller stops waiting.

        Raises:
            BusyError: a refresh is running.
            UnderstudyError: it failed.
        """
        if self._running is not None:
            raise BusyError("A refresh of the news is running already; try again when it has finished.")
        self._running = asyncio.create_task(self._run(), name=JOB)
        self._running.add_done_callback(self._finished)
        return await asyncio.shield(self._running)

    def status(self) -> dict[str, Any]:
        """For /healthz and /admin status."""
        job = self._scheduler.get_job(JOB) if self._scheduler is not None else None
        memory = self._read()
        return {
            "enabled": self._config.enabled,
            "running": self._running is not None,
            "next_at": job.next_run_time.isoformat(timespec="seconds") if job else "",
            "last_ok_at": memory.ok_at,
            "last_outcome": memory.outcome,
        }

    # --- one run ---------------------------------------------------------------------------

    async def _nightly(self) -> None:
        """What the scheduler calls: a failure is logged and remembered, and the next night comes."""
        try:
            report = await self.run_now()
            log.info("nightly refresh: %s", report.text)
        except UnderstudyError as exc:
            log.warning("nightly refresh: %s", exc)

    async def _run(self) -> Report:
        began = self._now().isoformat(timespec="seconds")
        memory = replace(await asyncio.to_thread(self._read), started_at=began)
        await self._remember(memory)
        try:
            report = await self._job()
        except Exception as exc:
            text = str(exc) if isinstance(exc, UnderstudyError) else f"failed ({type(exc).__name__})"
            await self._remember(replace(memory, outcome=text))
            raise
        await self._remember(replace(memory, ok_at=began, outcome=report.text))
        return report

    def _finished(self, task: asyncio.Task[Report]) -> None:
        self._running = None
        if not task.cancelled() and (exc := task.exception()) is not None:
            log.debug("refresh ended with %s", type(exc).__name__)  # read here, or asyncio complains

    # --- memory ----------------------------------------------------------------------------

    def _trigger(self, jitter_s: int) -> Any:
        from apscheduler.triggers.cron import CronTrigger

        return CronTrigger(hour=self._config.hour, minute=self._config.minute, jitter=jitter_s or None)

    def _missed(self) -> bool:
        """Whether a night has passed since the last run that went well, or there never was one."""
        memory = self._read()
        try:
            ok_at = datetime.fromisoformat(memory.ok_at)
        except ValueError:
            return True
        # A run that jitter began early counts for the night that it was meant for.
        spread = timedelta(seconds=self._config.jitter_s)
        due = self._trigger(0).get_next_fire_time(None, ok_at + spread)
        return due is not None and due + spread < self._now()

    def _read(self) -> Memory:
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            return Memory(**{f.name: str(data[f.name]) for f in fields(Memory)})
        except (OSError, ValueError, KeyError, TypeError):
            return Memory()  # nothing known: the refresh is due, which does no harm

    async def _remember(self, memory: Memory) -> None:
        try:
            await asyncio.to_thread(self._write, memory)
        except OSError as exc:
            raise StorageError(
                f"{self._path} cannot be written ({exc}); check the disk and its rights."
            ) from exc

    def _write(self, memory: Memory) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        try:
            draft.write_text(json.dumps(asdict(memory), indent=1), encoding="utf-8")
            os.replace(draft, self._path)
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
