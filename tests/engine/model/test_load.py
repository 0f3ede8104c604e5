"""Loading a model: what is told of it, and a sentence for everything that can be wrong with it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError
from safetensors.torch import load_file, save_file

from engine.config import ProfileConfig
from engine.errors import ModelError
from engine.model import load as load_module
from engine.model.hashes import file_hash, find_model, model_hashes, template_text, weight_files
from engine.model.load import load_model, load_tokenizer, pick_device, pick_dtype
from tests.engine.model.conftest import Tiny

PROFILE = ProfileConfig(device="cpu", dtype="float32", context_tokens=256)


@pytest.fixture
def model(tiny: Tiny, tmp_path: Path) -> Path:
    """A copy of the tiny model to be spoiled."""
    return Path(shutil.copytree(tiny.model, tmp_path / "model"))


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_load_tells_what_it_loaded(tiny: Tiny) -> None:
    loaded = load_model(str(tiny.model), PROFILE)
    assert loaded.hashes == model_hashes(tiny.model)
    weights = (tiny.model / "model.safetensors").read_bytes()
    assert loaded.base_hash == hashlib.sha256(weights).hexdigest()
    assert loaded.tokenizer_hash == file_hash(tiny.model / "tokenizer.json")
    assert loaded.template_hash == hashlib.sha256(loaded.tokenizer.chat_template.encode()).hexdigest()
    assert (loaded.context, loaded.vocab_size, loaded.eos_ids) == (256, 512, {3})
    assert (loaded.device.type, loaded.dtype) == ("cpu", torch.float32)
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())


def test_load_context_is_no_longer_than_the_model_was_made_for(tiny: Tiny) -> None:
    assert load_model(str(tiny.model), ProfileConfig(device="cpu", context_tokens=9000)).context == 512


def test_load_end_of_turn_of_the_template_ends_a_reply(model: Path) -> None:
    """Some models name another token as eos than the one their template puts behind an answer."""
    for name in ("config.json", "generation_config.json"):
        edit(model / name, eos_token_id=0)
    edit(model / "tokenizer_config.json", eos_token="<|begin_of_text|>")
    assert load_model(str(model), PROFILE).eos_ids == {0, 3}


# --- what can be wrong ---------------------------------------------------------------------


def test_load_missing_folder_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist; set model"):
        load_model(str(tmp_path / "none"), PROFILE)


@pytest.mark.parametrize("keep", [0, 4, 5000])
def test_load_truncated_weights_are_a_model_error(model: Path, keep: int) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"cannot be loaded .* fetch or train it again"):
        load_model(str(model), PROFILE)


def test_load_tensor_missing_is_a_model_error(model: Path) -> None:
    """transformers would fill it with random numbers and only log that."""
    tensors = load_file(model / "model.safetensors")
    del tensors["model.layers.0.mlp.up_proj.weight"]
    save_file(tensors, model / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="1 of the model's tensors are missing"):
        load_model(str(model), PROFILE)


def test_load_other_shapes_are_a_model_error(model: Path) -> None:
    edit(model / "config.json", intermediate_size=96)
    with pytest.raises(ModelError, match=r"cannot be loaded|another shape"):
        load_model(str(model), PROFILE)


def test_load_without_template_is_a_model_error(model: Path) -> None:
    (model / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="no chat template; use an instruct"):
        load_model(str(model), PROFILE)


def test_load_pickled_weights_are_refused(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(ModelError, match="only pickled weights"):
        load_model(str(model), PROFILE)


def test_load_broken_tokenizer_is_a_model_error(model: Path) -> None:
    (model / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match=r"tokenizer in .* cannot be read"):
        load_model(str(model), PROFILE)


def test_load_tokenizer_of_another_model_is_a_model_error(model: Path) -> None:
    tokenizer = load_tokenizer(str(model))
    tokenizer.add_tokens([f"extra{i}" for i in range(100)])
    tokenizer.save_pretrained(model)
    with pytest.raises(ModelError, match="do not belong together"):
        load_model(str(model), PROFILE)


def test_load_code_of_the_model_is_never_run(model: Path) -> None:
    trap = model / "ran"
    (model / "evil.py").write_text(f"open({str(trap)!r}, 'w')\nclass Evil: pass\n")
    edit(
        model / "config.json",
        model_type="evil",
        auto_map={"AutoModelForCausalLM": "evil.Evil", "AutoConfig": "evil.Evil"},
    )
    with pytest.raises(ModelError):
        load_model(str(model), PROFILE)
    assert not trap.exists()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("x: can't allocate memory: y"),
        MemoryError(),
    ],
)
def test_load_out_of_memory_says_what_to_do(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(load_module, "_read_weights", fail)
    with pytest.raises(ModelError, match="does not fit into memory; set quantization") as caught:
        load_model(str(tiny.model), PROFILE)
    assert caught.value.__cause__ is error


def test_load_device_that_is_not_there_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="device is cuda:63, but torch sees"):
        pick_device("cuda:63")


def test_load_dtype_auto_is_float32_on_a_cpu() -> None:
    assert pick_dtype("auto", torch.device("cpu")) is torch.float32
    assert pick_dtype("float16", torch.device("cpu")) is torch.float16


# --- the hub -------------------------------------------------------------------------------


def refused(kind: type[Any]) -> Exception:
    error: Exception = kind("no", response=httpx.Response(403, request=httpx.Request("GET", "https://x")))
    return error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (refused(GatedRepoError), "gated: accept its licence .* HF_TOKEN"),
        (refused(RepositoryNotFoundError), "no folder a/b, and Hugging Face has no public model"),
        (LocalEntryNotFoundError("offline"), "could not be fetched .* check the network"),
        (OSError(28, "No space left on device"), "free disk space"),
    ],
)
def test_find_hub_model_that_cannot_be_fetched_says_why(
    monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def fail(*args: object, **options: object) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(ModelError, match=message):
        find_model("a/b")


def test_find_hub_model_asks_for_no_pickles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: dict[str, Any] = {}

    def fetch(ref: str, **options: Any) -> str:
        asked.update(options, ref=ref)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert find_model("a/b") == tmp_path
    assert asked["ref"] == "a/b"
    assert "*.safetensors" in asked["allow_patterns"]
    assert not any("bin" in p or "pt" in p or p == "*" for p in asked["allow_patterns"])


# --- hashes --------------------------------------------------------------------------------


def test_hashes_shards_are_those_of_the_index(tmp_path: Path) -> None:
    for name, content in (("b", b"2"), ("a", b"1"), ("other", b"3")):
        (tmp_path / f"{name}.safetensors").write_bytes(content)
    index = {"weight_map": {"x": "b.safetensors", "y": "a.safetensors", "z": "b.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert [p.name for p in weight_files(tmp_path)] == ["a.safetensors", "b.safetensors"]
    assert file_hash(*weight_files(tmp_path)) == hashlib.sha256(b"12").hexdigest()
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(ModelError, match=r"lacks b\.safetensors"):
        weight_files(tmp_path)


def test_hashes_template_may_be_one_of_a_named_list(tmp_path: Path) -> None:
    named = [{"name": "tools", "template": "T"}, {"name": "default", "template": "D"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert template_text(tmp_path) == "D"
