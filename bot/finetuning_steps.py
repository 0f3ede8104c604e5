"""The steps of a fine-tuning: read the documents, make the training set, train.

Each is an `understudy` command in a process of its own. A step whose result is there is skipped, so
that a job that was interrupted goes on where it stopped; the trainer resumes by its own checkpoints.
This module knows nothing of requests, or of how an adapter is served.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.child import Child, Ended, log_tail
from bot.finetuning_job import Job, Jobs, Made, State
from engine.config import Config
from engine.errors import InputError, ModelError

log = logging.getLogger(__name__)

TEXT, PAIRS, ADAPTERS, LOG = "text", "pairs.jsonl", "adapters", "log.txt"


class Steps:
    """Runs one job.

    Args:
        config: names the persona.
        jobs: where the job is kept.
        job: what to do; it is changed and saved as it goes.
    """

    def __init__(self, config: Config, jobs: Jobs, job: Job) -> None:
        self._config = config
        self._jobs = jobs
        self._job = job
        self._folder = jobs.folder(job)

    async def run(self) -> None:
        """Everything, to the end; cancelling stops the step's process.

        Raises:
            InputError, ModelError: with what to mend.
        """
        await self._read()
        await self._build()
        await self._train()

    async def _read(self) -> None:
        if any((self._folder / TEXT).glob("*.md")):
            return
        draft = self._folder / f"{TEXT}.part"
        shutil.rmtree(draft, ignore_errors=True)
        ended = await self._step(
            "reading", "ingest", "documents", *self._job.documents, "--into", str(draft), "--json"
        )
        self._job.refused = [
            line for line in log_tail(self._folder / LOG, 1000, 50_000).splitlines() if "refused:" in line
        ]
        if not ended.result.get("counts", {}).get("documents"):  # its status is 1 when only one is refused
            raise InputError(f"No document could be read. {self._why(ended)}")
        draft.rename(self._folder / TEXT)

    async def _build(self) -> None:
        if (self._folder / PAIRS).is_file() and self._job.pairs:
            return
        pairs = str(self._folder / PAIRS)
        ended = await self._step(
            "building", "train", "documents", str(self._folder / TEXT), "--out", pairs, "--json"
        )
        self._job.pairs = int(ended.result.get("pairs", 0))
        if not self._job.pairs:
            raise InputError(f"No training set could be made. {self._why(ended)}")

    async def _train(self) -> None:
        folder = self._folder
        ended = await self._step(
            "training", "train", "persona", str(self._config.persona_path),
            "--pairs", str(folder / PAIRS), "--recipe", str(folder / "recipe.toml"),
            "--out", str(folder / ADAPTERS), "--json",
        )  # fmt: skip
        if ended.status:
            raise ModelError(f"The training failed. {self._why(ended)}")
        self._job.adapters = [_made(phase, folder) for phase in ended.result.get("phases", [])]
        if not self._job.adapters:
            raise ModelError("The training ended without an adapter; see the job's log.txt.")

    async def _step(self, state: State, *arguments: str) -> Ended:
        child = Child(["--config", str(self._folder / "config.toml"), *arguments], self._folder / LOG)
        await child.start()
        self._job.state = state
        self._job.pid, self._job.pid_started = child.mark.pid, child.mark.started
        self._jobs.save(self._job)
        log.info("job %s: %s", self._job.id, state)
        ended = await child.wait()
        self._job.pid, self._job.pid_started = 0, ""
        return ended

    def _why(self, ended: Ended) -> str:
        error = ended.result.get("error")
        return str(error) if error else log_tail(self._folder / LOG, 3)


def _made(phase: Mapping[str, Any], folder: Path) -> Made:
    where = Path(str(phase["folder"]))
    losses = [x for x in phase.get("eval_loss", []) if isinstance(x, int | float)]
    before = phase.get("start_loss")
    return Made(
        name=str(phase["phase"]),
        folder=where.relative_to(folder).as_posix() if where.is_absolute() else where.as_posix(),
        held_out_loss_before=float(before) if isinstance(before, int | float) else None,
        held_out_loss=min([*losses, before]) if losses and isinstance(before, int | float) else None,
    )
