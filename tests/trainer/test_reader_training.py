"""Training the reader: real steps on a small corpus, targets at the right tokens, resume, refusal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_readings import write_corpus

from bot.cli import main
from engine.embedder import bundled_folder
from engine.errors import InputError
from engine.reader import SETTINGS, load_span_model
from engine.types import Passage
from trainer import native
from trainer.reader import ReaderConfig, new_model, places, span_loss, train_reader
from trainer.readings import Reading

SMALL = ReaderConfig(rows=64, batch=16, threads=1, held_out=24)
TEXT = "Hall 7 opened in 1807. It was built by Ann Carter."


def test_places_tokens_spell_the_answer() -> None:
    base = bundled_folder()
    assert base is not None
    model = new_model(base)
    row = Reading("Who built it?", "A hall", TEXT, TEXT.index("Ann"), len(TEXT) - 1)
    none = Reading("Who sold it?", "A hall", TEXT)
    batch = model.encode([row.question, none.question], ["A hall"] * 2, [TEXT] * 2)
    (first, last), empty = places(batch, [row, none]).tolist()
    assert model.tokenizer.decode(batch["input_ids"][0][first : last + 1]) == "ann carter"
    assert empty == [0, 0]


def test_span_loss_falls_on_rows_that_are_seen_again() -> None:
    base = bundled_folder()
    assert base is not None
    torch.manual_seed(0)
    model = new_model(base)
    rows = [
        Reading("Who built it?", "A hall", TEXT, TEXT.index("Ann"), len(TEXT) - 1),
        Reading("Who sold it?", "Hall", TEXT),
    ]
    weights = [p for p in model.encoder.parameters() if p.requires_grad] + list(model.head.parameters())
    optimizer = torch.optim.AdamW(weights, lr=2e-3)
    losses = []
    for _ in range(12):
        loss = span_loss(model, rows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize(("emulated", "dtype"), [(True, torch.float32), (False, torch.bfloat16)])
def test_span_loss_is_computed_in_bfloat16_only_where_the_cpu_has_it(
    monkeypatch: pytest.MonkeyPatch, emulated: bool, dtype: torch.dtype
) -> None:
    base = bundled_folder()
    assert base is not None
    model = new_model(base)
    seen: list[torch.dtype] = []
    monkeypatch.setattr("trainer.reader.emulates_bf16", lambda: emulated)
    model.head.register_forward_hook(lambda _module, _args, out: seen.append(out.dtype))
    assert span_loss(model, [Reading("Who built it?", "A hall", TEXT, 26, 38)]).isfinite()
    assert seen == [dtype]


@pytest.mark.parametrize(
    ("flags", "emulated"), [("flags : fma avx2", True), ("flags : avx512_bf16", False), ("", False)]
)
def test_emulates_bf16_is_told_by_the_flags_where_there_are_any(
    monkeypatch: pytest.MonkeyPatch, flags: str, emulated: bool
) -> None:
    monkeypatch.setattr(native, "_cpu", lambda: flags)
    assert native.emulates_bf16() is emulated


def test_train_reader_writes_what_the_engine_loads_and_goes_on_after_a_stop(tmp_path: Path) -> None:
    write_corpus(tmp_path, 60)
    out, work = tmp_path / "reader", tmp_path / "work"
    train_reader(tmp_path, out, work, replace(SMALL, rows=32))
    said: list[str] = []
    report = train_reader(tmp_path, out, work, SMALL, said.append)
    assert any("behind 32 rows" in line for line in said)
    assert report["n"] == 24 and json.loads((out / SETTINGS).read_text())["rows"] == 64
    assert not list(out.rglob("*.bin")) and not list(out.rglob("*.pt"))
    found = load_span_model(out).find("Who built it?", [Passage(TEXT, "Hall")])
    assert found[0].text in TEXT


def test_train_reader_without_a_corpus_names_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="grounded_squad_part"):
        train_reader(tmp_path, tmp_path / "out", tmp_path / "work", SMALL)
    assert main(["train", "reader", "--corpus", str(tmp_path), "--json"]) == 1
    assert "grounded_squad_part" in capsys.readouterr().out
