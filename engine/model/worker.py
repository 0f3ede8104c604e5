"""The model worker: one named thread owns model, tokenizer, adapters and KV caches.

    asyncio side                         thread "understudy-model"
    generate() ─ GenerateJob ─┐          ┌─ calls (adapters, labels) run between steps
    choose()   ─ CallJob ─────┼─ mailbox ┤
    load_…()   ─ CallJob ─────┘          └─ up to max_active replies, one forward a token for all
        ▲                                     │
        └──── call_soon_threadsafe ───────────┘

Requests join and leave between steps. Cancelling sets a flag that is read before every step. A
sentinel in the mailbox ends the thread. This module knows nothing of prompts or platforms.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from engine.adapters import AdapterFolder, check, open_adapter
from engine.config import ProfileConfig, WorkerConfig
from engine.errors import BusyError, Cancelled, ModelError, UnderstudyError
from engine.model.encoded import runner_for
from engine.model.hashes import ModelHashes
from engine.model.jobs import CallJob, GenerateJob, Job, post, settle
from engine.model.load import LoadedModel, load_model
from engine.model.lora import LoraWeights, read_lora
from engine.model.runner import Runner
from engine.model.scheduler import Mailbox, Scheduler
from engine.model.shelf import Shelf
from engine.types import AdapterInfo, Chunk, GenerationRequest, Prompt, Stack

log = logging.getLogger(__name__)
T = TypeVar("T")

THREAD_NAME = "understudy-model"
_SMALL_MODEL = 50_000_000  # parameters; below, a second CPU thread costs more in waiting than it computes


class ModelWorker:
    """The local Generator.

    Args:
        model_ref: folder or hub id of the base model.
        profile: how it is loaded.
        config: queue size, how many replies run side by side, CPU threads.
    """

    def __init__(self, model_ref: str, profile: ProfileConfig, config: WorkerConfig) -> None:
        self._model_ref, self._profile, self._config = model_ref, profile, config
        self._mailbox: Mailbox = queue.SimpleQueue()
        self._lock = threading.Lock()  # guards _open, _closed and _in_flight
        self._open = self._closed = False
        self._in_flight = 0
        self._thread: threading.Thread | None = None
        self._loaded: LoadedModel | None = None
        self._scheduler: Scheduler | None = None
        self._adapters: tuple[AdapterInfo, ...] = ()  # replaced whole, by the thread

    # --- start and close -------------------------------------------------------------------

    async def start(self) -> None:
        """Load the model on the worker's thread. A started worker is left as it is.

        Raises:
            ModelError: the model cannot be loaded; `start` may be tried again.
        """
        if self._thread is not None:
            return
        if self._closed:
            raise ModelError("The model worker is closed; make a new one.")
        loop = asyncio.get_running_loop()
        started: asyncio.Future[None] = loop.create_future()
        self._thread = threading.Thread(
            target=self._main, args=(loop, started), name=THREAD_NAME, daemon=True
        )
        self._thread.start()
        try:
            await started
        except UnderstudyError:
            self._thread = None
            raise

    async def close(self) -> None:
        """Cancel what runs and waits, end the thread and release the model. Idempotent."""
        with self._lock:
            self._open, self._closed = False, True
            self._mailbox.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    # --- the Generator seam ----------------------------------------------------------------

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Chunk]:
        """Stream a reply; the last chunk has a finish reason. Closing the iterator cancels the job.

        A worker that is closed meanwhile ends a running reply with finish "cancelled" and one that
        was still waiting with Cancelled.

        Raises:
            BusyError: the queue is full.
            InputError: the prompt is empty or too long.
            AdapterError: the stack names an adapter that is not loaded.
            ModelError: generation failed, or the worker is not running.
        """
        job = GenerateJob(request)
        self._submit(job)
        try:
            while True:
                item = await job.inbox.get()
                if isinstance(item, Exception):
                    raise item
                yield item
                if item.finish is not None:
                    return
        finally:
            job.cancelled = True

    async def choose(self, prompt: Prompt, labels: Sequence[str], request_id: str = "") -> tuple[float, ...]:
        """Probabilities of each label as the base model's next words, normalised over the labels.

        Raises:
            BusyError: the queue is full.
            InputError: the prompt is empty or too long.
            ModelError: the labels cannot be told apart, or the worker is not running.
        """
        job = CallJob(lambda runner: runner.choose(prompt.ids, labels), request_id, counted=True)
        return await self._do(job)

    async def score(self, ids: Sequence[int], stack: Stack = ()) -> tuple[float, ...]:
        """Natural log of the probability of each token but the first, given those before it.

        Raises:
            BusyError: the queue is full.
            InputError: there are less than two tokens, or too many.
            AdapterError: the stack names an adapter that is not loaded.
            ModelError: the worker is not running.
        """
        job = CallJob(lambda runner: runner.score(tuple(ids), stack), counted=True)
        return await self._do(job)

    # --- adapters --------------------------------------------------------------------------

    async def load_adapter(
        self, folder: Path, name: str | None = None, *, strength: float = 1.0
    ) -> AdapterInfo:
        """Load an adapter; requests that follow may name it.

        Args:
            folder: PEFT's files and manifest.json.
            name: what to call it; None takes the manifest's name.
            strength: its default strength; at 0 only requests that name it get it.

        Raises:
            AdapterError: a file is missing or damaged, it cannot be served, or the name is taken.
            ManifestMismatch: it was trained on another base, tokenizer or template.
        """
        adapter, weights = await asyncio.to_thread(self._read_adapter, folder)
        info = _info(adapter, name or adapter.manifest.name, strength)
        await self._on_shelf(lambda shelf: shelf.put(info, folder, weights))
        return info

    async def reload_adapter(self, name: str) -> AdapterInfo:
        """Read an adapter's folder again. Replies that run finish with the old weights.

        Raises:
            AdapterError: as `load_adapter`, or it is not loaded; the old version stays then.
        """
        folder = await self._on_shelf(lambda shelf: shelf.folder(name))
        adapter, weights = await asyncio.to_thread(self._read_adapter, folder)
        info = _info(adapter, name)
        return await self._on_shelf(lambda shelf: shelf.swap(info, weights))

    async def unload_adapter(self, name: str) -> None:
        """Unload an adapter. Replies that run finish with it. Raises AdapterError."""
        await self._on_shelf(lambda shelf: shelf.drop(name))

    async def set_strength(self, name: str, value: float) -> AdapterInfo:
        """Set an adapter's default strength, 0..1. Raises AdapterError, InputError."""
        return await self._on_shelf(lambda shelf: shelf.set_strength(name, value))

    def adapters(self) -> tuple[AdapterInfo, ...]:
        """What is loaded, in load order. From any thread."""
        return self._adapters

    def default_stack(self) -> Stack:
        """The stack of a request that asks for nothing special: what is loaded and not off."""
        return tuple((info.name, info.strength) for info in self._adapters if info.strength)

    # --- what it is ------------------------------------------------------------------------

    @property
    def hashes(self) -> ModelHashes:
        """Of the loaded base model. Raises ModelError before `start`."""
        return self._get_loaded().hashes

    @property
    def context_tokens(self) -> int:
        """Longest prompt plus reply. Raises ModelError before `start`."""
        return self._get_loaded().context

    def info(self) -> dict[str, object]:
        """Model, device, queue and speed, for status pages. From any thread."""
        loaded, scheduler = self._loaded, self._scheduler
        active = scheduler.active if scheduler else 0
        return {
            "model": self._model_ref,
            "hash": loaded.base_hash[:12] if loaded else "",
            "device": str(loaded.device) if loaded else "",
            "dtype": str(loaded.dtype).removeprefix("torch.") if loaded else "",
            "quantization": self._profile.quantization,
            "context_tokens": loaded.context if loaded else 0,
            "running": self._open,
            "active": active,
            "queued": max(0, self._in_flight - active),
            "tokens_per_s": round(scheduler.tokens_per_s, 1) if scheduler else 0.0,
        }

    # --- asyncio's side --------------------------------------------------------------------

    def _get_loaded(self) -> LoadedModel:
        if self._loaded is None:
            raise ModelError("The model is not loaded; start the worker first.")
        return self._loaded

    def _submit(self, job: Job) -> None:
        with self._lock:
            if not self._open:
                raise ModelError("The model worker is not running; start the service again.")
            if job.counted:
                if self._in_flight >= self._config.queue_size + self._config.max_active:
                    raise BusyError("Too many requests are waiting; try again in a moment.")
                self._in_flight += 1
            self._mailbox.put(job)

    async def _do(self, job: CallJob[T]) -> T:
        self._submit(job)
        return await job.result()

    async def _on_shelf(self, change: Callable[[Shelf], T]) -> T:
        """Run a change on the thread; `adapters()` shows it before its waiter goes on."""

        def call(runner: Runner) -> T:
            result = change(runner.shelf)
            self._adapters = runner.shelf.infos
            return result

        return await self._do(CallJob(call))

    def _read_adapter(self, folder: Path) -> tuple[AdapterFolder, LoraWeights]:
        """Everything that reads files, so that neither loop nor model thread waits for the disk."""
        loaded = self._get_loaded()
        adapter = open_adapter(folder)
        check(adapter.manifest, loaded.hashes, loaded.ref)
        return adapter, read_lora(adapter)

    # --- the thread's side -----------------------------------------------------------------

    def _main(self, loop: asyncio.AbstractEventLoop, started: asyncio.Future[None]) -> None:
        """The thread: load, serve until the sentinel, end every job."""
        try:
            scheduler = self._load()
        except Exception as exc:
            if not isinstance(exc, UnderstudyError):
                log.exception("the model thread could not start")
                exc = ModelError(f"The model worker cannot start ({type(exc).__name__}: {exc}).")
            post(loop, settle, started, None, exc)
            return
        with self._lock:
            self._open = not self._closed
        post(loop, settle, started, None, None)
        error: UnderstudyError = Cancelled("The service is stopping; the message was not answered.")
        try:
            scheduler.serve()
        except Exception as exc:  # our own bug: nobody may wait for ever because of it
            log.exception("the model thread ended")
            error = ModelError(f"The model worker failed ({type(exc).__name__}); start the service again.")
        finally:
            with self._lock:
                self._open = False
            scheduler.end_all(error)
            self._scheduler = self._loaded = None

    def _load(self) -> Scheduler:
        loaded = load_model(self._model_ref, self._profile)
        threads = self._config.threads
        if not threads and loaded.device.type == "cpu" and _parameters(loaded) < _SMALL_MODEL:
            threads = 1
        if threads:
            torch.set_num_threads(threads)
        self._scheduler = Scheduler(
            runner_for(loaded), self._mailbox, self._config.max_active, self._count_out
        )
        self._loaded = loaded
        return self._scheduler

    def _count_out(self, job: Job) -> None:
        with self._lock:
            self._in_flight -= 1


def _parameters(loaded: LoadedModel) -> int:
    return sum(parameter.numel() for parameter in loaded.model.parameters())


def _info(adapter: AdapterFolder, name: str, strength: float = 1.0) -> AdapterInfo:
    manifest = adapter.manifest
    return AdapterInfo(name, manifest.weights_hash[:12], manifest.rank, strength, manifest.phase)
