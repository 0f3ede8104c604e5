"""Adapter folders: what belongs together loads, everything else is refused with a sentence."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.adapters import (
    CONFIG,
    MANIFEST,
    WEIGHTS,
    Manifest,
    check,
    open_adapter,
    read_manifest,
    write_manifest,
)
from engine.errors import AdapterError, ManifestMismatch
from engine.model.hashes import ModelHashes, file_hash, model_hashes
from tests.tiny import make_tiny_adapter, make_tiny_model


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny model and an adapter for it."""
    root = tmp_path_factory.mktemp("made")
    model = make_tiny_model(root / "model")
    return model, make_tiny_adapter(model, root / "style", "style", 4, 8.0, targets=("q_proj",))


@pytest.fixture
def folder(made: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the adapter to be spoiled."""
    return Path(shutil.copytree(made[1], tmp_path / "style"))


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_open_whole_folder_tells_its_manifest_and_scaling(made: tuple[Path, Path]) -> None:
    adapter = open_adapter(made[1])
    assert (adapter.manifest.name, adapter.manifest.rank) == ("style", 4)
    assert adapter.weights.is_file()
    assert adapter.spec.scaling("model.layers.0.self_attn.q_proj", 4) == 2.0
    check(adapter.manifest, model_hashes(made[0]))


def test_manifest_written_is_read_back(made: tuple[Path, Path], tmp_path: Path) -> None:
    manifest = read_manifest(made[1])
    parent = {"name": "identity", "weights_hash": "0" * 64}
    changed = Manifest.model_validate({**manifest.model_dump(), "parent": parent, "metrics": {"loss": 1.5}})
    assert write_manifest(tmp_path, changed) == tmp_path / MANIFEST
    assert read_manifest(tmp_path) == changed
    assert [p.name for p in tmp_path.iterdir()] == [MANIFEST]


@pytest.mark.parametrize(
    ("key", "what"),
    [("base_hash", "base model"), ("tokenizer_hash", "tokenizer"), ("template_hash", "chat template")],
)
def test_check_other_hash_names_both_sides(made: tuple[Path, Path], key: str, what: str) -> None:
    manifest = read_manifest(made[1])
    found = model_hashes(made[0])
    changed = manifest.model_copy(update={key: "f" * 64})
    with pytest.raises(ManifestMismatch) as caught:
        check(changed, found, "models/starter")
    text = str(caught.value)
    theirs = {"base_hash": found.base, "tokenizer_hash": found.tokenizer, "template_hash": found.template}
    assert f"another {what}" in text
    assert key in text
    assert "ffffffffffff" in text
    assert theirs[key][:12] in text
    assert "models/starter" in text
    assert "Train the adapter again" in text


def test_check_same_hashes_pass(made: tuple[Path, Path]) -> None:
    manifest = read_manifest(made[1])
    check(manifest, ModelHashes(manifest.base_hash, manifest.tokenizer_hash, manifest.template_hash))


# --- what is refused -----------------------------------------------------------------------


def test_open_missing_folder_is_an_adapter_error(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="There is no adapter folder"):
        open_adapter(tmp_path / "none")


def test_open_without_manifest_is_an_adapter_error(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    with pytest.raises(AdapterError, match=r"has no manifest\.json"):
        open_adapter(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "colour"),
        ({"base_hash": "abc"}, "base_hash"),
        ({"rank": 0}, "rank"),
        ({"format_version": 2}, "format_version"),
        ({"name": "../style"}, "name"),
    ],
)
def test_open_wrong_manifest_names_the_key(folder: Path, change: dict[str, Any], message: str) -> None:
    edit(folder / MANIFEST, **change)
    with pytest.raises(AdapterError, match=message):
        open_adapter(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_open_broken_json_is_an_adapter_error(folder: Path, content: bytes) -> None:
    for name in (CONFIG, MANIFEST):
        (folder / name).write_bytes(content)
        with pytest.raises(AdapterError, match=name):
            open_adapter(folder)


def test_open_without_weights_is_an_adapter_error(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    with pytest.raises(AdapterError, match=f"no {WEIGHTS}"):
        open_adapter(folder)


def test_open_pickled_weights_are_refused(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "adapter_model.bin")
    with pytest.raises(AdapterError, match="only pickled weights"):
        open_adapter(folder)


def test_open_changed_weights_name_both_hashes(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS).write_bytes(data)
    told = read_manifest(folder).weights_hash[:12]
    with pytest.raises(AdapterError, match=f"{file_hash(folder / WEIGHTS)[:12]}.*{told}"):
        open_adapter(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"peft_type": "LOHA"}, "type LOHA; only LORA"),
        ({"peft_type": None}, "only LORA"),
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, "changes biases"),
        ({"lora_bias": True}, "changes biases"),
        ({"init_lora_weights": "pissa_niter_4"}, "pissa_niter_4"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"layer_replication": [[0, 2]]}, "layer_replication"),
        ({"trainable_token_indices": [1]}, "trainable_token_indices"),
        ({"a_field_of_the_future": True}, "a_field_of_the_future"),
        ({"r": 16}, "rank 16"),
        ({"lora_alpha": 1}, r"alpha 1\.0"),
        ({"use_rslora": True}, "rsLoRA True"),
        ({"r": "many"}, CONFIG),
        ({"alpha_pattern": {"(": 2}}, CONFIG),
    ],
)
def test_open_config_that_cannot_be_served_is_refused(
    folder: Path, change: dict[str, Any], message: str
) -> None:
    edit(folder / CONFIG, **change)
    with pytest.raises(AdapterError, match=message):
        open_adapter(folder)


def test_spec_scaling_follows_rslora_and_patterns(folder: Path) -> None:
    edit(folder / CONFIG, use_rslora=True, alpha_pattern={"k_proj": 3.0, r"layers\.1\..*": 5.0})
    edit(folder / MANIFEST, use_rslora=True)
    spec = open_adapter(folder).spec
    assert spec.scaling("model.layers.0.self_attn.q_proj", 4) == 8.0 / 2.0
    assert spec.scaling("model.layers.0.self_attn.k_proj", 16) == 3.0 / 4.0
    assert spec.scaling("model.layers.1.self_attn.q_proj", 2) == 5.0 / math.sqrt(2)


def test_adapters_module_imports_no_torch() -> None:
    """The command line lists adapters; it must answer in well under a second."""
    code = "import sys, engine.adapters; sys.exit(any(m in sys.modules for m in ('torch', 'transformers')))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
