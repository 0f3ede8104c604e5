"""Who-sounds-like-whom without a download: speech regions by WebRTC, voices by Resemblyzer.

    samples ──speech_regions──► regions ──VoiceEncoder──► one vector of length 1 every `STEP_S`

Both come in their wheels, weights included. Knows nothing of speakers or names.
Source: Wan et al. 2018, Generalized End-to-End Loss for Speaker Verification, https://arxiv.org/abs/1710.10467
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import ConfigError, ModelError
from ingest.audio import SAMPLE_RATE, Samples
from ingest.optional import load

Vectors = NDArray[np.float32]

STEP_S = 0.2
"""Seconds from one vector to the next."""
WINDOW_S = 1.6
"""Seconds that a vector is made of; what Resemblyzer was trained on."""
_FRAME_S = 0.03
_HOP_S = 0.01  # of the encoder's spectrogram
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Region:
    """Somebody speaks, without a pause worth the name."""

    start_s: float
    end_s: float


def speech_regions(samples: Samples, *, pause_s: float = 0.21, shortest_s: float = 0.12) -> list[Region]:
    """Where somebody speaks.

    Args:
        samples: (N,) float32, 16 kHz.
        pause_s: silence that ends a region.
        shortest_s: less than this is a click.
    """
    webrtcvad = load("webrtcvad", "Diarizing", extra="audio")
    vad = webrtcvad.Vad(3)
    frame = round(_FRAME_S * SAMPLE_RATE)
    pcm = (np.clip(_levelled(samples), -1, 1) * 32767).astype("<i2")
    spoken = [
        vad.is_speech(pcm[i : i + frame].tobytes(), SAMPLE_RATE)
        for i in range(0, len(pcm) - frame + 1, frame)
    ]
    found: list[list[int]] = []
    for i in np.flatnonzero(spoken).tolist():
        if found and (i - found[-1][1]) * _FRAME_S < pause_s:
            found[-1][1] = i + 1
        else:
            found.append([i, i + 1])
    trimmed = [_trimmed(samples, first * frame, last * frame) for first, last in found]
    return [region for region in trimmed if region.end_s - region.start_s >= shortest_s]


def _levelled(samples: Samples) -> Samples:
    """Quiet recordings made louder, so that the detector hears them; loud ones as they are."""
    loud = float(np.percentile(np.abs(samples[:: max(1, len(samples) // 1_000_000)]), 99))
    return samples * np.float32(min(20.0, max(1.0, 0.3 / max(loud, 1e-6))))


def _trimmed(samples: Samples, first: int, last: int) -> Region:
    """The detector lags behind an end by a tenth of a second; the loudness does not."""
    hop = round(_HOP_S * SAMPLE_RATE)
    part = samples[first:last]
    frames = part[: len(part) // hop * hop].reshape(-1, hop)
    level = np.sqrt((frames**2).mean(axis=1))
    loud = np.flatnonzero(level > 0.02 * level.max())
    start, end = first + int(loud[0]) * hop, first + (int(loud[-1]) + 1) * hop
    return Region(start / SAMPLE_RATE, end / SAMPLE_RATE)


class VoiceEncoder:
    """Speech to vectors of length 1 whose product is near 1 for one voice, about 0.6 for two."""

    def __init__(self) -> None:
        try:
            module = load("resemblyzer", "Telling voices apart", extra="audio")
        except ConfigError as exc:  # it asks for a package that must be compiled, so the extra leaves it out
            raise ConfigError(f"{exc} and: pip install --no-deps resemblyzer") from exc
        try:
            self._model: Any = module.VoiceEncoder("cpu", verbose=False)
        except Exception as exc:  # the package raises bare exceptions
            raise ModelError(f"Resemblyzer's weights cannot be loaded: {exc}; install it again.") from exc
        self._mels: Any = load("resemblyzer.audio", "Telling voices apart", extra="audio")

    def along(self, samples: Samples, region: Region) -> tuple[NDArray[np.float64], Vectors]:
        """Vectors along a region.

        Returns:
            (T,) seconds of the middles, `STEP_S` apart; (T, 256) vectors. A window reaches no further
            than the region; where that leaves it short, its speech is repeated.
        """
        part = samples[round(region.start_s * SAMPLE_RATE) : round(region.end_s * SAMPLE_RATE)]
        mel = self._mels.wav_to_mel_spectrogram(_loud(part))  # (F, 40), a frame each 10 ms
        count = max(1, round((region.end_s - region.start_s) / STEP_S))
        step = len(mel) / count
        middles = [(i + 0.5) * step for i in range(count)]
        half = round(WINDOW_S / _HOP_S / 2)
        windows = [
            np.resize(mel[max(0, round(m) - half) : round(m) + half], (2 * half, mel.shape[1]))
            for m in middles
        ]
        times = region.start_s + np.asarray(middles) / len(mel) * (region.end_s - region.start_s)
        return times, self._vectors(windows)

    def _vectors(self, windows: Sequence[Vectors]) -> Vectors:
        import torch

        with one_thread(), torch.inference_mode():
            parts = [
                self._model(torch.from_numpy(np.stack(windows[i : i + _BATCH]))).numpy()
                for i in range(0, len(windows), _BATCH)
            ]
        return np.concatenate(parts)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """A net this small gains nothing by threads, and beside a busy process they wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def mean_voice(vectors: Vectors) -> Vectors:
    """(256,) the direction in which the vectors (T, 256) point together; length 1."""
    mean = vectors.mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)


def _loud(part: Samples) -> Samples:
    """At least -30 dBFS, as the encoder was trained."""
    rms = float(np.sqrt(np.mean(part**2))) if len(part) else 0.0
    return part * np.float32(max(1.0, 10 ** (-30 / 20) / max(rms, 1e-6)))
