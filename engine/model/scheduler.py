"""What the model thread does: takes jobs from the mailbox and steps the replies that run.

Requests join and leave between steps, and an error ends only the job that it happened in. All of it
runs on one thread; this module knows nothing of how a model computes or who waits for a job.
"""

from __future__ import annotations

import logging
import queue
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from engine.errors import ModelError, UnderstudyError
from engine.model.jobs import CallJob, GenerateJob, Job
from engine.model.load import out_of_memory
from engine.model.runner import Runner
from engine.model.sequence import Sequence
from engine.types import Chunk

log = logging.getLogger(__name__)

Mailbox = queue.SimpleQueue[Job | None]
_RATE_WINDOW_S = 10.0


class Scheduler:
    """Iteration-level scheduling over one runner.

    Args:
        runner: runs the steps.
        mailbox: where jobs come from; None ends `serve`.
        max_active: replies that run side by side.
        done: called once for every job that took a place in the queue, before its end is delivered.
    """

    def __init__(
        self, runner: Runner, mailbox: Mailbox, max_active: int, done: Callable[[Job], None]
    ) -> None:
        self._runner, self._mailbox, self._max_active, self._done = runner, mailbox, max_active, done
        self._calls: deque[CallJob[Any]] = deque()
        self._waiting: deque[GenerateJob] = deque()
        self._active: list[tuple[GenerateJob, Sequence]] = []
        self._token_times_s: deque[float] = deque(maxlen=512)

    @property
    def active(self) -> int:
        """Replies that run now. From any thread."""
        return len(self._active)

    @property
    def tokens_per_s(self) -> float:
        """Tokens of all replies together, over the last seconds in which any came. From any thread."""
        now = time.perf_counter()
        recent = [at for at in tuple(self._token_times_s) if now - at < _RATE_WINDOW_S]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 else 0.0

    def serve(self) -> None:
        """Work until the sentinel comes; sleep while there is nothing to do."""
        while self._collect():
            if self._calls:  # at most one a round: a flood of decisions does not stop the replies
                self._call(self._calls.popleft())
            self._admit()
            self._round()

    def end_all(self, error: UnderstudyError) -> None:
        """End every job: replies that run with what they have, all others with `error`."""
        for job, sequence in list(self._active):
            self._leave(job, sequence, sequence.cancelled())
        while self._take(block=False):
            pass
        for waiting in (*self._calls, *self._waiting):
            self._fail(waiting, error)
        self._calls.clear()
        self._waiting.clear()

    # --- the mailbox -----------------------------------------------------------------------

    def _collect(self) -> bool:
        """Sort what has come; False once the sentinel has."""
        block = not (self._calls or self._waiting or self._active)
        while (taken := self._take(block)) is True:
            block = False
        return taken is False

    def _take(self, block: bool) -> bool | None:
        """Sort one job: True if there was one, False if none, None for the sentinel."""
        try:
            job = self._mailbox.get(block)
        except queue.Empty:
            return False
        if isinstance(job, CallJob):
            self._calls.append(job)
        elif isinstance(job, GenerateJob):
            self._waiting.append(job)
        return None if job is None else True

    # --- jobs ------------------------------------------------------------------------------

    def _call(self, job: CallJob[Any]) -> None:
        began_s = time.perf_counter()
        if job.cancelled:
            self._release(job)
            return
        try:
            result = job.call(self._runner)
        except Exception as exc:  # whatever it is, it is this job's alone
            self._fail(job, self._explain(job, exc))
            return
        self._release(job)
        job.deliver(result)
        if job.request_id:
            log.info("%s call %.0f ms", job.request_id, (time.perf_counter() - began_s) * 1e3)

    def _admit(self) -> None:
        """Let waiting replies in, oldest first, and forget those that nobody waits for any more."""
        for job in [job for job in self._waiting if job.cancelled]:
            self._waiting.remove(job)
            self._release(job)
        while self._waiting and len(self._active) < self._max_active:
            job = self._waiting.popleft()
            try:
                self._active.append((job, self._runner.open(job.request)))
            except Exception as exc:  # as in _call
                self._fail(job, self._explain(job, exc))

    def _round(self) -> None:
        """One token of every reply: those that are being written together, the others one by one."""
        for job, sequence in [pair for pair in self._active if pair[0].cancelled]:
            self._leave(job, sequence, sequence.cancelled())
        together = self._step_together() if self._runner.batches else ()
        for job, sequence in list(self._active):
            if sequence not in together:
                self._step(job, sequence)

    def _step_together(self) -> list[Sequence]:
        """Step those that are being written by one forward; which they were, none if it failed."""
        jobs = {id(sequence): job for job, sequence in self._active if sequence.writing}
        writing = [sequence for _, sequence in self._active if id(sequence) in jobs]
        if len(writing) < 2 and not any(s.feed.cache is None for s in writing):
            return []
        try:
            ends = self._runner.step_all(writing)
        except Exception as exc:  # whose fault it is shows when each goes on by itself
            log.warning("a step of %d replies failed, each goes on alone: %s", len(writing), exc)
            self._runner.part()
            return []
        for sequence, end in ends:
            self._hand_on(jobs[id(sequence)], sequence, end)
        return writing

    def _step(self, job: GenerateJob, sequence: Sequence) -> None:
        try:
            chunk = self._runner.step(sequence)
        except Exception as exc:  # as in _call
            self._hand_on(job, sequence, exc)
            return
        if chunk is not None:
            self._hand_on(job, sequence, chunk)

    def _hand_on(self, job: GenerateJob, sequence: Sequence, chunk: Chunk | Exception) -> None:
        """Deliver what a step gave, or end the reply with what it raised."""
        if isinstance(chunk, Exception):
            self._leave(job, sequence, self._explain(job, chunk))
            if out_of_memory(chunk):
                self._runner.free_memory()
            return
        now_s = time.perf_counter()
        job.first_token_s = job.first_token_s or now_s
        self._token_times_s.append(now_s)
        if chunk.finish is not None:
            self._leave(job, sequence, chunk)
        elif chunk.text:
            job.deliver(chunk)

    def _leave(self, job: GenerateJob, sequence: Sequence, end: Chunk | UnderstudyError) -> None:
        """Take a reply out, free what it held, and then tell its waiter."""
        self._active.remove((job, sequence))
        self._runner.close(sequence)
        if isinstance(end, UnderstudyError):
            self._fail(job, end)
            return
        self._release(job)
        job.deliver(end)
        now_s = time.perf_counter()
        log.info(
            "%s generate %s: %d + %d tokens, first after %.0f ms, all after %.0f ms",
            job.request_id,
            end.finish,
            end.prompt_tokens,
            end.new_tokens,
            ((job.first_token_s or now_s) - job.made_s) * 1e3,
            (now_s - job.made_s) * 1e3,
        )

    def _fail(self, job: Job, error: UnderstudyError) -> None:
        self._release(job)
        job.fail(error)

    def _release(self, job: Job) -> None:
        """Give its place in the queue free; before delivery, so that its waiter can submit at once."""
        if job.counted:
            self._done(job)

    def _explain(self, job: Job, exc: Exception) -> UnderstudyError:
        """Map what a job raised, once."""
        if isinstance(exc, UnderstudyError):
            return exc
        if out_of_memory(exc):
            error = ModelError(
                "The model ran out of memory; shorten the conversation, or lower max_active or "
                "context_tokens in config.toml."
            )
        else:
            log.error("%s failed", job.request_id, exc_info=exc)
            error = ModelError(f"Generation failed ({type(exc).__name__}); the log has the details.")
        error.__cause__ = exc.with_traceback(None)  # its frames would keep the job's tensors alive
        return error
