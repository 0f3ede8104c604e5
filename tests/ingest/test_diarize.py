"""Who speaks when: two synthetic voices, one real one, and the parts of the default diarizer."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from two_voices import LINES, Told, error_rate, needs_espeak, record

from engine.errors import ConfigError, InputError
from ingest.audio import SAMPLE_RATE, decode_audio
from ingest.diarize import VoiceDiarizer, VoiceOptions, best_path, in_order, joined, merged, quietest
from ingest.diarizers import make_diarizer, pyannote_spans, sortformer_spans
from ingest.rttm import parse_rttm, rttm_text
from ingest.speakers import Span

JFK = Path(os.environ.get("UNDERSTUDY_JFK", "/nowhere/jfk.flac"))


@pytest.fixture(scope="module")
def diarizer() -> VoiceDiarizer:
    pytest.importorskip("resemblyzer", reason="pip install --no-deps resemblyzer, see docs/ingest-audio.md")
    pytest.importorskip("spectralcluster")
    return VoiceDiarizer()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return record(LINES, tmp_path_factory.mktemp("voices"))


def right_speaker(told: Told, found: list[Span]) -> list[bool]:
    """For each true turn whether its speaker is the one who speaks most of it, names matched at first use."""
    names: dict[str, str] = {}
    out = []
    for turn in told.turns:
        shares: dict[str, float] = {}
        for span in found:
            overlap = min(span.end_s, turn.end_s) - max(span.start_s, turn.start_s)
            shares[span.speaker] = shares.get(span.speaker, 0.0) + max(0.0, overlap)
        label = max(shares, key=lambda name: shares[name])
        out.append(names.setdefault(turn.speaker, label) == label)
    return [*out, len(set(names.values())) == len(names)]


@needs_espeak
def test_voice_diarizer_two_voices_errs_under_five_per_cent(told: Told, diarizer: VoiceDiarizer) -> None:
    found = diarizer.diarize(told.samples, SAMPLE_RATE)
    assert error_rate(told.spans, found) <= 0.05
    assert all(right_speaker(told, found))
    assert len(found) == len(told.turns)


@needs_espeak
@pytest.mark.parametrize("pause_s", [0.15, 0.0])
def test_voice_diarizer_turns_without_pause_errs_under_five_per_cent(
    tmp_path: Path, diarizer: VoiceDiarizer, pause_s: float
) -> None:
    tight = record(LINES, tmp_path, pause_s)
    found = diarizer.diarize(tight.samples, SAMPLE_RATE)
    assert error_rate(tight.spans, found) <= 0.05
    assert all(right_speaker(tight, found))


@needs_espeak
def test_voice_diarizer_one_voice_is_one_speaker(tmp_path: Path, diarizer: VoiceDiarizer) -> None:
    alone = record([("ada", text) for _, text in LINES], tmp_path)
    found = diarizer.diarize(alone.samples, SAMPLE_RATE)
    assert {span.speaker for span in found} == {"SPEAKER_00"}
    assert error_rate(joined(alone.spans, 0.5), found) <= 0.05


@needs_espeak
def test_voice_diarizer_number_of_speakers_is_obeyed(told: Told, diarizer: VoiceDiarizer) -> None:
    wanted = VoiceDiarizer(VoiceOptions(speakers=2), diarizer._encoder)
    assert len({s.speaker for s in wanted.diarize(told.samples, SAMPLE_RATE)}) == 2
    short = told.samples[: 6 * SAMPLE_RATE // 10]
    assert len({s.speaker for s in diarizer.diarize(short, SAMPLE_RATE)}) == 1


@pytest.mark.skipif(not JFK.is_file(), reason="a real recording of one voice: its path in UNDERSTUDY_JFK")
def test_voice_diarizer_real_voice_is_one_speaker(diarizer: VoiceDiarizer) -> None:
    found = diarizer.diarize(decode_audio(JFK).samples, SAMPLE_RATE)
    assert {span.speaker for span in found} == {"SPEAKER_00"}


def test_voice_diarizer_no_speech_is_refused(diarizer: VoiceDiarizer) -> None:
    silence = np.zeros(2 * SAMPLE_RATE, np.float32)
    with pytest.raises(InputError, match="Nobody speaks"):
        diarizer.diarize(silence, SAMPLE_RATE)
    with pytest.raises(InputError, match="16000"):
        diarizer.diarize(silence, 8000)


# --- its parts -------------------------------------------------------------------------------


def test_best_path_short_flicker_is_smoothed_and_real_change_kept() -> None:
    sure, unsure = [0.9, 0.5], [0.55, 0.6]
    scores = np.array([sure, sure, unsure, sure, sure, [0.4, 0.9], [0.4, 0.9], [0.4, 0.9]], np.float32)
    assert best_path(scores, 0.3) == [0, 0, 0, 0, 0, 1, 1, 1]
    assert best_path(scores, 0.0)[2] == 1


def test_best_path_is_the_best_of_all_paths() -> None:
    from itertools import pairwise, product

    scores = np.random.default_rng(3).random((7, 3)).astype(np.float32)

    def worth(path: tuple[int, ...]) -> float:
        changes = sum(a != b for a, b in pairwise(path))
        return float(sum(scores[i, k] for i, k in enumerate(path))) - 0.25 * changes

    assert abs(worth(tuple(best_path(scores, 0.25))) - max(map(worth, product(range(3), repeat=7)))) < 1e-6


def test_merged_similar_clusters_become_one() -> None:
    base = np.eye(4, dtype=np.float32)
    near = base[0] * 0.95 + base[1] * 0.3
    points = np.stack([base[0], near / np.linalg.norm(near), base[2], base[2]])
    assert len(set(merged(points, np.array([0, 1, 2, 2]), 0.76).tolist())) == 2
    assert len(set(merged(points, np.array([0, 1, 2, 2]), 0.99).tolist())) == 3


def test_quietest_finds_the_dip() -> None:
    samples = np.ones(2 * SAMPLE_RATE, np.float32)
    samples[round(1.2 * SAMPLE_RATE) : round(1.26 * SAMPLE_RATE)] = 0.01
    assert abs(quietest(samples, 1.0, 0.4) - 1.23) < 0.02


def test_joined_and_in_order_merge_pauses_and_name_by_first_word() -> None:
    spans = [Span(1.0, 2.0, "x"), Span(2.3, 3.0, "x"), Span(4.0, 5.0, "y")]
    assert in_order(joined(spans, 0.5)) == [Span(1.0, 3.0, "SPEAKER_00"), Span(4.0, 5.0, "SPEAKER_01")]


def test_rttm_text_reads_back() -> None:
    spans = [Span(0.5, 1.25, "SPEAKER_00"), Span(1.0, 2.0, "Ada L")]
    back = parse_rttm(rttm_text(spans, "my talk"), "x.rttm")
    assert back == [spans[0], Span(1.0, 2.0, "Ada_L")]


# --- the seams -------------------------------------------------------------------------------


def test_sortformer_spans_lines_become_spans() -> None:
    found = sortformer_spans(["1.200 2.000 speaker_1", "0.080 1.120 speaker_0"])
    assert found == [Span(0.08, 1.12, "SPEAKER_00"), Span(1.2, 2.0, "SPEAKER_01")]
    with pytest.raises(InputError, match="start end speaker"):
        sortformer_spans(["oops"])
    with pytest.raises(InputError, match="Nobody speaks"):
        sortformer_spans([])


def test_pyannote_spans_both_versions_become_spans() -> None:
    class Segment:
        start, end = 0.5, 1.5

    class Annotation:
        def itertracks(self, yield_label: bool) -> list[tuple[Segment, str, str]]:
            return [(Segment(), "A", "S7")]

    class Output:
        speaker_diarization = Annotation()

    assert pyannote_spans(Annotation()) == pyannote_spans(Output()) == [Span(0.5, 1.5, "SPEAKER_00")]


@pytest.mark.parametrize("name", ["sortformer", "pyannote"])
def test_make_diarizer_missing_package_says_how_to_install_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    real: Callable[..., object] = importlib.import_module

    def absent(module: str, *args: object) -> object:
        if module.startswith(("nemo", "pyannote")):
            raise ModuleNotFoundError(f"No module named {module!r}")
        return real(module, *args)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ConfigError, match=r"pip install .*voices"):
        make_diarizer(name)


def test_make_diarizer_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="allowed"):
        make_diarizer("magic")
    with pytest.raises(ConfigError, match="its own model"):
        make_diarizer("voices", "some/model")
    with pytest.raises(ConfigError, match="leave --speakers out"):
        make_diarizer("sortformer", speakers=2)
