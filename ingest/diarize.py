"""Who speaks when: diarizers behind one seam, and the default that needs no download.

    regions ──► voice vectors ──spectral clustering──► speakers ──smoothing──► spans

Other diarizers stand in `ingest.diarizers`. Knows nothing of words or names: speakers are
`SPEAKER_00`, `SPEAKER_01`, … in the order in which they first speak.
Source: Wang et al. 2018, Speaker Diarization with LSTM, https://arxiv.org/abs/1710.10468
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from ingest.audio import SAMPLE_RATE, Samples
from ingest.optional import load
from ingest.speakers import Span
from ingest.voices import STEP_S, Region, Vectors, VoiceEncoder, mean_voice, speech_regions

log = logging.getLogger(__name__)

Labels = NDArray[np.int64]

_SPEAKER_S = 5.0
"""Speech that a speaker needs on average before there can be one more."""
_SNAP_S = 0.4
"""A change of speaker is looked for this far around where the voices say it is."""


class Diarizer(Protocol):
    """Tells who speaks when."""

    def diarize(self, samples: Samples, sample_rate: int) -> list[Span]:
        """Spans in order of start; speakers may overlap.

        Args:
            samples: (N,) float32, mono.
            sample_rate: samples a second.

        Raises:
            InputError: nobody speaks.
        """
        ...


@dataclass(frozen=True, slots=True)
class VoiceOptions:
    """Settings of the default diarizer."""

    speakers: int = 0
    """How many; 0 means it is found out."""
    max_speakers: int = 8
    same_voice: float = 0.76
    """Clusters whose mean voices are this similar are one speaker."""
    switch_cost: float = 0.3
    """Similarity that a change of speaker must gain, against flicker."""
    join_s: float = 0.5
    """A pause of one speaker shorter than this does not end a span."""
    max_points: int = 1500
    """Vectors that are clustered; of a longer recording every n-th, evenly."""


class VoiceDiarizer:
    """The default: WebRTC's speech detector, Resemblyzer's voices, spectral clustering."""

    def __init__(
        self,
        options: VoiceOptions | None = None,
        encoder: VoiceEncoder | None = None,
        progress: Callable[[float], None] = lambda done: None,
    ) -> None:
        self._options = options or VoiceOptions()
        self._encoder = encoder or VoiceEncoder()
        self._progress = progress

    def diarize(self, samples: Samples, sample_rate: int) -> list[Span]:
        if sample_rate != SAMPLE_RATE:
            raise InputError(f"The recording has {sample_rate} samples a second; {SAMPLE_RATE} are needed.")
        began = time.perf_counter()
        regions = speech_regions(samples)
        if not regions:
            raise InputError("Nobody speaks in it, as far as the speech detector hears.")
        heard = []
        for region in regions:
            heard.append(self._encoder.along(samples, region))
            self._progress(region.end_s / (len(samples) / sample_rate))
        voices = self._speakers(np.concatenate([vectors for _, vectors in heard]))
        spans = [
            span
            for region, (times, vectors) in zip(regions, heard, strict=True)
            for span in self._spans(samples, region, times, vectors @ voices.T)
        ]
        named = in_order(joined(spans, self._options.join_s))
        log.info(
            "diarize spans=%d speakers=%d ms=%.0f",
            len(named),
            len({s.speaker for s in named}),
            (time.perf_counter() - began) * 1000,
        )
        return named

    def _speakers(self, vectors: Vectors) -> Vectors:
        """Mean voices (K, 256) of the speakers."""
        options = self._options
        points = vectors[:: -(-len(vectors) // options.max_points)]
        labels = _clustered(points, options)
        if not options.speakers:
            labels = merged(points, labels, options.same_voice)
        return np.stack([mean_voice(points[labels == k]) for k in np.unique(labels)])

    def _spans(
        self, samples: Samples, region: Region, times: NDArray[np.float64], scores: NDArray[np.float32]
    ) -> list[Span]:
        path = best_path(scores, self._options.switch_cost)
        turns = [i for i in range(1, len(path)) if path[i] != path[i - 1]]
        edges = [region.start_s, *(quietest(samples, (times[i] + times[i - 1]) / 2) for i in turns)]
        return [
            Span(start, end, str(path[i]))
            for start, end, i in zip(edges, [*edges[1:], region.end_s], [0, *turns], strict=True)
            if end > start
        ]


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


def _clustered(points: Vectors, options: VoiceOptions) -> Labels:
    """A label for each vector, by spectral clustering; too few vectors are one speaker."""
    library: Any = load("spectralcluster", "Telling speakers apart", extra="audio")
    enough = max(2, round(len(points) * STEP_S / _SPEAKER_S))  # little speech cannot show many voices
    most = options.speakers or min(options.max_speakers, enough)
    if most < 2 or len(points) < 2 * most:
        return np.zeros(len(points), np.int64)
    clusterer = library.SpectralClusterer(
        min_clusters=options.speakers or 2,  # `merged` finds out whether they are one
        max_clusters=most,
        refinement_options=library.RefinementOptions(
            gaussian_blur_sigma=1,
            p_percentile=0.95,
            thresholding_soft_multiplier=0.01,
            thresholding_type=library.ThresholdType.RowMax,
            refinement_sequence=library.ICASSP2018_REFINEMENT_SEQUENCE,
        ),
        custom_dist="cosine",
    )
    return np.asarray(clusterer.predict(points.astype(np.float64)), np.int64)


def merged(points: Vectors, labels: Labels, same_voice: float) -> Labels:
    """Labels after the two most similar clusters were made one, over and over while they are similar."""
    labels = labels.copy()
    while len(kinds := np.unique(labels)) > 1:
        voices = np.stack([mean_voice(points[labels == kind]) for kind in kinds])
        alike = voices @ voices.T - 2 * np.eye(len(kinds), dtype=np.float32)
        one, other = np.unravel_index(int(alike.argmax()), alike.shape)
        if alike[one, other] < same_voice:
            break
        labels[labels == kinds[other]] = kinds[one]
    return labels


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


def joined(spans: Sequence[Span], pause_s: float) -> list[Span]:
    """Neighbours of one speaker made one when the pause between them is short."""
    out: list[Span] = []
    for span in spans:
        if out and out[-1].speaker == span.speaker and span.start_s - out[-1].end_s < pause_s:
            out[-1] = replace(out[-1], end_s=span.end_s)
        else:
            out.append(span)
    return out


def in_order(spans: Sequence[Span]) -> list[Span]:
    """The same spans by time, speakers named `SPEAKER_00`, `SPEAKER_01`, … as they first speak."""
    names: dict[str, str] = {}
    ordered = sorted(spans, key=lambda s: (s.start_s, s.end_s))
    for span in ordered:
        names.setdefault(span.speaker, f"SPEAKER_{len(names):02}")
    return [replace(span, speaker=names[span.speaker]) for span in ordered]
