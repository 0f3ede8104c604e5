"""Other `understudy` commands as processes of their own, watched by the service.

A child has its own process group, a low priority, a log file for its stderr, and none of the
service's tokens. It ends with the service; what a killed service left running is recognised by
process id and start time, so that no stranger is ever stopped. This module knows no command.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ModelError
from engine.secrets import DISCORD_NAMES, NEWSAPI_NAMES, TELEGRAM_NAMES

log = logging.getLogger(__name__)

GRACE_S = 10.0
"""After SIGTERM, before SIGKILL: time to finish writing a checkpoint."""
NICENESS = 10
STDOUT_BYTES = 8_000_000


@dataclass(frozen=True, slots=True)
class Mark:
    """Which process it is: a number that the system gives again, and when it began."""

    pid: int
    started: str
    """The start time in the kernel's ticks; empty where the system does not tell."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended."""

    status: int
    result: Mapping[str, Any]
    """The object that it printed; empty when it printed none."""


class Child:
    """One running command.

    Args:
        arguments: after `understudy`.
        log_path: its stderr is appended here.
    """

    def __init__(self, arguments: Sequence[str], log_path: Path) -> None:
        self._arguments = tuple(arguments)
        self._log_path = log_path
        self._process: asyncio.subprocess.Process | None = None

    @property
    def mark(self) -> Mark:
        """Who it is, once it runs."""
        pid = self._process.pid if self._process else 0
        return Mark(pid, start_time(pid))

    async def start(self) -> None:
        """Start the process. Raises ModelError when the system refuses."""
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._log_path.open("ab") as log_file:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "bot.cli",
                    *self._arguments,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log_file,
                    env=child_env(),
                    limit=STDOUT_BYTES,
                    start_new_session=True,
                )
        except OSError as exc:
            raise ModelError(f"The process could not be started: {exc.strerror or exc}.") from exc
        with suppress(OSError, AttributeError):  # a courtesy to the replies, not a need
            os.setpriority(os.PRIO_PROCESS, self._process.pid, NICENESS)

    async def wait(self) -> Ended:
        """Wait until it ends; cancelling stops it."""
        process = self._process
        if process is None:
            raise RuntimeError("start comes first")
        try:
            out, _ = await process.communicate()
        except asyncio.CancelledError:
            await self.stop()
            raise
        return Ended(process.returncode or 0, _last_object(out))

    async def stop(self) -> None:
        """End it and whatever it started: asked first, then made to. Idempotent."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        _signal_group(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), GRACE_S)
        except TimeoutError:
            _signal_group(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
            await process.wait()


async def stop_orphan(mark: Mark, grace_s: float = GRACE_S) -> bool:
    """End a child that a killed service left behind; whether there was one."""
    if not alive(mark):
        return False
    log.warning("process %d of a stopped service still runs, ending it", mark.pid)
    _signal_group(mark.pid, signal.SIGTERM)
    for _ in range(int(grace_s / 0.1)):
        if not alive(mark):
            return True
        await asyncio.sleep(0.1)
    _signal_group(mark.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    return True


def alive(mark: Mark) -> bool:
    """Whether this very process still runs; False where that cannot be told."""
    return bool(mark.pid and mark.started) and start_time(mark.pid) == mark.started


def start_time(pid: int) -> str:
    """When a process began, in the kernel's ticks since boot; empty for none, a zombie, or no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()  # the name before it may hold blanks and brackets
    return "" if len(fields) < 20 or fields[0] == "Z" else fields[19]


def child_env() -> dict[str, str]:
    """The environment without the service's tokens; commands that need one read it from .env."""
    secret = {*DISCORD_NAMES, *TELEGRAM_NAMES, *NEWSAPI_NAMES}
    return {name: value for name, value in os.environ.items() if name not in secret}


def log_tail(path: Path, lines: int = 5, chars: int = 1000) -> str:
    """The end of a child's log, for people; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 20_000))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    rows = [row.strip() for row in text.replace("\r", "\n").split("\n") if row.strip()]
    return "\n".join(rows[-lines:])[-chars:]


def _signal_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(pid, number)  # start_new_session made the child its group's leader
        else:
            os.kill(pid, number)


def _last_object(out: bytes) -> dict[str, Any]:
    for line in reversed(out.decode("utf-8", "replace").splitlines()):
        if line.lstrip().startswith("{"):
            with suppress(ValueError):
                value = json.loads(line)
                return value if isinstance(value, dict) else {}
    return {}
