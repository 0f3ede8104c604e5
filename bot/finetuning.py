"""The document assistant: a model learns the user's documents while the service goes on answering.

One job at a time. The trainer is a separate process, so a crash or a full memory there is a failed
job and nothing else; when it ends well its adapter is loaded live, off by default, and only
questions to the assistant name it. Without an adapter the base model answers, and says so.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import statistics
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from bot.child import Mark, log_tail, stop_orphan
from bot.finetuning_files import chosen_documents, safe_name, trainer_config, trainer_recipe
from bot.finetuning_job import RESUMABLE, RUNNING, Job, Jobs, Settings, SetupBody
from bot.finetuning_progress import read_progress
from bot.finetuning_steps import LOG, Steps
from engine.config import Config
from engine.engine import Engine
from engine.errors import AdapterError, BusyError, InputError, ModelError, UnderstudyError
from engine.types import AdapterInfo, ReplyOptions, Result

log = logging.getLogger(__name__)

NO_ADAPTER = "No fine-tuned adapter is there yet: the unmodified base model answers."

STOPPED = "The service stopped; resume the job to go on."


class AdapterShelf(Protocol):
    """What the assistant needs of the worker."""

    async def load_adapter(
        self, folder: Path, name: str | None = None, *, strength: float = 1.0
    ) -> AdapterInfo:
        """Load an adapter. Raises AdapterError."""

    async def unload_adapter(self, name: str) -> None:
        """Unload it. Raises AdapterError."""


class Upload(Protocol):
    """A file that came with a request."""

    filename: str | None

    async def read(self, size: int = -1) -> bytes:
        """The next bytes."""


class FineTuning:
    """Runs jobs and answers questions with what came out.

    Args:
        config: `[finetuning]`, the profiles and where data is kept.
        engine: answers.
        shelf: the worker that loads adapters.
        recipes: folder of the shipped recipes.
    """

    def __init__(self, config: Config, engine: Engine, shelf: AdapterShelf, recipes: Path) -> None:
        self._config = config
        self._engine = engine
        self._shelf = shelf
        self._recipes = recipes
        self._jobs = Jobs(config.data_path / "fine-tuning")
        self._job: Job | None = None
        """The newest job, running or not."""
        self._task: asyncio.Task[None] | None = None
        self._reserved = False
        self._served: Job | None = None
        self._loaded: tuple[str, ...] = ()
        self._note = NO_ADAPTER
        self._latencies_ms: deque[float] = deque(maxlen=100)
        self._queries = 0

    @property
    def running(self) -> bool:
        """Whether a job runs."""
        return self._reserved or (self._task is not None and not self._task.done())

    async def start(self) -> None:
        """Take up what an earlier service left: its last adapter, and its job as interrupted."""
        jobs = await asyncio.to_thread(self._jobs.all)
        for job in jobs:
            if job.state in RUNNING:
                await stop_orphan(Mark(job.pid, job.pid_started))
                self._end(job, "interrupted", STOPPED)
        self._job = jobs[-1] if jobs else None
        done = [job for job in jobs if job.state == "done"]
        if done:
            await self._serve(done[-1])

    async def close(self) -> None:
        """Stop a running job, which can be resumed, and unload what was served. Idempotent."""
        await self._stop("interrupted", STOPPED)
        served, self._loaded, self._served = self._loaded, (), None
        await self._unload(served)

    # --- jobs ------------------------------------------------------------------------------

    async def setup(self, body: SetupBody, uploads: Sequence[Upload] = ()) -> Job:
        """Check a request and start its job.

        Raises:
            BusyError: a job runs already.
            InputError: the request cannot be done; the message says why.
        """
        if self.running:
            raise BusyError("A fine-tuning runs already; wait for it or cancel it.")
        self._reserved = True  # until the task stands, so that two requests never start two jobs
        try:
            job = self._resumed(body.resume) if body.resume else await self._new(body, uploads)
            self._job = job
            self._task = asyncio.create_task(self._run(job), name=f"fine-tuning {job.id}")
        finally:
            self._reserved = False
        return job

    async def cancel(self) -> Job:
        """Stop the running job. Raises InputError when none runs."""
        if not self.running or self._job is None:
            raise InputError("No fine-tuning runs.")
        await self._stop("cancelled", "Cancelled on request; it can be resumed.")
        return self._job

    async def _new(self, body: SetupBody, uploads: Sequence[Upload]) -> Job:
        settings = self._config.finetuning
        profile = body.profile or self._config.profile
        if profile not in self._config.profiles:
            have = ", ".join(sorted(self._config.profiles))
            raise InputError(f"There is no profile {profile[:64]!r}; there are {have}.")
        recipe = body.recipe or settings.recipe
        numbers = Settings(**body.model_dump(include=set(Settings.model_fields)))
        text = trainer_recipe(self._recipes, recipe, numbers, own_base=not body.profile)
        there: list[Path] = []
        if body.documents or not uploads:
            there = await asyncio.to_thread(
                chosen_documents, self._config.upload_path, body.documents, settings.max_documents
            )
        if len(there) + len(uploads) > settings.max_documents:
            raise InputError(f"More than {settings.max_documents} documents are too many at once.")
        names: list[str] = []
        for upload in uploads:
            names.append(safe_name(upload.filename or "", names))
        job = self._jobs.new(recipe, profile, numbers)
        folder = self._jobs.folder(job)
        try:
            for name, upload in zip(names, uploads, strict=True):
                await _store(upload, folder / "documents" / name)
                there.append(folder / "documents" / name)
            job.documents = [str(path) for path in there]
            (folder / "config.toml").write_text(trainer_config(self._config, profile), encoding="utf-8")
            (folder / "recipe.toml").write_text(text, encoding="utf-8")
            self._jobs.save(job)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return job

    def _resumed(self, job_id: str) -> Job:
        found = next((job for job in self._jobs.all() if job.id == job_id), None)
        if found is None:
            raise InputError(f"There is no job {job_id}.")
        if found.state not in RESUMABLE:
            raise InputError(f"Job {job_id} is {found.state}; only one that did not end well is resumed.")
        found.state, found.error, found.ended_at = "reading", "", None
        self._jobs.save(found)
        return found

    async def _run(self, job: Job) -> None:
        try:
            await Steps(self._config, self._jobs, job).run()
            await self._serve(job)  # before it is called done: whoever reads that may ask at once
            self._end(job, "done", "")
        except UnderstudyError as exc:
            log.warning("fine-tuning %s failed: %s", job.id, type(exc).__name__)
            self._end(job, "failed", str(exc))
        except OSError as exc:
            log.exception("fine-tuning %s failed", job.id)
            self._end(job, "failed", f"The disk refused: {exc.strerror or exc}.")
        except Exception:  # our own bug: the job must not look as if it ran for ever
            log.exception("fine-tuning %s failed", job.id)
            self._end(job, "failed", "Something went wrong; the reason is in the operator's log.")

    def _end(self, job: Job, state: Any, error: str) -> None:
        job.state, job.error, job.ended_at = state, error, datetime.now(UTC)
        job.pid, job.pid_started = 0, ""
        self._jobs.save(job)

    async def _stop(self, state: str, why: str) -> None:
        task, self._task = self._task, None
        if task is None or task.done():
            return
        task.cancel()  # its child is stopped on the way out
        await asyncio.gather(task, return_exceptions=True)
        if self._job is not None and self._job.state in RUNNING:
            self._end(self._job, state, why)

    # --- serving ---------------------------------------------------------------------------

    async def _serve(self, job: Job) -> None:
        """Load a job's adapters beside those of the one before, then let these go."""
        fresh: list[str] = []
        try:
            for made in job.adapters:
                name = f"documents-{job.id}-{made.name}"[:64]
                await self._shelf.load_adapter(self._jobs.folder(job) / made.folder, name, strength=0.0)
                fresh.append(name)
        except AdapterError as exc:
            await self._unload(fresh)
            stands_in = f"job {self._served.id}" if self._served else "the base model"
            self._note = f"The adapter of job {job.id} cannot be served here, {stands_in} answers: {exc}"
            log.warning("fine-tuning %s is not served: %s", job.id, exc)
            return
        old, self._loaded = self._loaded, tuple(fresh)
        self._served, self._note = job, ""
        await self._unload(old)
        log.info("fine-tuning %s is served", job.id)

    async def _unload(self, names: Sequence[str]) -> None:
        for name in names:
            with suppress(ModelError):  # gone already, or the worker is
                await self._shelf.unload_adapter(name)

    async def query(
        self, text: str, *, retrieve: bool = False, max_new_tokens: int | None = None, seed: int | None = None
    ) -> tuple[Result, bool, str]:
        """Answer a question from what was learned.

        Returns:
            the result, whether the base model stood in, and why.

        Raises:
            InputError, BusyError, ModelError: from the engine.
        """
        started = time.perf_counter()
        options = ReplyOptions(
            seed=seed,
            max_new_tokens=max_new_tokens,
            strengths=dict.fromkeys(self._loaded, 1.0),
            retrieve=retrieve,
        )
        self._queries += 1
        fallback, note = not self._loaded, self._note
        async with aclosing(
            self._engine.complete((), text, options, request_id=f"f{self._queries}")
        ) as parts:
            async for part in parts:
                if isinstance(part, Result):
                    self._latencies_ms.append((time.perf_counter() - started) * 1000)
                    return part, fallback, note
        raise ModelError("The answer ended without a result.")

    async def status(self) -> Mapping[str, Any]:
        """State of the newest job with its progress, and what is served."""
        latencies = list(self._latencies_ms)
        return {
            "available": bool(self._loaded),
            "serving": self._served.id if self._served else None,
            "note": self._note,
            "queries": self._queries,
            "median_latency_ms": round(statistics.median(latencies), 1) if latencies else None,
            "job": await asyncio.to_thread(self._describe, self._job) if self._job else None,
        }

    def _describe(self, job: Job) -> dict[str, Any]:
        folder = self._jobs.folder(job)
        kept = job.model_dump(mode="json", exclude={"pid", "pid_started", "documents", "adapters"})
        kept["documents"] = [Path(path).name for path in job.documents]
        kept["adapters"] = [made.model_dump(mode="json", exclude={"folder"}) for made in job.adapters]
        kept["progress"] = read_progress(folder, folder / LOG) if job.state != "reading" else {}
        if job.state == "failed":
            kept["log_tail"] = log_tail(folder / LOG)
        return kept


async def _store(upload: Upload, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        while block := await upload.read(1 << 20):
            file.write(block)
