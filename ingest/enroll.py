"""Which of the speakers is the target: the voice of a clip against the voices of a recording.

Fails closed: when nobody sounds like the clip, or two sound nearly alike, nobody is named.
Knows nothing of words or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.errors import InputError
from ingest.audio import SAMPLE_RATE, Samples
from ingest.diarize import VoiceDiarizer
from ingest.speakers import Span
from ingest.voices import STEP_S, Region, Vectors, VoiceEncoder, mean_voice, speech_regions

_SHORTEST_S = 0.5
_ENOUGH_S = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """When a likeness counts."""

    similarity: float = 0.7
    """Least, to the clip; 1 is the same, strangers are near 0.6."""
    margin: float = 0.05
    """Least difference between the most similar speaker and the next."""
    speech_s: float = 2.0
    """Speech that the clip must hold."""


@dataclass(frozen=True, slots=True)
class Match:
    """The speaker who is the target, and how sure that is."""

    speaker: str
    similarity: float
    margin: float | None
    """To the next speaker; None when there is only one."""
    similarities: dict[str, float]
    """Of every speaker who says enough to be compared."""

    def as_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def enrol(samples: Samples, encoder: VoiceEncoder, limits: Limits | None = None) -> Vectors:
    """The voice (256,) of a clip in which the target speaks alone.

    Raises:
        InputError: it holds too little speech, or more than one voice.
    """
    limits = limits or Limits()
    regions = speech_regions(samples)
    spoken_s = sum(r.end_s - r.start_s for r in regions)
    if spoken_s < limits.speech_s:
        raise InputError(
            f"The clip holds {spoken_s:.1f} s of speech; give {limits.speech_s:g} s or more "
            "of the target alone."
        )
    speakers = {span.speaker for span in VoiceDiarizer(encoder=encoder).diarize(samples, SAMPLE_RATE)}
    if len(speakers) > 1:
        raise InputError(f"The clip holds {len(speakers)} voices; give one in which the target speaks alone.")
    return mean_voice(np.concatenate([encoder.along(samples, region)[1] for region in regions]))


def match_target(
    samples: Samples,
    spans: Sequence[Span],
    voice: Vectors,
    encoder: VoiceEncoder,
    limits: Limits | None = None,
) -> Match:
    """The speaker whose voice is the clip's.

    Args:
        samples: (N,) float32, 16 kHz, of the recording.
        spans: who speaks when, from any diarizer.
        voice: (256,) from `enrol`.

    Raises:
        InputError: nobody is similar enough, or two are too similar; tells the figures.
    """
    limits = limits or Limits()
    found = {
        speaker: round(float(own @ voice), 4)
        for speaker in sorted({span.speaker for span in spans})
        if (own := _voice_of(speaker, samples, spans, encoder)) is not None
    }
    if not found:
        raise InputError("Nobody in the recording says enough to be compared with the clip.")
    told = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    best, similarity = ranked[0]
    margin = round(similarity - ranked[1][1], 4) if len(ranked) > 1 else None
    if similarity < limits.similarity:
        raise InputError(
            f"Nobody sounds like the clip ({told}; {limits.similarity:g} is needed). "
            "Is the target in this recording?"
        )
    if margin is not None and margin < limits.margin:
        raise InputError(
            f"Two speakers sound like the clip ({told}; a margin of {limits.margin:g} is needed). "
            "Give a longer clip, recorded like the recording, or name the speaker yourself."
        )
    return Match(best, similarity, margin, found)


def _voice_of(speaker: str, samples: Samples, spans: Sequence[Span], encoder: VoiceEncoder) -> Vectors | None:
    """Mean voice of a speaker's longest spans; those in which nobody else speaks go first."""
    own = [s for s in spans if s.speaker == speaker and s.end_s - s.start_s >= _SHORTEST_S]
    others = [s for s in spans if s.speaker != speaker]
    alone = [s for s in own if not any(s.start_s < o.end_s and o.start_s < s.end_s for o in others)]
    left = _ENOUGH_S
    vectors: list[Vectors] = []
    for span in sorted(alone or own, key=lambda s: (s.start_s - s.end_s, s.start_s)):
        if left < STEP_S:
            break
        end = min(span.end_s, span.start_s + left, len(samples) / SAMPLE_RATE)
        if end - span.start_s >= _SHORTEST_S:
            vectors.append(encoder.along(samples, Region(span.start_s, end))[1])
            left -= end - span.start_s
    return mean_voice(np.concatenate(vectors)) if vectors else None
