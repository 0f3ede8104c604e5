"""A recording of two voices made by espeak-ng, and what is true of it: who says what, and when."""

from __future__ import annotations

import os
import shutil
import subprocess
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ingest.audio import SAMPLE_RATE, Samples, decode_audio
from ingest.speakers import Span

os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # Whisper's alignment would raise torch's threads for good
needs_espeak = pytest.mark.skipif(
    not (shutil.which("espeak-ng") and shutil.which("ffmpeg")),
    reason="espeak-ng and ffmpeg make the recording (apt install espeak-ng ffmpeg)",
)
VOICES = {"ada": "en-us+f3", "bob": "en-gb+m3"}
LINES = (
    ("ada", "Good morning Bob did you sleep well on the boat?"),
    ("bob", "Not at all the river was loud and the wind was cold."),
    ("ada", "Then we should stay in the village until the storm is over."),
    ("bob", "I would like that if there is an inn with a warm stove."),
    ("ada", "There is one behind the mill and they bake their own bread."),
    ("bob", "Lead the way and tell me about the bread while we walk."),
)
_FLOOR = 0.01
"""Quieter than this is the synthesiser's silence before and after a sentence."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A sentence in a recording."""

    speaker: str
    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Told:
    """A recording and its truth."""

    samples: Samples
    turns: tuple[Turn, ...]

    @property
    def spans(self) -> list[Span]:
        return [Span(turn.start_s, turn.end_s, turn.speaker) for turn in self.turns]


def need_voices() -> None:
    """Skip the test where the default diarizer's packages are missing."""
    pytest.importorskip("resemblyzer", reason="make audio, see docs/ingest-audio.md")
    pytest.importorskip("spectralcluster", reason="make audio, see docs/ingest-audio.md")


def say(text: str, voice: str, folder: Path, speed: int = 165) -> Samples:
    """A sentence without the silence around it."""
    path = folder / "said.wav"
    command = ["espeak-ng", "-v", VOICES.get(voice, voice), "-s", str(speed), "-w", str(path), text]
    subprocess.run(command, check=True, capture_output=True)
    samples = decode_audio(path).samples
    loud = np.flatnonzero(np.abs(samples) > _FLOOR)
    return samples[loud[0] : loud[-1] + 1]


def record(lines: Sequence[tuple[str, str]], folder: Path, pause_s: float = 0.4, speed: int = 165) -> Told:
    """Sentences one after the other, with a little noise so that silence is not digital zero."""
    clips = [say(text, voice, folder, speed) for voice, text in lines]
    return joined(lines, clips, pause_s)


def joined(lines: Sequence[tuple[str, str]], clips: Sequence[Samples], pause_s: float) -> Told:
    """Clips one after the other."""
    pause = np.zeros(round(pause_s * SAMPLE_RATE), np.float32)
    parts, turns, at = [pause], [], len(pause)
    for (voice, text), clip in zip(lines, clips, strict=True):
        turns.append(Turn(voice, text, at / SAMPLE_RATE, (at + len(clip)) / SAMPLE_RATE))
        parts += [clip, pause]
        at += len(clip) + len(pause)
    samples = np.concatenate(parts)
    noise = np.random.default_rng(7).normal(0, 0.0005, len(samples))
    return Told((samples + noise).astype(np.float32), tuple(turns))


def write_wav(path: Path, samples: Samples) -> Path:
    """16-bit mono."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def error_rate(truth: Sequence[Span], found: Sequence[Span], step_s: float = 0.01) -> float:
    """Diarization error without a collar: missed, false and confused speech over true speech.

    Labels are matched in the way that makes the error least; the spans of each do not overlap.
    """
    from itertools import permutations

    end = max(s.end_s for s in [*truth, *found])
    count = round(end / step_s) + 1

    def drawn(spans: Sequence[Span], names: Sequence[str]) -> np.ndarray:
        line = np.zeros(count, int)
        for span in spans:
            line[round(span.start_s / step_s) : round(span.end_s / step_s)] = names.index(span.speaker) + 1
        return line

    labels, real = sorted({s.speaker for s in found}), sorted({s.speaker for s in truth})
    a, b = drawn(truth, real), drawn(found, labels)
    least = 1e9
    for order in permutations(range(1, max(len(real), len(labels)) + 1), len(labels)):
        mapped = np.array([0, *order])[b]
        least = min(least, int((mapped != a).sum()))
    return least / int((a > 0).sum())
