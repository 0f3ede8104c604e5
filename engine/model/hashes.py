"""Finds a base model's folder and says by hashes which model, tokenizer and template it holds.

Adapters are trained against exactly these three, so trainer, worker and command line ask here.
Nothing here imports torch or knows what an adapter is.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ModelError

_WANTED = ["*.safetensors", "*.json", "*.jinja", "*.txt", "tokenizer.model"]
_UNWANTED = ["consolidated*", "original/*", "onnx/*", "*/*"]  # second copies of the same weights
_TOKENIZER_FILES = ("tokenizer.model", "vocab.json", "merges.txt", "vocab.txt")  # where no tokenizer.json is
_BLOCK_BYTES = 1 << 20

# Families that were made before chat templates: DialoGPT's turns each end with <|endoftext|>; T5 reads
# a transcript and writes the answer. Neither has a system role, so that text goes into the first turn.
FALLBACK_TEMPLATES = {
    "gpt2": "{% for m in messages %}{% if m['role'] != 'system' %}{{ m['content'] + eos_token }}{% endif %}"
    "{% endfor %}",
    "t5": "{% for m in messages %}{% if m['role'] != 'system' %}{{ m['role'] | capitalize + ': ' "
    "+ m['content'] + '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}",
}


@dataclass(frozen=True, slots=True)
class ModelHashes:
    """SHA-256 (hex) of a base model's weights, tokenizer and chat template."""

    base: str
    tokenizer: str
    template: str


def find_model(ref: str, *, weights: bool = True) -> Path:
    """The folder of a base model; a hub id is fetched, or found in the hub's cache.

    Args:
        ref: a folder, or a Hugging Face id such as `meta-llama/Llama-3.2-3B-Instruct`.
        weights: False fetches only the small files: configuration, tokenizer and template.

    Raises:
        ModelError: no such folder or id, licence not accepted, or no network.
    """
    folder = Path(ref).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or ref.startswith((".", "~")):
        raise ModelError(f"The model folder {ref} does not exist; set model in config.toml's profile.")
    return _fetch(ref, _WANTED if weights else _WANTED[1:])


def _fetch(ref: str, wanted: list[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(ref, allow_patterns=wanted, ignore_patterns=_UNWANTED))
    except GatedRepoError as exc:
        raise ModelError(
            f"{ref} is gated: accept its licence at https://huggingface.co/{ref} once, then put a read "
            "token into HF_TOKEN (or run `hf auth login`)."
        ) from exc
    except (RepositoryNotFoundError, HFValidationError) as exc:
        raise ModelError(
            f"There is no folder {ref}, and Hugging Face has no public model of that name; check model "
            "in config.toml's profile (a private one needs HF_TOKEN)."
        ) from exc
    except Exception as exc:  # the hub client lets its HTTP library's and the disk's errors through
        raise ModelError(
            f"There is no folder {ref}, and it could not be fetched from Hugging Face "
            f"({type(exc).__name__}); check the network and the free disk space, or give a local folder."
        ) from exc


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files a folder's weights are in, sorted by name.

    Raises:
        ModelError: there is none, a listed one is missing, or there are only pickles.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (OSError, ValueError, KeyError, AttributeError) as exc:
            raise ModelError(f"{index} is damaged; fetch or train the model again.") from exc
        files = [folder / str(name) for name in names]
    else:
        files = sorted(p for p in folder.glob("*.safetensors") if not p.name.startswith("adapter_"))
    lost = [p.name for p in files if not p.is_file()]
    if lost:
        raise ModelError(f"{folder} lacks {lost[0]}; fetch or train the model again.")
    if not files:
        pickles = any(folder.glob("*.bin")) or any(folder.glob("*.pt*"))
        why = "only pickled weights, which are never loaded" if pickles else "no model.safetensors"
        raise ModelError(f"{folder} holds {why}; give a model saved as safetensors.")
    return files


def template_text(folder: Path) -> str:
    """The chat template of a model's folder, or the fallback of its family.

    Raises:
        ModelError: it has none, and its family has no fallback.
    """
    jinja = folder / "chat_template.jinja"
    if jinja.is_file():
        return jinja.read_text(encoding="utf-8")
    template = _read_json(folder / "tokenizer_config.json").get("chat_template")
    if isinstance(template, list):  # several named ones: "default" is what transformers uses
        template = {t.get("name"): t.get("template") for t in template}.get("default")
    template = template or FALLBACK_TEMPLATES.get(str(_read_json(folder / "config.json").get("model_type")))
    if not isinstance(template, str) or not template:
        raise ModelError(
            f"{folder} has no chat template; use an instruct/chat model or add chat_template.jinja to it."
        )
    return template


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise ModelError(f"{path} cannot be read ({exc}); fetch or train the model again.") from exc
    return data if isinstance(data, dict) else {}


def file_hash(*paths: Path) -> str:
    """SHA-256 (hex) over the bytes of files, one after another; of one file it is `sha256sum`'s."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()


def model_hashes(folder: Path) -> ModelHashes:
    """Hashes of a model's folder: reads all its weights once (seconds for a model of some GB).

    Raises:
        ModelError: weights, tokenizer or template are missing or unreadable.
    """
    weights = weight_files(folder)
    tokenizer = [folder / "tokenizer.json"]
    if not tokenizer[0].is_file():
        tokenizer = [folder / n for n in _TOKENIZER_FILES if (folder / n).is_file()]
    if not tokenizer:
        raise ModelError(f"{folder} has no tokenizer.json; fetch or train the model again.")
    template = hashlib.sha256(template_text(folder).encode("utf-8")).hexdigest()
    try:
        return ModelHashes(file_hash(*weights), file_hash(*tokenizer), template)
    except OSError as exc:
        raise ModelError(f"{folder} cannot be read: {exc}.") from exc
