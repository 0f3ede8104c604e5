"""One tiny model and its adapters for all tests of the worker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from tests.tiny import make_tiny_adapter, make_tiny_model


@dataclass(frozen=True, slots=True)
class Tiny:
    """Folders of a tiny model and of adapters trained on it."""

    model: Path
    identity: Path  # rank 8
    style: Path  # rank 32, rsLoRA, q/k/v only


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    root = tmp_path_factory.mktemp("tiny")
    torch.set_num_threads(1)  # for matrices this small a second thread only waits
    model = make_tiny_model(root / "model")
    qkv = ("q_proj", "k_proj", "v_proj")
    return Tiny(
        model,
        make_tiny_adapter(model, root / "identity", "identity", 8, 16.0, 1),
        make_tiny_adapter(model, root / "style", "style", 32, 8.0, 2, targets=qkv, use_rslora=True),
    )
