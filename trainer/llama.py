"""A Llama written for training speed, whose weights export 1:1 to transformers.

It runs on packed documents: one row of M tokens, `bounds` saying where each document
starts, so no token is padding and no document sees another. q/k/v and gate/up are one
matrix each. Weights are fp32; products run in the dtype that `forward` is told, casting
each matrix once a micro-batch. It knows nothing of losses, optimizers or data files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.varlen import attend


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The sizes of a Llama; `head_dim` follows as d_model / n_heads.

    Raises:
        ValueError: sizes that do not divide.
    """

    vocab_size: int = 4096
    d_model: int = 256
    n_layers: int = 6
    n_heads: int = 4
    n_kv_heads: int = 2
    d_ff: int = 704
    context: int = 1024  # tokens
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-5
    tied: bool = True

    def __post_init__(self) -> None:
        if self.d_model % self.n_heads:
            raise ValueError(f"d_model {self.d_model} is not a multiple of n_heads {self.n_heads}")
        if self.n_heads % self.n_kv_heads:
            raise ValueError(f"n_heads {self.n_heads} is no multiple of n_kv_heads {self.n_kv_heads}")
        if self.head_dim % 2:
            raise ValueError(f"head_dim {self.head_dim} must be even for rotary embeddings")

    @property
    def head_dim(self) -> int:
        return self.d_model // self.n_heads

    @property
    def d_kv(self) -> int:
        return self.n_kv_heads * self.head_dim

    @property
    def n_params(self) -> int:
        """Weights, the embedding counted once when tied."""
        layer = 2 * self.d_model * (self.d_model + self.d_kv) + 3 * self.d_model * self.d_ff
        heads = self.vocab_size * self.d_model * (1 if self.tied else 2)
        return self.n_layers * (layer + 2 * self.d_model) + heads + self.d_model

    def flops_per_token(self) -> float:
        """Matrix FLOPs of one trained token, forward and backward, attention scores left out."""
        layer = 2 * self.d_model * (self.d_model + self.d_kv) + 3 * self.d_model * self.d_ff
        return 6.0 * (self.n_layers * layer + self.vocab_size * self.d_model)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x / rms(x) * weight, computed in fp32, returned in x's dtype. x: (M, d)."""
    wide = x.float()
    scaled = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    return (scaled * weight).to(x.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding in the rotate-half convention of transformers.

    Args:
        x: (M, heads, head_dim).
        cos, sin: (M, 1, head_dim / 2), fp32.
    """
    first, second = x.float().chunk(2, dim=-1)
    turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return turned.to(x.dtype)


def rotary_tables(shape: ModelShape) -> tuple[Tensor, Tensor]:
    """cos and sin for each position, (context, head_dim / 2), fp32."""
    steps = torch.arange(0, shape.head_dim, 2, dtype=torch.int64).float() / shape.head_dim
    inverse = 1.0 / (shape.rope_theta**steps)
    angles = torch.outer(torch.arange(shape.context).float(), inverse)
    return angles.cos(), angles.sin()


class Layer(nn.Module):
    """One decoder layer: norm, attention, norm, SwiGLU, each added to the residual."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        d, self.shape = shape.d_model, shape
        self.norm_1 = nn.Parameter(torch.ones(d))
        self.norm_2 = nn.Parameter(torch.ones(d))
        self.qkv = nn.Parameter(torch.empty(d + 2 * shape.d_kv, d))
        self.out = nn.Parameter(torch.empty(d, d))
        self.gate_up = nn.Parameter(torch.empty(2 * shape.d_ff, d))
        self.down = nn.Parameter(torch.empty(d, shape.d_ff))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, bounds: Tensor) -> Tensor:
        """x: (M, d) -> (M, d)."""
        s, dtype = self.shape, x.dtype
        h = rms_norm(x, self.norm_1, s.norm_eps)
        q, k, v = F.linear(h, self.qkv.to(dtype)).tensor_split([s.d_model, s.d_model + s.d_kv], dim=-1)
        q = rotate(q.reshape(-1, s.n_heads, s.head_dim), cos, sin)
        k = rotate(k.reshape(-1, s.n_kv_heads, s.head_dim), cos, sin)
        mixed = attend(q, k, v.reshape(-1, s.n_kv_heads, s.head_dim), bounds)
        x = x + F.linear(mixed.reshape(-1, s.d_model), self.out.to(dtype))
        h = rms_norm(x, self.norm_2, s.norm_eps)
        gate, up = F.linear(h, self.gate_up.to(dtype)).chunk(2, dim=-1)
        return x + F.linear(F.silu(gate) * up, self.down.to(dtype))


class Llama(nn.Module):
    """Token ids of packed documents to final hidden states, and those to logits.

    Args:
        shape: the sizes.
        seed: of the initial weights.
    """

    def __init__(self, shape: ModelShape, seed: int = 0) -> None:
        super().__init__()
        self.shape = shape
        self.embed = nn.Parameter(torch.empty(shape.vocab_size, shape.d_model))
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.n_layers))
        self.norm = nn.Parameter(torch.ones(shape.d_model))
        self.unembed = None if shape.tied else nn.Parameter(torch.empty(shape.vocab_size, shape.d_model))
        cos, sin = rotary_tables(shape)
        self.cos: Tensor
        self.sin: Tensor
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self._init_weights(torch.Generator().manual_seed(seed))

    @property
    def head(self) -> nn.Parameter:
        """The output matrix, (vocab, d): the embedding itself when tied."""
        return self.embed if self.unembed is None else self.unembed

    def matrices(self) -> Iterator[nn.Parameter]:
        """The hidden matrices: all 2-D weights but the embedding and the head."""
        for layer in self.layers:
            assert isinstance(layer, Layer)
            yield from (layer.qkv, layer.out, layer.gate_up, layer.down)

    def forward(
        self, ids: Tensor, positions: Tensor, bounds: Tensor, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Final hidden states, after the last norm, as `states` without its layer's input."""
        return self.states(ids, positions, bounds, dtype)[0]

    def states(
        self,
        ids: Tensor,
        positions: Tensor,
        bounds: Tensor,
        dtype: torch.dtype = torch.float32,
        tap: int | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Final hidden states, after the last norm, and what went into one layer.

        Args:
            ids: (M,) int64.
            positions: (M,) int64, from 0 in each document.
            bounds: (documents + 1,) int64 on the CPU: where each document starts, and the
                end of the last; rows past it are padding.
            dtype: of products and activations.
            tap: the layer whose input is wanted too.

        Returns:
            (M, d) in `dtype`, twice; the second None without `tap`.
        """
        x = F.embedding(ids, self.embed).to(dtype)
        cos = self.cos[positions].unsqueeze(1)  # (M, 1, head_dim / 2)
        sin = self.sin[positions].unsqueeze(1)
        tapped: Tensor | None = None
        for i, layer in enumerate(self.layers):
            tapped = x if i == tap else tapped
            x = layer(x, cos, sin, bounds)
        return rms_norm(x, self.norm, self.shape.norm_eps), tapped

    def logits(self, hidden: Tensor) -> Tensor:
        """(rows, d) -> (rows, vocab), in hidden's dtype."""
        return F.linear(hidden, self.head.to(hidden.dtype))

    def _init_weights(self, generator: torch.Generator) -> None:
        """Outputs into the residual start at zero, so each layer starts as the identity."""
        nn.init.normal_(self.embed, std=0.02, generator=generator)
        if self.unembed is not None:
            nn.init.normal_(self.unembed, std=0.02, generator=generator)
        std = self.shape.d_model**-0.5
        for layer in self.layers:
            assert isinstance(layer, Layer)
            nn.init.normal_(layer.qkv, std=0.5 * std, generator=generator)
            nn.init.normal_(layer.gate_up, std=0.5 * std, generator=generator)
            nn.init.zeros_(layer.out)
            nn.init.zeros_(layer.down)


def hf_state_dict(model: Llama, dtype: torch.dtype = torch.bfloat16) -> dict[str, Tensor]:
    """The weights under transformers' names; the tied embedding appears once."""
    s = model.shape
    state: dict[str, Tensor] = {"model.embed_tokens.weight": model.embed, "model.norm.weight": model.norm}
    for i, layer in enumerate(model.layers):
        assert isinstance(layer, Layer)
        q, k, v = layer.qkv.tensor_split([s.d_model, s.d_model + s.d_kv])
        gate, up = layer.gate_up.chunk(2)
        named = {
            "input_layernorm": layer.norm_1,
            "self_attn.q_proj": q,
            "self_attn.k_proj": k,
            "self_attn.v_proj": v,
            "self_attn.o_proj": layer.out,
            "post_attention_layernorm": layer.norm_2,
            "mlp.gate_proj": gate,
            "mlp.up_proj": up,
            "mlp.down_proj": layer.down,
        }
        state |= {f"model.layers.{i}.{name}.weight": value for name, value in named.items()}
    if model.unembed is not None:
        state["lm_head.weight"] = model.unembed
    return {name: value.detach().to("cpu", dtype, copy=True).contiguous() for name, value in state.items()}


@torch.no_grad()
def load_hf_state_dict(model: Llama, state: Mapping[str, Tensor]) -> None:
    """Fills `model` with weights under transformers' names, the reverse of `hf_state_dict`.

    Args:
        model: filled in place.
        state: names to tensors.

    Raises:
        KeyError: a weight is missing.
    """
    model.embed.copy_(state["model.embed_tokens.weight"])
    model.norm.copy_(state["model.norm.weight"])
    if model.unembed is not None:
        model.unembed.copy_(state["lm_head.weight"])
    for i, layer in enumerate(model.layers):
        assert isinstance(layer, Layer)

        def get(name: str, prefix: str = f"model.layers.{i}.") -> Tensor:
            return state[f"{prefix}{name}.weight"]

        layer.norm_1.copy_(get("input_layernorm"))
        layer.norm_2.copy_(get("post_attention_layernorm"))
        layer.qkv.copy_(torch.cat([get(f"self_attn.{n}_proj") for n in "qkv"]))
        layer.out.copy_(get("self_attn.o_proj"))
        layer.gate_up.copy_(torch.cat([get("mlp.gate_proj"), get("mlp.up_proj")]))
        layer.down.copy_(get("mlp.down_proj"))


def hf_config(shape: ModelShape, **tokens: Any) -> Any:
    """The LlamaConfig of this shape. tokens: bos_token_id, eos_token_id, pad_token_id."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=shape.vocab_size,
        hidden_size=shape.d_model,
        intermediate_size=shape.d_ff,
        num_hidden_layers=shape.n_layers,
        num_attention_heads=shape.n_heads,
        num_key_value_heads=shape.n_kv_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=shape.context,
        rms_norm_eps=shape.norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        tie_word_embeddings=shape.tied,
        **tokens,
    )


def export_hf(
    model: Llama,
    shape: ModelShape,
    tokenizer: Any,
    out_dir: Path | str,
    dtype: torch.dtype = torch.bfloat16,
    eos_ids: Sequence[int] | None = None,
) -> Path:
    """Writes a folder that transformers loads as LlamaForCausalLM.

    Args:
        model: the trained weights.
        shape: its sizes.
        tokenizer: a transformers tokenizer, saved beside the weights; its bos, eos and pad
            ids go in the configs. None leaves tokenizer files and ids out.
        out_dir: made when missing; files of the same names are replaced.
        dtype: of the stored weights.
        eos_ids: every id that ends a reply; the tokenizer's own eos when None.

    Returns:
        The folder.
    """
    from safetensors.torch import save_file
    from transformers import GenerationConfig

    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    own_eos = getattr(tokenizer, "eos_token_id", None)
    ends = list(eos_ids) if eos_ids else ([] if own_eos is None else [own_eos])
    tokens = {
        "bos_token_id": getattr(tokenizer, "bos_token_id", None),
        "eos_token_id": ends if len(ends) > 1 else (ends[0] if ends else None),
        "pad_token_id": getattr(tokenizer, "pad_token_id", None),
    }
    config = hf_config(shape, **tokens)
    config.architectures = ["LlamaForCausalLM"]
    config.dtype = str(dtype).removeprefix("torch.")
    config.save_pretrained(out)
    GenerationConfig(**tokens).save_pretrained(out)
    save_file(hf_state_dict(model, dtype), out / "model.safetensors", metadata={"format": "pt"})
    if tokenizer is not None:
        tokenizer.save_pretrained(out)
    return out
