"""Who speaks when: diarizers behind one seam, and the default that needs no download.

    regions ──► voice vectors ──`voice_count`──► speakers ──`voice_turns`──► spans

Other diarizers stand in `ingest.diarizers`. Knows nothing of words or names: speakers are
`SPEAKER_00`, `SPEAKER_01`, … in the order in which they first speak.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from engine.errors import InputError
from ingest.audio import SAMPLE_RATE, Samples
from ingest.speakers import Span
from ingest.voice_count import find_voices
from ingest.voice_turns import Heard, pieces
from ingest.voices import Region, VoiceEncoder, speech_regions

log = logging.getLogger(__name__)


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
    gap: float = 6.0
    """How far apart two speakers are at the least, in widths of their voices (`voice_count.separation`)."""
    switch_cost: float = 0.3
    """Similarity that a change of speaker must gain, against flicker."""
    join_s: float = 0.5
    """A pause of one speaker shorter than this does not end a span."""
    max_points: int = 1500
    """Vectors that voices are counted with; of a longer recording every n-th region."""


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
            heard.append(self._listen(samples, region))
            self._progress(region.end_s / (len(samples) / sample_rate))
        options = self._options
        voices = find_voices(
            samples,
            heard,
            lambda region: self._listen(samples, region),
            speakers=options.speakers,
            most=options.max_speakers,
            gap=options.gap,
            switch_cost=options.switch_cost,
            max_points=options.max_points,
        )
        spans = [
            Span(piece.region.start_s, piece.region.end_s, str(piece.voice))
            for one in heard
            for piece in pieces(samples, one, voices, options.switch_cost)
        ]
        named = in_order(joined(spans, options.join_s))
        log.info(
            "diarize spans=%d speakers=%d ms=%.0f",
            len(named),
            len({s.speaker for s in named}),
            (time.perf_counter() - began) * 1000,
        )
        return named

    def _listen(self, samples: Samples, region: Region) -> Heard:
        return Heard(region, *self._encoder.along(samples, region))


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
