"""Settings of a pretraining run, read from TOML. Every number names its unit."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from trainer.llama import ModelShape


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSection(_Strict):
    """`[model]`: the fields of `ModelShape`."""

    vocab_size: int = Field(4096, ge=8, le=65536)
    d_model: int = Field(256, ge=8)
    n_layers: int = Field(6, ge=1)
    n_heads: int = Field(4, ge=1)
    n_kv_heads: int = Field(2, ge=1)
    d_ff: int = Field(704, ge=8)
    context: int = Field(1024, ge=8)
    rope_theta: float = Field(10_000.0, gt=0)
    norm_eps: float = Field(1e-5, gt=0)
    tied: bool = True

    def shape(self) -> ModelShape:
        return ModelShape(**self.model_dump())


class OptimSection(_Strict):
    """`[optim]`: how weights move."""

    kind: Literal["muon", "adamw"] = "muon"
    """Muon moves the hidden matrices and AdamW the rest; "adamw" moves all."""
    matrix_lr: float = Field(0.02, gt=0)
    """Muon's peak step; used only by kind = "muon"."""
    lr: float = Field(3e-3, gt=0)
    """AdamW's peak step."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled, on matrices only."""
    beta_1: float = Field(0.9, ge=0, lt=1)
    beta_2: float = Field(0.95, ge=0, lt=1)
    momentum: float = Field(0.95, ge=0, lt=1)
    """Muon's."""
    clip_norm: float = Field(1.0, ge=0)
    """Gradients are scaled down to this norm; 0 never."""
    score_limit: float = Field(60.0, ge=0)
    """Heads whose attention scores exceed it are scaled down, see `trainer.qkclip`; 0 never."""
    score_steps: int = Field(20, ge=1)
    """Steps between two looks at the scores."""
    warmup_steps: int = Field(50, ge=0)
    decay_fraction: float = Field(0.25, ge=0, le=1)
    """The last share of the budget, in which the rate decays; 1 with "cosine" is plain cosine."""
    decay: Literal["linear", "sqrt", "cosine"] = "linear"
    floor: float = Field(0.0, ge=0, le=1)
    """What is left of the rate at the end, as a share of the peak."""


class StageSection(_Strict):
    """`[[stage]]`: what is read until a share of the budget is used."""

    until: float = Field(1.0, gt=0, le=1)
    seq_len: int = Field(512, ge=8)
    """The longest document, in tokens."""
    weights: dict[str, float]
    """Each store's share of tokens, any scale."""


class GuideSection(_Strict):
    """`[guide]`: heads that are told where copied words stand; see `trainer.guide`."""

    layer: int = Field(ge=0)
    heads: list[int] = Field(min_length=1)
    weight: float = Field(0.5, gt=0)
    """Of this loss beside the model's own, both means."""
    stores: list[str] = Field(min_length=1)
    """Stores whose answers are copied from their prompts."""


class PretrainConfig(_Strict):
    """A whole run."""

    data_dir: Path
    """Holds `<store>/` and, for held-out loss, `<store>.val/`."""
    run_dir: Path
    """Checkpoints, log.jsonl and TensorBoard files go here."""
    init_from: Path | None = None
    """A model folder whose weights a fresh run starts from; `model` may be wider and deeper."""
    model: ModelSection = ModelSection()
    optim: OptimSection = OptimSection()
    guide: GuideSection | None = None
    stage: list[StageSection] = Field(min_length=1)
    max_tokens: int | None = Field(None, gt=0)
    """The budget, in tokens read."""
    max_minutes: float | None = Field(None, gt=0)
    """The budget, in minutes of training, added up over resumes; the first reached counts."""
    row_tokens: int = Field(4096, ge=16)
    """Tokens in one micro-batch."""
    rows_per_step: int = Field(4, ge=1)
    """Micro-batches in one optimizer step."""
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["bf16", "fp32"] = "bf16"
    """Of products and activations; weights are fp32 always."""
    compile: bool = True
    """Uses torch.compile and the C++ attention when they can be built."""
    threads: int | None = Field(None, ge=1)
    """CPU threads; torch's own choice when unset."""
    checkpoint_minutes: float = Field(5.0, ge=0)
    """0 writes one after every step."""
    eval_minutes: float = Field(5.0, gt=0)
    eval_tokens: int = Field(16_384, ge=1)
    """Held-out tokens read from each store."""
    log_steps: int = Field(10, ge=1)
    tensorboard: bool = True

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.max_tokens is None and self.max_minutes is None:
            raise ValueError("set max_tokens or max_minutes: the run needs a budget")
        ends = [stage.until for stage in self.stage]
        if ends != sorted(set(ends)) or ends[-1] != 1.0:
            raise ValueError(f"stages must end in rising order, the last at 1.0, not {ends}")
        longest = max(stage.seq_len for stage in self.stage)
        if longest > self.model.context or longest > self.row_tokens:
            raise ValueError(
                f"stage seq_len {longest} exceeds model.context {self.model.context} "
                f"or row_tokens {self.row_tokens}"
            )
        self.model.shape()
        guide = self.guide
        if guide and (guide.layer >= self.model.n_layers or max(guide.heads) >= self.model.n_heads):
            raise ValueError(f"guide names layer {guide.layer}, heads {guide.heads}, which the model lacks")
        return self

    @property
    def tokens_per_step(self) -> int:
        return self.row_tokens * self.rows_per_step

    @classmethod
    def load(cls, path: Path | str) -> PretrainConfig:
        """Reads a TOML file.

        Raises:
            OSError: it cannot be read.
            tomllib.TOMLDecodeError: it is not TOML.
            pydantic.ValidationError: a key is unknown, missing or out of range.
        """
        with Path(path).open("rb") as file:
            return cls.model_validate(tomllib.load(file))
