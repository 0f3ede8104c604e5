"""openai-whisper for real, on a micro checkpoint in its own format that is trained here."""

from __future__ import annotations

import argparse
import json
import os
import re
from pathlib import Path

import pytest
from two_voices import LINES, Told, needs_espeak, record, say, write_wav

from engine.errors import InputError, ModelError
from ingest.audio_cli import add_parser, run_audio
from ingest.ledger import Ledger
from ingest.transcripts import read_transcript
from ingest.whisper_words import load_whisper, model_key, transcribe

pytestmark = pytest.mark.timeout(600)
ORDERS = ((0, 1, 2, 3), (3, 0, 1, 2))
CLIP = "My name is on the letter that you keep in the drawer of your desk at home."


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Told]:
    """The same four sentences in two orders: what is transcribed must come from listening."""
    folder = tmp_path_factory.mktemp("recordings")
    return [record([LINES[i] for i in order], folder) for order in ORDERS]


@pytest.fixture(scope="module")
def checkpoint(recordings: list[Told], tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("whisper", reason='pip install "understudy[audio]"')
    from micro_whisper import train_micro_whisper

    path = tmp_path_factory.mktemp("whisper") / "micro.pt"
    loss = train_micro_whisper(recordings, path, steps=110)
    assert loss < 0.5
    return path


def plain(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


@needs_espeak
def test_transcribe_micro_checkpoint_words_and_times_are_right(
    recordings: list[Told], checkpoint: Path
) -> None:
    model = load_whisper(str(checkpoint))
    for told in recordings:
        result = json.loads(json.dumps(transcribe(model, told.samples)))
        words = [word for segment in result["segments"] for word in segment["words"]]
        truth = [(turn, word) for turn in told.turns for word in plain(turn.text)]
        assert [w for word in words for w in plain(word["word"])] == [word for _, word in truth]
        for word, (turn, _) in zip(words, truth, strict=True):
            middle = (word["start"] + word["end"]) / 2
            assert turn.start_s - 0.25 <= middle <= turn.end_s + 0.1


@needs_espeak
def test_audio_command_two_voices_every_turn_has_its_speaker_and_words(
    recordings: list[Told], checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("resemblyzer", reason="pip install --no-deps resemblyzer, see docs/ingest-audio.md")
    pytest.importorskip("spectralcluster")
    files = [write_wav(tmp_path / f"talk{i}.wav", told.samples) for i, told in enumerate(recordings)]
    clip = write_wav(tmp_path / "clip.wav", say(CLIP, "ada", tmp_path))
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    argv = ["audio", *map(str, files), "--target", "Ada Lovelace", "--enroll", str(clip)]
    argv += ["--model", str(checkpoint), "--out", str(tmp_path / "out"), "--json"]
    assert run_audio(parser.parse_args(argv)) == 0
    data = json.loads(capsys.readouterr().out)
    for told, made in zip(recordings, data["recordings"], strict=True):
        assert made["match"]["similarity"] > 0.8 and made["match"]["margin"] > 0.1
        (dialogue,) = read_transcript(Path(made["files"]["dialogue"]), Ledger())
        heard = [(said.speaker == "Ada Lovelace", plain(said.text)) for said in dialogue.utterances]
        assert [is_ada for is_ada, _ in heard] == [turn.speaker == "ada" for turn in told.turns]
        for (_, words), turn in zip(heard, told.turns, strict=True):
            assert set(words) <= set(plain(turn.text))  # none of the other's, at most one in quarantine
            assert len(words) >= len(plain(turn.text)) - 1
    assert run_audio(parser.parse_args(argv)) == 0
    again = json.loads(capsys.readouterr().out)["recordings"]
    assert [one["reused"] for one in again] == [["transcript", "diarization", "match"]] * 2
    assert [one["match"] for one in again] == [one["match"] for one in data["recordings"]]


@needs_espeak
@pytest.mark.slow
def test_transcribe_order_never_trained_on_is_heard(tmp_path: Path) -> None:
    pytest.importorskip("whisper", reason='pip install "understudy[audio]"')
    from itertools import permutations

    from micro_whisper import train_micro_whisper

    unseen = {(0, 1, 2, 3), (3, 1, 0, 2), (2, 0, 3, 1)}
    orders = [order for order in permutations(range(4)) if order not in unseen]
    known = [record([LINES[i] for i in o], tmp_path, 0.3 + 0.05 * (n % 5)) for n, o in enumerate(orders)]
    train_micro_whisper(known, tmp_path / "m.pt", steps=500)
    model = load_whisper(str(tmp_path / "m.pt"))
    for order in unseen:
        told = record([LINES[i] for i in order], tmp_path)
        assert plain(transcribe(model, told.samples)["text"]) == [
            word for turn in told.turns for word in plain(turn.text)
        ]


# --- checkpoints -----------------------------------------------------------------------------


class Trap:
    """A pickle that would run something."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_load_whisper_pickle_that_runs_code_is_refused_unrun(tmp_path: Path) -> None:
    pytest.importorskip("whisper", reason='pip install "understudy[audio]"')
    import torch

    torch.save({"dims": {}, "model_state_dict": Trap(tmp_path / "ran")}, tmp_path / "trap.pt")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_whisper(str(tmp_path / "trap.pt"))
    assert not (tmp_path / "ran").exists()


def test_load_whisper_unknown_name_or_foreign_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("whisper", reason='pip install "understudy[audio]"')
    import torch

    with pytest.raises(InputError, match="allowed: the path of a checkpoint"):
        load_whisper("enormous")
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(ModelError, match="no Whisper checkpoint"):
        load_whisper(str(tmp_path / "other.pt"))
    (tmp_path / "torn.pt").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_whisper(str(tmp_path / "torn.pt"))


def test_model_key_file_goes_by_content_and_name_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"one")
    (tmp_path / "b.pt").write_bytes(b"one")
    (tmp_path / "c.pt").write_bytes(b"two")
    keys = [model_key(str(tmp_path / name)) for name in ("a.pt", "b.pt", "c.pt")]
    assert keys[0] == keys[1] != keys[2] and model_key("tiny") == "tiny"
