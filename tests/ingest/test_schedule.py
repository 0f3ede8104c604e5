"""The nightly refresh: on time, made up for, never two at once, and alive after a failure."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from feed_server import settings

from engine.errors import BusyError, RetrievalError
from ingest.schedule import JOB, Memory, NightlyRefresh, schedule_file


class Done:
    text = "2 new."


class FakeJob:
    """Counts its runs; waits while `hold` is set, fails with `error`."""

    def __init__(self) -> None:
        self.runs = 0
        self.at_once = 0
        self.most_at_once = 0
        self.error: Exception | None = None
        self.hold = asyncio.Event()
        self.hold.set()

    async def __call__(self) -> Done:
        self.runs += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.hold.wait()
            if self.error:
                raise self.error
            return Done()
        finally:
            self.at_once -= 1


def local(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of November 2026 in the machine's zone, as the schedule counts, in UTC."""
    return datetime(2026, 11, day, hour, minute).astimezone().astimezone(UTC)


def nightly(job: FakeJob, tmp_path: Path, now: datetime, **changes: object) -> NightlyRefresh:
    config = settings(**{"hour": 4, "minute": 10, "jitter_s": 600, **changes})
    return NightlyRefresh(job, schedule_file(tmp_path, "ada"), config, now=lambda: now, catch_up_s=0.05)


def remember(tmp_path: Path, ok_at: datetime) -> None:
    path = schedule_file(tmp_path, "ada")
    path.parent.mkdir(parents=True, exist_ok=True)
    memory = {"started_at": ok_at.isoformat(), "ok_at": ok_at.isoformat(), "outcome": "fine"}
    path.write_text(json.dumps(memory))


async def runs_after_start(nightly: NightlyRefresh, job: FakeJob) -> int:
    await nightly.start()
    await asyncio.sleep(0.4)
    await nightly.close()
    return job.runs


@pytest.mark.parametrize(
    ("ok_at", "now", "runs"),
    [
        (local(19, 4, 15), local(20, 3), 0),  # tonight is still to come
        (local(20, 4, 2), local(20, 9), 0),  # jitter began it early
        (local(20, 4, 19), local(20, 9), 0),  # jitter began it late
        (local(20, 4, 2), local(21, 9), 1),  # and the next night was missed
        (local(17, 4, 15), local(20, 9), 1),  # many nights are made up for once
        (local(19, 15), local(20, 4, 12), 0),  # within the jitter: the night's own run may come
    ],
)
async def test_start_makes_up_for_a_missed_night_once(
    tmp_path: Path, ok_at: datetime, now: datetime, runs: int
) -> None:
    remember(tmp_path, ok_at)
    job = FakeJob()
    assert await runs_after_start(nightly(job, tmp_path, now), job) == runs


@pytest.mark.parametrize("content", [None, "", "{broken", '{"ok_at": "never"}'])
async def test_start_without_memory_runs_once(tmp_path: Path, content: str | None) -> None:
    path = schedule_file(tmp_path, "ada")
    if content is not None:
        path.parent.mkdir(parents=True)
        path.write_text(content)
    job = FakeJob()
    assert await runs_after_start(nightly(job, tmp_path, local(20, 9)), job) == 1
    job = FakeJob()
    assert await runs_after_start(nightly(job, tmp_path, local(20, 9)), job) == 0  # remembered


async def test_start_when_disabled_never_runs(tmp_path: Path) -> None:
    job = FakeJob()
    schedule = nightly(job, tmp_path, local(20, 9), enabled=False)
    assert await runs_after_start(schedule, job) == 0
    assert schedule.status()["next_at"] == ""


async def test_start_plans_the_next_night_within_the_jitter(tmp_path: Path) -> None:
    remember(tmp_path, local(20, 8))
    schedule = nightly(FakeJob(), tmp_path, local(20, 9))
    await schedule.start()
    planned = datetime.fromisoformat(schedule.status()["next_at"])
    job = schedule._scheduler.get_job(JOB)
    await schedule.close()
    meant = planned.astimezone().replace(hour=4, minute=10, second=0)
    assert abs(planned - meant) <= timedelta(seconds=600)
    assert (job.coalesce, job.max_instances) == (True, 1)
    assert job.misfire_grace_time > 0


async def test_run_now_beside_a_running_refresh_is_busy(tmp_path: Path) -> None:
    job = FakeJob()
    job.hold.clear()
    schedule = nightly(job, tmp_path, local(20, 9))
    first = asyncio.create_task(schedule.run_now())
    await asyncio.sleep(0.02)
    with pytest.raises(BusyError):
        await schedule.run_now()
    await schedule._nightly()  # the night comes meanwhile: refused, logged, not raised
    assert schedule.status()["running"]
    job.hold.set()
    assert (await first).text == "2 new."
    assert job.most_at_once == job.runs == 1
    assert not schedule.status()["running"]


async def test_run_now_of_impatient_caller_goes_on(tmp_path: Path) -> None:
    job = FakeJob()
    job.hold.clear()
    schedule = nightly(job, tmp_path, local(20, 9))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(schedule.run_now(), 0.05)
    job.hold.set()
    for _ in range(100):
        if not schedule.status()["running"]:
            break
        await asyncio.sleep(0.01)
    assert schedule.status()["last_outcome"] == "2 new."


async def test_run_that_fails_is_remembered_and_the_next_one_comes(tmp_path: Path) -> None:
    job = FakeJob()
    job.error = RetrievalError("The disk is full.")
    schedule = nightly(job, tmp_path, local(20, 9))
    with pytest.raises(RetrievalError):
        await schedule.run_now()
    assert schedule.status()["last_outcome"] == "The disk is full."
    assert schedule.status()["last_ok_at"] == ""
    job.error = ValueError("ours")
    assert await runs_after_start(schedule, job) == 2  # a failed night counts as missed
    job.error = None
    await schedule.run_now()
    assert schedule.status()["last_ok_at"]


async def test_close_stops_a_running_refresh_and_may_be_called_twice(tmp_path: Path) -> None:
    job = FakeJob()
    job.hold.clear()
    schedule = nightly(job, tmp_path, local(20, 9))
    await schedule.start()
    running = asyncio.create_task(schedule.run_now())
    await asyncio.sleep(0.02)
    await schedule.close()
    await schedule.close()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert job.at_once == 0


async def test_memory_on_disk_is_plain_json(tmp_path: Path) -> None:
    await nightly(FakeJob(), tmp_path, local(20, 9)).run_now()
    found = json.loads(schedule_file(tmp_path, "ada").read_text())
    assert set(found) == set(Memory.__dataclass_fields__)
    assert [p.name for p in schedule_file(tmp_path, "ada").parent.iterdir()] == ["schedule.json"]
