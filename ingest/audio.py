"""Recordings to samples: ffmpeg decodes whatever it knows to 16 kHz mono.

Knows nothing of speech.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import ConfigError, InputError

log = logging.getLogger(__name__)

SAMPLE_RATE = 16_000
"""Samples a second; what Whisper and the voice encoder were trained on."""
MAX_HOURS = 6.0
"""Longer recordings are refused: an hour of samples takes 230 MB of memory."""

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Recording:
    """A decoded file."""

    samples: Samples
    """(N,) float32, -1..1, 16 kHz."""
    complaint: str = ""
    """What ffmpeg found damaged in a file that it could decode all the same."""

    @property
    def length_s(self) -> float:
        """Seconds."""
        return len(self.samples) / SAMPLE_RATE


def decode_audio(path: Path, *, max_hours: float = MAX_HOURS, ffmpeg: str = "ffmpeg") -> Recording:
    """The first sound track of a file; stereo is mixed down.

    Args:
        ffmpeg: the program's name or path.

    Raises:
        ConfigError: ffmpeg is not installed.
        InputError: the file is missing, is no recording, is silent, or is longer than allowed.
    """
    if not path.is_file():
        raise InputError(f"{path} is no file.")
    began = time.perf_counter()
    raw, complaint = _run(path, ffmpeg, max_hours)
    samples = np.frombuffer(raw[: len(raw) // 4 * 4], dtype="<f4").astype(np.float32)
    if not len(samples):
        raise InputError(f"{path} holds no sound. {complaint}".strip())
    if not np.isfinite(samples).all():
        raise InputError(f"{path} decodes to samples that are no numbers; convert it to WAV or FLAC first.")
    if len(samples) > max_hours * 3600 * SAMPLE_RATE:
        raise InputError(f"{path} is longer than {max_hours:g} hours; cut it into parts.")
    if not samples.any():
        raise InputError(f"{path} is silent from beginning to end.")
    log.info("decode seconds=%.1f ms=%.0f", len(samples) / SAMPLE_RATE, (time.perf_counter() - began) * 1000)
    return Recording(samples, complaint)


def _run(path: Path, ffmpeg: str, max_hours: float) -> tuple[bytes, str]:
    program = shutil.which(ffmpeg)
    if program is None:
        raise ConfigError(
            f"{ffmpeg} is not installed, and recordings cannot be decoded without it; "
            "install it (Debian: apt install ffmpeg)."
        )
    command = [program, "-nostdin", "-hide_banner", "-loglevel", "error"]
    # only files: a playlist among the inputs must not make ffmpeg fetch anything
    command += ["-protocol_whitelist", "file", "-i", f"file:{path}", "-map", "0:a:0", "-vn", "-sn", "-dn"]
    command += ["-t", f"{max_hours * 3600 + 1:.0f}", "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "f32le", "-"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError as exc:
        raise ConfigError(f"{program} cannot be started: {exc.strerror or exc}.") from exc
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    complaint = said[-1].replace(f"file:{path}", path.name)[:200] if said else ""
    if done.returncode:
        raise InputError(f"{path} cannot be decoded; it is damaged or no recording (ffmpeg: {complaint}).")
    return done.stdout, complaint


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises InputError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}.") from exc
