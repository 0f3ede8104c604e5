"""How many voices there are, and what each sounds like.

    vectors ──K clusters──► cuts where the voice changes ──listened to again, piece by piece──►
            ──K clusters──► are they further apart than one voice is wide? then K voices

A vector of 1.6 s that reaches over a change of speaker is a mixture, and mixtures fill the gap that
would tell two voices from one. So speech is cut first and judged afterwards. One voice that is cut in
two gives parts that touch each other; two voices leave a gap. `separation` measures it in widths of
the parts, which needs no threshold of similarity and holds for voices near to and far from each other.
Knows nothing of turns or words.
Source: Wang et al. 2018, Speaker Diarization with LSTM, https://arxiv.org/abs/1710.10468
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.audio import Samples
from ingest.optional import load
from ingest.voice_turns import Heard, pieces
from ingest.voices import STEP_S, Region, Vectors, mean_voice

Labels = NDArray[np.int64]
Listen = Callable[[Region], Heard]

_SPEAKER_S = 5.0
"""Speech that a speaker needs on average before there can be one more."""
_SHORTEST_S = 0.6
"""Pieces shorter than this tell little of a voice."""
_PATIENCE = 2
"""More numbers of voices that are tried after one that holds."""
_FEW = 20
"""So many vectors (4 s of speech) are few for a cluster."""
_KEPT = 0.9
"""Of each row of similarities all but this part is set to nearly nothing before clustering."""


def find_voices(
    samples: Samples,
    heard: Sequence[Heard],
    listen: Listen,
    *,
    speakers: int,
    most: int,
    gap: float,
    switch_cost: float,
    max_points: int,
) -> Vectors:
    """Mean voices (K, 256) of the speakers.

    Args:
        samples: (N,) float32, 16 kHz, of the recording.
        heard: all its speech.
        listen: hears a part of it anew.
        speakers: how many; 0 means it is found out.
        most: never more than this.
        gap: least `separation` of two voices.
        switch_cost: see `best_path`.
        max_points: vectors that are clustered; of a longer recording every n-th region.
    """
    total = sum(len(h.vectors) for h in heard)
    part = heard[:: -(-total // max_points)]
    points = _points(part, max_points)
    enough = max(2, round(len(points) * STEP_S / _SPEAKER_S))  # little speech cannot show many voices
    counts = [speakers] if speakers else range(2, min(most, enough) + 1)
    found = points, np.zeros(len(points), np.int64)
    held = 1
    for count in counts:
        if (count > held + _PATIENCE and not speakers) or len(points) < 2 * count or count < 2:
            break
        cut = _cut(samples, part, _voices(points, clustered(points, count)), listen, switch_cost)
        pure = _points(cut, max_points) if cut else points
        labels = clustered(pure, count)
        if speakers or separation(pure, labels) >= gap:
            found, held = (pure, labels), count
    return _voices(*found)


def separation(points: Vectors, labels: Labels) -> float:
    """The distance between the two clusters that are nearest to each other, in their own widths.

    Along the line between two means: the distance of the means over the standard deviation around
    them, less where a cluster is small, since few vectors leave gaps by chance. Halves of one voice
    reach about 5, two voices 6 and more.
    """
    kinds = np.unique(labels)
    gaps = [
        _gap(points[labels == one], points[labels == other])
        for i, one in enumerate(kinds)
        for other in kinds[i + 1 :]
    ]
    return min(gaps, default=float("inf"))


def _gap(one: Vectors, other: Vectors) -> float:
    line = one.mean(axis=0) - other.mean(axis=0)
    line = line / max(float(np.linalg.norm(line)), 1e-9)
    a, b = one @ line, other @ line
    widths = (a.mean() - b.mean()) / max(float(np.sqrt((a.var() + b.var()) / 2)), 1e-9)
    return float(widths / np.sqrt(1 + (_FEW / min(len(a), len(b))) ** 2))


def clustered(points: Vectors, count: int) -> Labels:
    """A label 0..count-1 for each vector, by spectral clustering."""
    library: Any = load("spectralcluster", "Telling speakers apart", extra="audio")
    if count < 2 or len(points) < 2 * count:
        return np.zeros(len(points), np.int64)
    name = library.RefinementName
    clusterer = library.SpectralClusterer(
        min_clusters=count,
        max_clusters=count,
        refinement_options=library.RefinementOptions(
            p_percentile=_KEPT,
            thresholding_soft_multiplier=0.01,
            thresholding_type=library.ThresholdType.Percentile,
            refinement_sequence=[
                name.CropDiagonal,
                name.RowWiseThreshold,
                name.Symmetrize,
                name.Diffuse,
                name.RowWiseNormalize,
            ],
        ),
        custom_dist="cosine",
    )
    return np.asarray(clusterer.predict(points.astype(np.float64)), np.int64)


def _cut(
    samples: Samples, heard: Sequence[Heard], voices: Vectors, listen: Listen, switch_cost: float
) -> list[Heard]:
    """The same speech in pieces of one voice; what was not cut is not listened to again."""
    out = []
    for one in heard:
        parts = list(pieces(samples, one, voices, switch_cost))
        if len(parts) == 1:
            out.append(one)
            continue
        long = [p.region for p in parts if p.region.end_s - p.region.start_s >= _SHORTEST_S]
        out += [listen(region) for region in long]
    return out


def _points(heard: Sequence[Heard], most: int) -> Vectors:
    vectors = np.concatenate([h.vectors for h in heard])
    return vectors[:: -(-len(vectors) // most)]


def _voices(points: Vectors, labels: Labels) -> Vectors:
    return np.stack([mean_voice(points[labels == k]) for k in np.unique(labels)])
