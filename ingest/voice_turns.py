"""Where one voice gives way to another within speech that has no pause.

    vectors along a region ──similarity to each voice──► best path ──nearest dip of loudness──► pieces

Knows nothing of how many voices there are or whose they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.audio import SAMPLE_RATE, Samples
from ingest.voices import Region, Vectors

_SNAP_S = 0.4
"""A change of speaker is looked for this far around where the voices say it is."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A region of speech and the voice along it."""

    region: Region
    times: NDArray[np.float64]
    """(T,) seconds."""
    vectors: Vectors
    """(T, 256) of length 1."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a region in which one voice speaks."""

    region: Region
    voice: int


def pieces(samples: Samples, heard: Heard, voices: Vectors, switch_cost: float) -> Iterator[Piece]:
    """The region cut where the voice changes.

    Args:
        samples: (N,) float32, 16 kHz, of the recording.
        heard: the region, and the voice along it.
        voices: (K, 256) mean voices of the speakers.
        switch_cost: see `best_path`.
    """
    times = heard.times
    path = best_path(heard.vectors @ voices.T, switch_cost)
    turns = [i for i in range(1, len(path)) if path[i] != path[i - 1]]
    edges = [heard.region.start_s, *(quietest(samples, (times[i] + times[i - 1]) / 2) for i in turns)]
    for start_s, end_s, i in zip(edges, [*edges[1:], heard.region.end_s], [0, *turns], strict=True):
        if end_s > start_s:
            yield Piece(Region(start_s, end_s), path[i])


def quietest(samples: Samples, at_s: float, around_s: float = _SNAP_S) -> float:
    """The middle of the quietest 40 ms near a time: speakers change in a dip more often than in a vowel."""
    hop = SAMPLE_RATE // 100
    first = max(0, round((at_s - around_s) * SAMPLE_RATE))
    part = samples[first : first + round(2 * around_s * SAMPLE_RATE)]
    energy = (part[: len(part) // hop * hop].reshape(-1, hop) ** 2).mean(axis=1)
    if len(energy) < 4:
        return at_s
    smooth = np.convolve(energy, np.full(4, 0.25), "valid")
    return float((first + (int(smooth.argmin()) + 2) * hop) / SAMPLE_RATE)


def best_path(scores: NDArray[np.float32], switch_cost: float) -> list[int]:
    """The speaker at each step that makes the sum of scores, less the cost of changes, greatest.

    Args:
        scores: (T, K) similarity of each step to each speaker.
    """
    best = scores[0].astype(np.float64)
    back: list[NDArray[np.int64]] = []
    for row in scores[1:]:
        leap = int(best.argmax())
        stays = best >= best[leap] - switch_cost
        back.append(np.where(stays, np.arange(len(best)), leap))
        best = np.where(stays, best, best[leap] - switch_cost) + row
    path = [int(best.argmax())]
    for came in reversed(back):
        path.append(int(came[path[-1]]))
    return path[::-1]
