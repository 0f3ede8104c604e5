"""The mean of several runs' weights, as one model folder.

The mean of runs that started from one another is often better than each of them
(https://arxiv.org/abs/2203.05482, https://arxiv.org/abs/1803.05407). Nothing is trained. Knows nothing of
how the runs were made.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
PASSING = ("transformers_version", "_name_or_path")
"""Keys of config.json that say nothing of the weights."""


def average(models: Sequence[Path], out: Path, shares: Sequence[float] = ()) -> dict[str, Any]:
    """Write the weighted mean of models of one shape and tokenizer.

    Args:
        models: two folders or more, each with config.json, tokenizer.json and model.safetensors; what is
            beside the weights is taken from the last.
        out: a folder that does not exist yet, or an empty one.
        shares: of each model, above 0; none: equal ones. They are scaled to a sum of 1.

    Returns:
        {"folder", "models", "shares", "tensors", "bytes"}, JSON-ready.

    Raises:
        InputError: fewer than two models, a file is missing, shapes or tokenizers differ, or `out` is in use.
    """
    scaled = _scaled(models, shares)
    _check(models)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there already and not empty; name another --out.")
    mean = _mean(models, scaled)
    out.mkdir(parents=True, exist_ok=True)
    for file in models[-1].iterdir():
        if file.is_file() and file.suffix != ".safetensors":
            shutil.copy(file, out / file.name)
    from safetensors.torch import save_file

    save_file(mean, out / WEIGHTS, metadata={"format": "pt"})
    (out / WEIGHTS).chmod(0o644)  # safetensors writes for the owner alone
    return {
        "folder": str(out),
        "models": [str(m) for m in models],
        "shares": scaled,
        "tensors": len(mean),
        "bytes": (out / WEIGHTS).stat().st_size,
    }


def _scaled(models: Sequence[Path], shares: Sequence[float]) -> list[float]:
    if len(models) < 2:
        raise InputError("A mean needs two models or more.")
    given = list(shares) or [1.0] * len(models)
    if len(given) != len(models) or not all(0 < s < float("inf") for s in given):
        raise InputError(f"--shares wants {len(models)} numbers above 0, one a model.")
    return [s / sum(given) for s in given]


def _check(models: Sequence[Path]) -> None:
    """Only weights of one shape over one tokenizer can be averaged."""
    from trainer.tokenizer import vocabulary

    first = models[0]
    for folder in models:
        for name in (WEIGHTS, CONFIG, TOKENIZER):
            if not (folder / name).is_file():
                raise InputError(f"{folder} holds no {name}; name a folder with an unsharded model.")
    for folder in models[1:]:
        old, new = _config(first), _config(folder)
        differing = sorted(k for k in old.keys() | new.keys() if old.get(k) != new.get(k))
        if differing:
            raise InputError(f"{folder} is another model than {first}: {', '.join(differing)} differ.")
        if vocabulary(folder) != vocabulary(first):
            raise InputError(f"{folder} has another tokenizer than {first}; their token ids differ.")


def _config(folder: Path) -> dict[str, Any]:
    file = folder / CONFIG
    try:
        return {k: v for k, v in json.loads(file.read_text(encoding="utf-8")).items() if k not in PASSING}
    except ValueError as exc:
        raise InputError(f"{file} is no JSON: {exc}.") from exc


def _mean(models: Sequence[Path], shares: Sequence[float]) -> dict[str, Tensor]:
    """Sums in float32, one model at a time; the result has the first model's dtypes."""
    from safetensors.torch import load_file

    first = load_file(models[0] / WEIGHTS)
    mean = {name: tensor.float() * shares[0] for name, tensor in first.items()}
    for folder, share in zip(models[1:], shares[1:], strict=True):
        part = load_file(folder / WEIGHTS)
        if odd := mean.keys() ^ part.keys():
            raise InputError(f"{folder} and {models[0]} do not both have {min(odd)}.")
        for name, tensor in part.items():
            if tensor.shape != mean[name].shape:
                raise InputError(f"{name} has another shape in {folder} than in {models[0]}.")
            mean[name] += tensor.float() * share
    return {name: tensor.to(first[name].dtype) for name, tensor in mean.items()}
