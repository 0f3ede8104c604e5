"""Recordings decoded, transcribed, parted by speaker and written; each stage only once."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ConfigError, InputError
from ingest import audio_files
from ingest.audio import SAMPLE_RATE, decode_audio, file_digest
from ingest.audio_cli import add_parser, run_audio
from ingest.audio_files import AudioOptions, Workshop, check_files, ingest_audio
from ingest.ledger import Ledger
from ingest.speakers import Span

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg decodes (apt install ffmpeg)")


def tone(seconds: float, hertz: float = 440.0, rate: int = SAMPLE_RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def wav(path: Path, samples: np.ndarray, rate: int = SAMPLE_RATE, channels: int = 1) -> Path:
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


# --- decoding --------------------------------------------------------------------------------


@needs_ffmpeg
def test_decode_audio_other_rate_and_stereo_becomes_16_khz_mono(tmp_path: Path) -> None:
    left = tone(1.5, rate=44_100)
    both = np.stack([left, left], axis=1)
    got = decode_audio(wav(tmp_path / "a b: c.wav", both, 44_100, 2))
    assert got.samples.dtype == np.float32 and abs(got.length_s - 1.5) < 0.01 and not got.complaint
    spectrum = np.abs(np.fft.rfft(got.samples[:SAMPLE_RATE]))
    assert int(spectrum.argmax()) == 440


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("text.wav", b"this is no recording", "cannot be decoded"),
        ("empty.mp3", b"", "cannot be decoded"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n", "cannot be decoded"),
    ],
)
def test_decode_audio_not_a_recording_is_refused(tmp_path: Path, name: str, body: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(body)
    with pytest.raises(InputError, match=says):
        decode_audio(tmp_path / name)


@needs_ffmpeg
def test_decode_audio_silence_and_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="silent"):
        decode_audio(wav(tmp_path / "silent.wav", np.zeros(SAMPLE_RATE)))
    with pytest.raises(InputError, match="longer than"):
        decode_audio(wav(tmp_path / "long.wav", tone(6)), max_hours=2 / 3600)
    with pytest.raises(InputError, match="no file"):
        decode_audio(tmp_path / "missing.wav")


def test_decode_audio_without_ffmpeg_says_how_to_install_it(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", tone(0.5))
    with pytest.raises(ConfigError, match="apt install ffmpeg"):
        decode_audio(path, ffmpeg="ffmpeg-that-is-not-here")


# --- stages, with stand-ins for the models ---------------------------------------------------


def transcript(*words: tuple[str, float, float]) -> dict[str, object]:
    said = [{"word": f" {w}", "start": a, "end": b, "probability": 0.9} for w, a, b in words]
    segment = {"start": words[0][1], "end": words[-1][2], "text": "", "words": said, "avg_logprob": -0.1}
    return {"text": "", "language": "en", "segments": [segment]}


WORDS = (
    ("good", 0.0, 0.4),
    ("morning", 0.4, 0.9),
    ("all", 0.95, 1.05),  # on the boundary
    ("not", 1.1, 1.5),
    ("at", 1.5, 1.6),
    ("all", 1.6, 1.9),
    ("sir", 1.9, 2.0),
)
SPANS = [Span(0.0, 1.0, "SPEAKER_00"), Span(1.0, 2.0, "SPEAKER_01")]


class Counted:
    """Stands in for Whisper and the diarizer; counts what is asked of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import ingest.whisper_words as words

        self.calls: list[str] = []
        monkeypatch.setattr(words, "load_whisper", lambda model: None)
        monkeypatch.setattr(words, "transcribe", self.transcribe)
        monkeypatch.setattr(audio_files.Workshop, "diarizer", self)

    def transcribe(self, model: object, samples: object, **options: object) -> dict[str, object]:
        self.calls.append("transcribe")
        return transcript(*WORDS)

    def diarize(self, samples: object, sample_rate: int) -> list[Span]:
        self.calls.append("diarize")
        return SPANS


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@needs_ffmpeg
def test_ingest_audio_word_on_a_turn_boundary_is_nobodys(tmp_path: Path, counted: Counted) -> None:
    ledger = Ledger()
    path = wav(tmp_path / "2024-05-01 talk.wav", tone(2))
    options = AudioOptions("Ada", tmp_path / "out", margins=audio_files.Margins(max_lost=0.4))
    done = ingest_audio(path, Workshop(options), ledger)
    ledger.close()
    head, *said = lines(Path(done.files["dialogue"]))
    assert head == {"dialogue": "2024-05-01 talk", "recorded_at": "2024-05-01T00:00:00+00:00"}
    assert [(row["speaker"], row["text"]) for row in said] == [
        ("SPEAKER_00", "good morning"),
        ("SPEAKER_01", "not at all sir"),
    ]
    (stage,) = [s for s in ledger.stages if s.name == "words"]
    assert stage.dropped == {"quarantined: between two speakers": 1}


@needs_ffmpeg
def test_ingest_audio_again_repeats_only_what_changed(tmp_path: Path, counted: Counted) -> None:
    path, out = wav(tmp_path / "talk.wav", tone(2)), tmp_path / "out"

    def run(**changes: object) -> tuple[str, ...]:
        counted.calls.clear()
        options = AudioOptions("Ada", out, **changes)  # type: ignore[arg-type]
        ingest_audio(path, Workshop(options), Ledger())
        return tuple(counted.calls)

    assert run() == ("transcribe", "diarize")
    assert run() == ()
    assert run(speakers=2) == ("diarize",)
    assert run(speakers=2, model="tiny") == ("transcribe",)
    (out / "talk.rttm").unlink()
    assert run(speakers=2, model="tiny") == ("diarize",)
    wav(path, tone(2, 330))
    assert run(speakers=2, model="tiny") == ("transcribe", "diarize")
    (out / "talk.stages.json").write_text("{torn")
    assert run(speakers=2, model="tiny") == ("transcribe", "diarize")


@needs_ffmpeg
def test_ingest_audio_stopped_in_the_second_stage_keeps_the_first(
    tmp_path: Path, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wav(tmp_path / "talk.wav", tone(2))
    shop = Workshop(AudioOptions("Ada", tmp_path / "out"))

    def stop(*args: object) -> list[Span]:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(counted, "diarize", stop)
        with pytest.raises(KeyboardInterrupt):
            ingest_audio(path, shop, Ledger())
    counted.calls.clear()
    done = ingest_audio(path, shop, Ledger())
    assert counted.calls == ["diarize"] and done.reused == ("transcript",)


@needs_ffmpeg
def test_ingest_audio_spans_corrected_by_hand_are_obeyed(tmp_path: Path, counted: Counted) -> None:
    path, out = wav(tmp_path / "talk.wav", tone(2)), tmp_path / "out"
    shop = Workshop(AudioOptions("Ada", out))
    ingest_audio(path, shop, Ledger())
    rttm = out / "talk.rttm"
    rttm.write_text(rttm.read_text().replace("SPEAKER_01", "Bob"))
    ingest_audio(path, shop, Ledger())
    assert lines(out / "talk.dialogue.jsonl")[-1]["speaker"] == "Bob"


def arguments(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    return parser.parse_args(["audio", *argv])


@needs_ffmpeg
def test_audio_command_bad_file_is_refused_and_the_rest_is_made(
    tmp_path: Path, counted: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    good = wav(tmp_path / "talk.wav", tone(2))
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF but no more")
    args = arguments(
        str(bad), str(good), str(good), "--target", "Ada", "--out", str(tmp_path / "o"), "--json"
    )
    assert run_audio(args) == 1
    told = capsys.readouterr()
    data = json.loads(told.out)
    assert data["ledger"][0]["in"] == 3 and data["ledger"][0]["out"] == 1
    assert data["ledger"][0]["dropped"] == {"refused": 1, "given twice": 1}
    assert "bad.wav" in data["refused"][0] and "nobody in talk is named Ada" in told.err
    assert [r["source"] for r in data["recordings"]] == ["talk"]


def test_check_files_same_name_or_input_as_output_is_refused(tmp_path: Path) -> None:
    options = AudioOptions("Ada", tmp_path)
    with pytest.raises(InputError, match="one name"):
        check_files([tmp_path / "talk.wav", tmp_path / "talk.mp3"], options)
    with pytest.raises(InputError, match="overwritten"):
        check_files([tmp_path / "talk.wav", tmp_path / "talk.json"][1:], options)


def test_file_digest_missing_file_is_typed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        file_digest(tmp_path / "no.wav")
