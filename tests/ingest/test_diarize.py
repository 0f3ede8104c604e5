"""Who speaks when: two synthetic voices, one real one, and the parts of the default diarizer."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from two_voices import LINES, Told, error_rate, need_voices, needs_espeak, record

from engine.errors import ConfigError, InputError
from ingest.audio import SAMPLE_RATE, decode_audio
from ingest.diarize import VoiceDiarizer, VoiceOptions, in_order, joined
from ingest.diarizers import make_diarizer, pyannote_spans, sortformer_spans
from ingest.rttm import parse_rttm, rttm_text
from ingest.speakers import Span
from ingest.voice_count import clustered, find_voices, separation
from ingest.voice_turns import Heard, best_path, quietest
from ingest.voices import Region, Vectors

JFK = Path(os.environ.get("UNDERSTUDY_JFK", "/nowhere/jfk.flac"))


@pytest.fixture(scope="module")
def diarizer() -> VoiceDiarizer:
    need_voices()
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
@pytest.mark.parametrize(
    "voices",
    [
        ("en-gb+m3", "en-us+m7"),  # two men
        ("en-us+f1", "en-us+f5"),  # two women who sound much alike
        ("en-us+f3", "en-gb+m3", "en-us+m7"),
    ],
)
def test_voice_diarizer_similar_voices_are_told_apart(
    tmp_path: Path, diarizer: VoiceDiarizer, voices: tuple[str, ...]
) -> None:
    lines = [(voices[i % len(voices)], text) for i, (_, text) in enumerate(LINES + LINES[:3])]
    talk = record(lines, tmp_path)
    found = diarizer.diarize(talk.samples, SAMPLE_RATE)
    assert len({span.speaker for span in found}) == len(voices)
    assert error_rate(talk.spans, found) <= 0.05
    assert all(right_speaker(talk, found))


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


def crowd(centres: list[int], count: int, width: float = 0.25, seed: int = 4) -> Vectors:
    """Vectors around unit directions, as one voice's windows lie around its mean."""
    rng = np.random.default_rng(seed)
    points = np.concatenate(
        [np.eye(64)[at] * 4 + np.eye(64)[0] + rng.normal(0, width * 2, (count, 64)) for at in centres]
    )
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), np.float32)


def test_separation_halves_of_one_crowd_touch_and_two_crowds_do_not() -> None:
    one, two = crowd([1], 120), crowd([1, 2], 60)
    half = (one[:, 5] > np.median(one[:, 5])).astype(np.int64)
    assert separation(one, half) < 6.0 < separation(two, np.repeat([0, 1], 60))
    assert separation(one, np.zeros(120, np.int64)) == float("inf")


def test_clustered_crowds_of_unlike_size_are_told_apart() -> None:
    pytest.importorskip("spectralcluster")
    points = np.concatenate([crowd([1, 2], 80), crowd([3], 20, seed=5)])
    labels = clustered(points, 3)
    assert [len(set(part.tolist())) for part in (labels[:80], labels[80:160], labels[160:])] == [1, 1, 1]
    assert len(set(labels.tolist())) == 3
    assert set(clustered(points[:5], 3).tolist()) == {0}


@pytest.mark.parametrize(
    ("centres", "speakers"), [([1], 0), ([1, 2], 0), ([1, 2, 3, 4], 0), ([1], 2), ([1, 2], 1)]
)
def test_find_voices_counts_the_crowds_or_obeys(centres: list[int], speakers: int) -> None:
    pytest.importorskip("spectralcluster")
    heard = [
        Heard(Region(at * 10.0, at * 10.0 + 8), at * 10.0 + np.arange(40) * 0.2, crowd([at], 40, seed=at))
        for at in centres
    ]

    def listen(region: Region) -> Heard:
        (whole,) = [h for h in heard if h.region.start_s <= region.start_s < h.region.end_s]
        inside = (whole.times >= region.start_s) & (whole.times < region.end_s)
        return Heard(region, whole.times[inside], whole.vectors[inside])

    voices = find_voices(
        np.zeros(60 * SAMPLE_RATE, np.float32),
        heard,
        listen,
        speakers=speakers,
        most=8,
        gap=6.0,
        switch_cost=0.3,
        max_points=1500,
    )
    assert voices.shape == (speakers or len(centres), 64)


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


def test_pyannote_spans_of_the_real_annotation_and_its_rttm() -> None:
    core = pytest.importorskip("pyannote.core", reason="pip install pyannote.core")
    annotation = core.Annotation(uri="talk")
    annotation[core.Segment(1.2, 2.0), "B"] = "SPEAKER_00"  # overlaps the other
    annotation[core.Segment(0.5, 1.5)] = "SPEAKER_01"
    wanted = [Span(0.5, 1.5, "SPEAKER_00"), Span(1.2, 2.0, "SPEAKER_01")]
    assert pyannote_spans(annotation) == wanted
    assert in_order(parse_rttm(annotation.to_rttm(), "talk.rttm")) == wanted


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
