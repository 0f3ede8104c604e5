"""Guided attention and score clipping: what is told is right, and the loss is that of the real heads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trainer.guide import guide_loss, sources
from trainer.llama import Layer, Llama, ModelShape, export_hf
from trainer.packing import Packer, Row
from trainer.pretrain_config import PretrainConfig
from trainer.pretrain_run import Run
from trainer.qkclip import clip_scores, score_peaks
from trainer.store import Store, StoreWriter

SHAPE = ModelShape(vocab_size=64, d_model=32, n_layers=3, n_heads=4, n_kv_heads=2, d_ff=48, context=64)
#          0  1  2  3  4  5  6  7  8  9 | 10 11 12 13
PROMPT = [9, 5, 6, 7, 2, 5, 8, 7, 2, 3]
ANSWER = [5, 8, 7, 1]


def model(scale: float = 1.0) -> Llama:
    made = Llama(SHAPE, seed=3)
    torch.manual_seed(0)
    with torch.no_grad():
        for layer in made.layers:
            assert isinstance(layer, Layer)
            layer.qkv.mul_(scale)
            torch.nn.init.normal_(layer.out, std=0.2)
            torch.nn.init.normal_(layer.down, std=0.2)
            torch.nn.init.uniform_(layer.norm_1, 0.5, 1.5)
            torch.nn.init.uniform_(layer.norm_2, 0.5, 1.5)
    return made


def rows(tmp_path: Path, guided: tuple[str, ...] = ("a",)) -> tuple[dict[str, Store], Row]:
    with StoreWriter(tmp_path / "a") as writer:
        for _ in range(20):
            writer.append(PROMPT + ANSWER, [0] * len(PROMPT) + [1] * len(ANSWER))
    stores = {"a": Store(tmp_path / "a")}
    return stores, Packer(stores, 1, row_tokens=40, rows=1, guided=guided).batch({"a": 1.0}, 40)[0]


def test_sources_take_the_place_that_goes_on_as_the_answer_does() -> None:
    ids, mask = PROMPT + ANSWER, [0] * 10 + [1] * 4
    assert sources(ids, mask) == [(9, 5), (10, 6), (11, 7)]  # 5 8 7 stands at 5; 5 6 7 at 1 does not


def test_sources_tell_nothing_where_two_places_tie() -> None:
    assert sources([4, 5, 4, 6, 4], [0, 0, 0, 0, 1]) == []
    assert sources([4, 5, 6, 4], [0, 0, 0, 1]) == [(2, 0)]


def test_packer_gives_guides_of_the_named_stores_in_the_rows_own_positions(tmp_path: Path) -> None:
    _, row = rows(tmp_path)
    assert row.guides[:3].tolist() == [[9, 5, 0], [10, 6, 0], [11, 7, 0]]
    assert row.guides[3:6].tolist() == [[23, 19, 14], [24, 20, 14], [25, 21, 14]]
    _, plain = rows(tmp_path, ())
    assert plain.guides.shape == (0, 3)


@pytest.mark.parametrize("heads", [[0], [1, 3]])
def test_guide_loss_is_the_cross_entropy_of_the_real_attention(tmp_path: Path, heads: list[int]) -> None:
    from transformers import AutoModelForCausalLM

    made = model()
    _, row = rows(tmp_path)
    _, tapped = made.states(row.ids, row.positions, row.bounds, tap=1)
    assert tapped is not None
    at, to, starts = row.guides.unbind(1)
    cos, sin = made.cos[row.positions].unsqueeze(1), made.sin[row.positions].unsqueeze(1)
    layer = made.layers[1]
    assert isinstance(layer, Layer)
    told = guide_loss(layer, heads, tapped, cos, sin, starts, at, to)

    export_hf(made, SHAPE, None, tmp_path / "hf", dtype=torch.float32)
    peer = AutoModelForCausalLM.from_pretrained(tmp_path / "hf", attn_implementation="eager")
    with torch.no_grad():
        attention = peer(torch.tensor([PROMPT + ANSWER]), output_attentions=True).attentions[1][0]
    one = -sum(attention[h, a, b].log() for h in heads for a, b in ((9, 5), (10, 6), (11, 7))) / len(heads)
    documents = len(row.bounds) - 1
    torch.testing.assert_close(told, one * documents, rtol=1e-4, atol=1e-4)


def test_clipped_heads_keep_within_the_limit_and_others_keep_their_scores(tmp_path: Path) -> None:
    _, row = rows(tmp_path)
    made = model(scale=3.0)
    before = score_peaks(made, row, torch.float32)
    limit = float(before[0].median())
    assert clip_scores(made, before, limit) == int((before > limit).sum())
    after = score_peaks(made, row, torch.float32)
    torch.testing.assert_close(after[0], before[0].clamp(max=limit), rtol=1e-4, atol=1e-4)


def test_guided_heads_learn_to_look_where_they_are_told(tmp_path: Path) -> None:
    rows(tmp_path)
    config = PretrainConfig.model_validate(
        {
            "data_dir": tmp_path, "run_dir": tmp_path / "run", "max_tokens": 10**6, "row_tokens": 40,
            "rows_per_step": 1, "compile": False, "dtype": "fp32", "tensorboard": False,
            "model": SHAPE.as_dict(),
            "optim": {"score_limit": 30.0, "score_steps": 2, "warmup_steps": 1},
            "guide": {"layer": 1, "heads": [0], "stores": ["a"]},
            "stage": [{"seq_len": 40, "weights": {"a": 1.0}}],
        }
    )  # fmt: skip
    run = Run(config)
    run.start()
    run.step()
    first = run.guide_loss
    for _ in range(30):
        run.step()
    assert first is not None and run.guide_loss is not None
    assert run.guide_loss < 0.2 * first
