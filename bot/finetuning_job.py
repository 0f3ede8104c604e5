"""What a fine-tuning was asked for, how far it is, and where that is kept.

    data/fine-tuning/<job id>/
      job.json         this module's Job, rewritten whole at every change
      documents/       what was uploaded with the request
      text/            every document as Markdown
      pairs.jsonl      the training set
      config.toml, recipe.toml     what the trainer is run with
      adapters/        what it makes
      log.txt          stderr of every step

A job's files outlive the process; whether it runs is not written here but known by who runs it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import StorageError

State = Literal["reading", "building", "training", "done", "failed", "interrupted", "cancelled"]
RUNNING: tuple[State, ...] = ("reading", "building", "training")
RESUMABLE: tuple[State, ...] = ("failed", "interrupted", "cancelled")
JOB_ID = r"^\d{8}-\d{6}-[0-9a-f]{6}$"
NAME = r"^[a-z0-9][a-z0-9_.-]{0,63}$"


class Settings(BaseModel):
    """Numbers of the recipe that a request may change; None leaves the recipe's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int | None = Field(None, ge=1, le=100)
    learning_rate: float | None = Field(None, gt=0.0, le=1.0, allow_inf_nan=False)
    batch_size: int | None = Field(None, ge=1, le=256)
    accumulation: int | None = Field(None, ge=1, le=256)
    max_length: int | None = Field(None, ge=32, le=32_768)
    rank: int | None = Field(None, ge=1, le=256)
    alpha: float | None = Field(None, gt=0.0, le=1024.0, allow_inf_nan=False)


class SetupBody(Settings):
    """The body of POST /fine-tuning/setup; as a form its fields go beside the files."""

    documents: list[str] = Field([], max_length=1000)
    """Files or folders inside the upload folder; empty takes all that is there."""
    recipe: str = Field("", pattern=rf"^$|{NAME}")
    profile: str = Field("", max_length=64)
    """A profile of config.toml: the base model to train on."""
    resume: str = Field("", pattern=rf"^$|{JOB_ID}")
    """A job that was interrupted, failed or was cancelled; nothing else is read then."""


class Made(BaseModel):
    """One adapter that came out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    folder: str
    """Relative to the job's folder."""
    held_out_loss_before: float | None = None
    held_out_loss: float | None = None


class Job(BaseModel):
    """One fine-tuning."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=JOB_ID)
    state: State = "reading"
    created_at: datetime
    ended_at: datetime | None = None
    documents: list[str] = []
    """Paths of what is learned from."""
    refused: list[str] = []
    """What could not be read, with the reason."""
    recipe: str
    profile: str
    settings: Settings = Settings()
    pairs: int = 0
    adapters: list[Made] = []
    error: str = ""
    pid: int = 0
    pid_started: str = ""


class Jobs:
    """The jobs on disk.

    Args:
        root: their folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, job: Job) -> Path:
        """A job's folder."""
        return self._root / job.id

    def new(self, recipe: str, profile: str, settings: Settings) -> Job:
        """A job with an empty folder of its own. Raises StorageError."""
        now = datetime.now(UTC)
        job = Job(
            id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
            created_at=now,
            recipe=recipe,
            profile=profile,
            settings=settings,
        )
        self.save(job)
        return job

    def save(self, job: Job) -> None:
        """Write job.json whole or not at all. Raises StorageError."""
        path = self.folder(job) / "job.json"
        draft = path.with_suffix(".tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(job.model_dump_json(indent=2) + "\n", encoding="utf-8")
            draft.replace(path)
        except OSError as exc:
            raise StorageError(f"{path} cannot be written: {exc.strerror or exc}.") from exc

    def all(self) -> Sequence[Job]:
        """Every readable job, oldest first; damaged ones are left where they are."""
        jobs = []
        for path in sorted(self._root.glob("*/job.json")):
            try:
                jobs.append(Job.model_validate_json(path.read_text(encoding="utf-8")))
            except (OSError, UnicodeDecodeError, ValidationError):
                continue
        return sorted(jobs, key=lambda job: job.created_at)
