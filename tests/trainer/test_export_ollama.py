"""GGUF adapters and Modelfiles: llama.cpp's names and order, written out by hand and compared."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from export_home import Run, base_model, difference, make_home, runner, stacked_logits

from engine.errors import AdapterError, ModelError
from trainer.export.gguf_lora import shape_of
from trainer.export.modelfile import go_template


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def expected(home: Path) -> torch.Tensor:
    return stacked_logits(home)


@pytest.fixture
def run(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(home, tmp_path / "out", capsys)


def neighbours(rows: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp's order, written from its definition: halves of a head become neighbours."""
    size = len(rows) // heads
    order = [h * size + j // 2 + (j % 2) * (size // 2) for h in range(heads) for j in range(size)]
    return rows[order]


def test_export_ollama_gguf_holds_the_deltas_in_llama_cpps_names_and_order(
    home: Path, run: Run, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    run("ollama")
    for name, scaling in (("identity", 2.0), ("style", 6.0 / 12**0.5)):
        reader = gguf.GGUFReader(tmp_path / f"out/{name}.gguf")
        fields = {
            key: reader.get_field(key).contents() for key in reader.fields if "." in key and key[0] != "G"
        }
        assert fields["general.type"] == "adapter" and fields["general.architecture"] == "llama"
        assert fields["adapter.type"] == "lora"
        tensors = {t.name: np.array(t.data) for t in reader.tensors}
        lora = load_file(home / "ada/adapters" / name / "adapter_model.safetensors")
        for part, stem, heads in (("q_proj", "attn_q", 4), ("k_proj", "attn_k", 2)):
            key = f"base_model.model.model.layers.1.self_attn.{part}.lora_{{}}.weight"
            delta = scaling * (lora[key.format("B")] @ lora[key.format("A")]).numpy()
            a, b = (tensors[f"blk.1.{stem}.weight.lora_{side}"] for side in "ab")
            factor = fields["adapter.lora.alpha"] / a.shape[0]  # as llama.cpp computes it
            assert np.allclose(factor * (b @ a), neighbours(delta, heads), atol=1e-5)
            assert not np.allclose(factor * (b @ a), delta, atol=1e-2)


def test_export_ollama_files_read_back_give_the_stack(
    home: Path, run: Run, tmp_path: Path, expected: torch.Tensor
) -> None:
    from trainer.export.gguf_lora import read_gguf
    from trainer.export.merged import merge

    report = run("ollama", "--from", "llama3.2:3b")
    model = base_model(home)
    merge(model, read_gguf(tmp_path / "out/stack.sum.gguf", shape_of(model.config)))
    assert difference(model, expected) < 1e-4
    model = base_model(home)
    for name in ("identity", "style"):
        merge(model, read_gguf(tmp_path / f"out/{name}.gguf", shape_of(model.config)))
    assert difference(model, expected) < 1e-4
    assert set(report["check"]["parts"]) == {"identity", "style", "stack.sum"}
    text = (tmp_path / "out/Modelfile").read_text()
    assert text.startswith("FROM llama3.2:3b\nADAPTER ./stack.sum.gguf\n") and text.count("ADAPTER") == 1
    assert 'SYSTEM """You are "Ada"."""' in text and 'PARAMETER stop "<|eot_id|>"' in text


def test_go_template_written_out_renders_as_the_tokenizers_own(home: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(home / "model")
    template, stops = go_template(tokenizer)
    rows = [("system", "You are Ada."), ("user", "Who?"), ("assistant", "Ada."), ("user", "Why?")]
    before, _, rest = template.partition("{{- range .Messages }}")
    turn, _, end = rest.partition("{{ end }}")
    said = "".join(turn.replace("{{ .Role }}", role).replace("{{ .Content }}", text) for role, text in rows)
    own = tokenizer.apply_chat_template(
        [{"role": role, "content": text} for role, text in rows], tokenize=False, add_generation_prompt=True
    )
    assert own == "<|begin_of_text|>" + before + said + end and stops == ("<|eot_id|>",)


LLAMA_32 = (
    "<|begin_of_text|>{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{% if m.role == 'system' %}Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n{% endif %}"
    "{{ m.content }}<|eot_id|>{% endfor %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
)
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{{ '<|im_start|>assistant\n' }}"
)


@pytest.mark.parametrize(
    ("jinja", "holds", "stop"),
    [
        (LLAMA_32, "Cutting Knowledge Date: December 2023\n\n{{ end }}{{ .Content }}", "<|eot_id|>"),
        (CHATML, "<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n", "<|im_end|>"),
    ],
)
def test_go_template_other_families_are_told_by_what_they_render(
    home: Path, jinja: str, holds: str, stop: str
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(home / "model")
    tokenizer.chat_template = jinja
    template, stops = go_template(tokenizer)
    assert holds in template and stops == (stop,) and "Today Date" not in template


def test_go_template_unknown_family_or_refusing_template_is_a_typed_error(home: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(home / "model")
    tokenizer.chat_template = "{% for m in messages %}[{{ m.role }}] {{ m.content }} {% endfor %}"
    with pytest.raises(ModelError, match="no family"):
        go_template(tokenizer)
    tokenizer.chat_template = "{{ raise_exception('no system turn') }}"
    with pytest.raises(ModelError, match="no system turn"):
        go_template(tokenizer)


def test_shape_of_unknown_architecture_is_refused_by_name() -> None:
    from transformers import BloomConfig

    with pytest.raises(AdapterError, match=r"bloom.*known: llama"):
        shape_of(BloomConfig())
