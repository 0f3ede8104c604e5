"""openai-whisper for real, on a micro checkpoint in its own format that is trained here."""

from __future__ import annotations

import argparse
import json
import os
import re
from pathlib import Path

import pytest
from two_voices import LINES, Told, need_voices, needs_espeak, record, say, write_wav

from engine.errors import ConfigError, ModelError
from ingest.audio_cli import add_parser, run_audio
from ingest.ledger import Ledger
from ingest.transcripts import read_transcript
from ingest.whisper_words import load_whisper, model_key, transcribe

pytestmark = pytest.mark.timeout(600)
CLIP = "My name is on the letter that you keep in the drawer of your desk at home."


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return record(LINES[:4], tmp_path_factory.mktemp("recording"))


@pytest.fixture(scope="module")
def checkpoint(told: Told, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows this recording by heart: Whisper's own code does all the rest."""
    pytest.importorskip("whisper", reason='pip install "understudy[audio]"')
    from micro_whisper import train_micro_whisper

    path = tmp_path_factory.mktemp("whisper") / "micro.pt"
    train_micro_whisper([told], path, steps=60)
    return path


def plain(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


@needs_espeak
def test_transcribe_micro_checkpoint_words_and_times_are_right(told: Told, checkpoint: Path) -> None:
    result = json.loads(json.dumps(transcribe(load_whisper(str(checkpoint)), told.samples)))
    words = [word for segment in result["segments"] for word in segment["words"]]
    truth = [(turn, word) for turn in told.turns for word in plain(turn.text)]
    assert [w for word in words for w in plain(word["word"])] == [word for _, word in truth]
    for word, (turn, _) in zip(words, truth, strict=True):
        middle = (word["start"] + word["end"]) / 2
        assert turn.start_s - 0.25 <= middle <= turn.end_s + 0.1


@needs_espeak
def test_audio_command_two_voices_every_turn_has_its_speaker_and_words(
    told: Told, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    need_voices()
    file = write_wav(tmp_path / "talk.wav", told.samples)
    clip = write_wav(tmp_path / "clip.wav", say(CLIP, "ada", tmp_path))
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    argv = ["audio", str(file), "--target", "Ada Lovelace", "--enroll", str(clip)]
    argv += ["--model", str(checkpoint), "--out", str(tmp_path / "out"), "--json"]
    assert run_audio(parser.parse_args(argv)) == 0
    (made,) = json.loads(capsys.readouterr().out)["recordings"]
    assert made["match"]["similarity"] > 0.8 and made["match"]["margin"] > 0.1
    (dialogue,) = read_transcript(Path(made["files"]["dialogue"]), Ledger())
    heard = [(said.speaker == "Ada Lovelace", plain(said.text)) for said in dialogue.utterances]
    assert [is_ada for is_ada, _ in heard] == [turn.speaker == "ada" for turn in told.turns]
    for (_, words), turn in zip(heard, told.turns, strict=True):
        assert set(words) <= set(plain(turn.text))  # none of the other's, at most one in quarantine
        assert len(words) >= len(plain(turn.text)) - 1
    assert run_audio(parser.parse_args(argv)) == 0
    (again,) = json.loads(capsys.readouterr().out)["recordings"]
    assert again["reused"] == ["transcript", "diarization", "match"] and again["match"] == made["match"]


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

    with pytest.raises(ConfigError, match="allowed: the path of a checkpoint"):
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
