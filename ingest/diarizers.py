"""Diarizers by name, and the thin seams to NeMo's Sortformer and pyannote, which are installed apart.

Both download their model from Hugging Face once (pyannote's needs its terms accepted and HF_TOKEN in
the environment), or read one from a path. Knows nothing of words.
"""

from __future__ import annotations

import importlib
import tempfile
import wave
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ConfigError, InputError, ModelError
from ingest.audio import Samples
from ingest.diarize import Diarizer, VoiceDiarizer, VoiceOptions, in_order
from ingest.speakers import Span

NAMES = ("voices", "sortformer", "pyannote")
SORTFORMER = "nvidia/diar_sortformer_4spk-v1"
PYANNOTE = "pyannote/speaker-diarization-community-1"


def make_diarizer(
    name: str, model: str = "", speakers: int = 0, progress: Callable[[float], None] = lambda done: None
) -> Diarizer:
    """A diarizer, its model loaded.

    Args:
        name: one of `NAMES`.
        model: Hugging Face name or path; empty means the usual one. `voices` has its own.
        speakers: how many; 0 means it is found out. Sortformer always finds out, up to four.
        progress: told by `voices` how much it has heard, 0..1.

    Raises:
        ConfigError: its package is not installed, or a setting does not fit it.
        ModelError: its model cannot be loaded.
    """
    if name == "voices":
        if model:
            raise ConfigError("The diarizer `voices` has its own model; leave --diarizer-model out.")
        return VoiceDiarizer(VoiceOptions(speakers=speakers), progress=progress)
    if name == "sortformer":
        if speakers:
            raise ConfigError("Sortformer finds out how many speak; leave --speakers out.")
        return SortformerDiarizer(model or SORTFORMER)
    if name == "pyannote":
        return PyannoteDiarizer(model or PYANNOTE, speakers)
    raise ConfigError(f"--diarizer is {name!r}; allowed: {', '.join(NAMES)}.")


class SortformerDiarizer:
    """NVIDIA NeMo's Sortformer: up to four speakers."""

    def __init__(self, model: str) -> None:
        models = _import("nemo.collections.asr.models", "sortformer", "nemo_toolkit[asr]")
        kind = models.SortformerEncLabelModel
        build = kind.restore_from if Path(model).is_file() else kind.from_pretrained
        self._model: Any = _loaded(model, build).eval()

    def diarize(self, samples: Samples, sample_rate: int) -> list[Span]:
        with tempfile.TemporaryDirectory() as folder:  # every version of NeMo reads a file
            path = Path(folder) / "recording.wav"
            _write_wav(path, samples, sample_rate)
            lines = self._model.diarize(audio=[str(path)], batch_size=1)[0]
        return sortformer_spans(lines)


def sortformer_spans(lines: Iterable[str]) -> list[Span]:
    """Spans of lines such as `0.480 3.120 speaker_0`. Raises InputError."""
    spans = []
    for line in lines:
        fields = str(line).split()
        try:
            spans.append(Span(float(fields[0]), float(fields[1]), fields[2]))
        except (IndexError, ValueError) as exc:
            raise InputError(f"Sortformer's output {line!r} is not `start end speaker`.") from exc
    return _some(spans)


class PyannoteDiarizer:
    """pyannote.audio's pipelines, versions 3 and 4."""

    def __init__(self, model: str, speakers: int = 0) -> None:
        audio = _import("pyannote.audio", "pyannote", "pyannote.audio")
        self._pipeline: Any = _loaded(model, audio.Pipeline.from_pretrained)
        if self._pipeline is None:
            raise ModelError(f"{model} cannot be had: accept its terms on Hugging Face and set HF_TOKEN.")
        self._wanted = {"num_speakers": speakers} if speakers else {}

    def diarize(self, samples: Samples, sample_rate: int) -> list[Span]:
        import torch

        heard = {"waveform": torch.from_numpy(samples)[None], "sample_rate": sample_rate}
        return pyannote_spans(self._pipeline(heard, **self._wanted))


def pyannote_spans(output: Any) -> list[Span]:
    """Spans of an Annotation (version 3) or of an output that holds one (version 4). Raises InputError."""
    annotation = getattr(output, "speaker_diarization", output)
    return _some(
        [
            Span(float(segment.start), float(segment.end), str(label))
            for segment, _, label in annotation.itertracks(yield_label=True)
        ]
    )


def _some(spans: list[Span]) -> list[Span]:
    if not spans:
        raise InputError("Nobody speaks in it, as far as the diarizer hears.")
    return in_order(spans)


def _import(module: str, name: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise ConfigError(
            f"--diarizer {name} needs {package}, which cannot be imported ({exc}); install it with: "
            f"pip install '{package}', or use the default, `voices`."
        ) from exc


def _loaded(model: str, build: Callable[[str], Any]) -> Any:
    try:
        return build(model)
    except Exception as exc:  # each of them raises whatever its hub raises
        raise ModelError(f"The diarizer's model {model} cannot be loaded: {exc}") from exc


def _write_wav(path: Path, samples: Samples, sample_rate: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
