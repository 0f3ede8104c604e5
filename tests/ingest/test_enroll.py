"""The target's voice: found by a clip with a margin, or nobody is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from two_voices import LINES, Told, need_voices, needs_espeak, record, say

from engine.errors import InputError
from ingest.audio import SAMPLE_RATE
from ingest.enroll import Limits, enrol, match_target
from ingest.speakers import Span
from ingest.voices import Region, VoiceEncoder

pytestmark = needs_espeak
CLIP = "My name is on the letter that you keep in the drawer of your desk at home."


@pytest.fixture(scope="module")
def encoder() -> VoiceEncoder:
    need_voices()
    return VoiceEncoder()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return record(LINES[:4], tmp_path_factory.mktemp("voices"))


@pytest.mark.parametrize("name", ["ada", "bob"])
def test_match_target_clip_of_a_speaker_names_it_with_a_margin(
    name: str, tmp_path: Path, told: Told, encoder: VoiceEncoder
) -> None:
    voice = enrol(say(CLIP, name, tmp_path), encoder)
    match = match_target(told.samples, told.spans, voice, encoder)
    assert match.speaker == name
    assert match.similarity > 0.8 and match.margin is not None and match.margin > 0.15
    assert set(match.similarities) == {"ada", "bob"}


def test_match_target_stranger_is_refused(tmp_path: Path, told: Told, encoder: VoiceEncoder) -> None:
    voice = enrol(say(CLIP, "ada", tmp_path), encoder)
    with pytest.raises(InputError, match="Nobody sounds like"):
        match_target(told.samples, [s for s in told.spans if s.speaker == "bob"], voice, encoder)


def test_match_target_one_voice_under_two_names_is_refused(
    tmp_path: Path, told: Told, encoder: VoiceEncoder
) -> None:
    split = [Span(s.start_s, s.end_s, f"S{i}") for i, s in enumerate(told.spans) if s.speaker == "ada"]
    voice = enrol(say(CLIP, "ada", tmp_path), encoder)
    with pytest.raises(InputError, match="Two speakers sound like"):
        match_target(told.samples, split, voice, encoder, Limits(margin=0.1))


def test_enrol_two_voices_or_too_little_speech_is_refused(
    tmp_path: Path, told: Told, encoder: VoiceEncoder
) -> None:
    with pytest.raises(InputError, match="2 voices"):
        enrol(told.samples, encoder)
    with pytest.raises(InputError, match="s of speech"):
        enrol(say("Yes.", "ada", tmp_path), encoder)


def test_match_target_only_short_words_cannot_be_compared() -> None:
    class Unasked:
        def along(self, samples: Any, region: Region) -> Any:
            raise AssertionError("nothing is long enough")

    with pytest.raises(InputError, match="says enough"):
        match_target(
            np.zeros(SAMPLE_RATE, np.float32),
            [Span(0, 0.3, "A")],
            np.zeros(256, np.float32),
            Unasked(),  # type: ignore[arg-type]
        )
