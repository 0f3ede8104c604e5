"""Samples to words with times: openai-whisper, its model named or given as a checkpoint file.

    {"text": …, "language": …, "segments": [{"start", "end", "text", "words": [{"word", "start", …}]}]}

That is Whisper's own JSON, which `ingest.whisperjson` reads. Knows nothing of speakers.
A checkpoint is a pickle in Whisper's format. It is loaded with `weights_only=True`, which builds
tensors and plain containers and runs nothing else; a file that wants more is refused.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from engine.errors import ConfigError, InputError, ModelError
from ingest.audio import SAMPLE_RATE, Samples, file_digest
from ingest.optional import load

log = logging.getLogger(__name__)

_USE = "Transcribing"


def model_key(model: str) -> str:
    """What a transcript depends on: the model's name, or the digest of the checkpoint file."""
    path = Path(model)
    return f"sha256:{file_digest(path)}" if path.is_file() else model


def load_whisper(model: str) -> Any:
    """A Whisper model.

    Args:
        model: a name such as `tiny` or `small.en`, which openai-whisper downloads once to its cache, or
            the path of a checkpoint in Whisper's own format.

    Raises:
        ConfigError: openai-whisper is not installed, or there is neither a model nor a file of that name.
        ModelError: the checkpoint is damaged, or holds more than weights.
    """
    whisper = load("whisper", _USE, extra="audio")
    path = Path(model)
    if model not in whisper.available_models() and not path.is_file():
        raise ConfigError(
            f"--model is {model!r}; allowed: the path of a checkpoint, or one of "
            f"{', '.join(whisper.available_models())}."
        )
    device = "cuda" if _has_cuda() else "cpu"
    try:
        if model in whisper.available_models():
            return whisper.load_model(model, device=device)
        return _load_file(path, device)
    except ModelError:
        raise
    except Exception as exc:  # torch, urllib and whisper raise each their own
        raise ModelError(f"The Whisper model {model} cannot be loaded: {str(exc).splitlines()[0]}") from exc


def _load_file(path: Path, device: str) -> Any:
    import torch

    model_file = load("whisper.model", _USE, extra="audio")
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(checkpoint, dict) or not {"dims", "model_state_dict"} <= set(checkpoint):
        raise ModelError(f"{path} is no Whisper checkpoint: it needs `dims` and `model_state_dict`.")
    model = model_file.Whisper(model_file.ModelDimensions(**checkpoint["dims"]))
    model.load_state_dict(checkpoint["model_state_dict"])
    # the published files do not say which heads follow the sound; their names do
    heads = getattr(load("whisper", _USE, extra="audio"), "_ALIGNMENT_HEADS", {}).get(path.stem)
    if heads:
        model.set_alignment_heads(heads)
    return model.to(device).eval()


def transcribe(model: Any, samples: Samples, *, language: str = "", progress: bool = False) -> dict[str, Any]:
    """Whisper's JSON of a recording, with word times.

    Args:
        model: from `load_whisper`.
        samples: (N,) float32, 16 kHz.
        language: such as `en`; empty means Whisper tells it from the first 30 seconds.
        progress: show Whisper's progress bar on stderr.

    Raises:
        InputError: nothing was recognised, or the model does not know the language.
        ModelError: Whisper failed.
    """
    whisper = load("whisper", _USE, extra="audio")
    began = time.perf_counter()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):  # it prints the language
            warnings.simplefilter("ignore")  # no half precision on a CPU, no Triton kernels
            result: dict[str, Any] = whisper.transcribe(
                model,
                samples,
                word_timestamps=True,
                language=language or None,
                condition_on_previous_text=False,  # a loop in one window does not go on in the next
                fp16=str(model.device) != "cpu",
                verbose=False if progress else None,
            )
    except ValueError as exc:
        raise InputError(f"Whisper cannot transcribe this: {exc}.") from exc
    except (RuntimeError, OSError) as exc:
        raise ModelError(f"Whisper failed: {str(exc).splitlines()[0]}") from exc
    if not result["segments"]:
        raise InputError("Nothing was recognised in it; is anybody speaking?")
    seconds = len(samples) / SAMPLE_RATE
    log.info(
        "transcribe seconds=%.1f segments=%d ms=%.0f",
        seconds,
        len(result["segments"]),
        (time.perf_counter() - began) * 1000,
    )
    return result


def _has_cuda() -> bool:
    import torch

    return bool(torch.cuda.is_available())
