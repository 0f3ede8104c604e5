"""What training asks of a base model: its profile, and what turns conversations into its examples.

Reading and hashing are the engine's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.config import ProfileConfig
from engine.model.load import LoadedModel
from engine.prompt import Renderer
from engine.types import Message
from trainer.recipe import Recipe

_NO_SYSTEM = (
    "The base model's chat template has no system turn: the system text goes before the first user turn's."
)
_DTYPES = {"auto": "auto", "fp32": "float32", "bf16": "bfloat16"}


def base_profile(profile: ProfileConfig, recipe: Recipe, base: str = "") -> ProfileConfig:
    """The profile with what the recipe says of the base in place of its own.

    Args:
        base: from the command line; goes before the recipe's.
    """
    changes: dict[str, Any] = {}
    if base or recipe.base:
        changes["model"] = base or recipe.base
        changes["context_tokens"] = max(profile.context_tokens, recipe.max_length)
    if recipe.quantize != "profile":
        changes["quantization"] = recipe.quantize
    if recipe.dtype != "profile":
        changes["dtype"] = _DTYPES[recipe.dtype]
    return profile.model_copy(update=changes)


def renderer_for(base: LoadedModel) -> Renderer | Seq2SeqRenderer:
    """What turns conversations into this model's examples."""
    return (
        Seq2SeqRenderer(base.tokenizer) if base.model.config.is_encoder_decoder else Renderer(base.tokenizer)
    )


def template_warnings(tokenizer: Any) -> list[str]:
    """What the chat template cannot say."""
    rows = [{"role": "system", "content": "zq"}, {"role": "user", "content": "hi"}]
    try:
        told = "zq" in tokenizer.apply_chat_template(rows, tokenize=False)
    except Exception:  # templates raise jinja errors of their own making
        told = False
    return [] if told else [_NO_SYSTEM]


@dataclass(frozen=True, slots=True)
class SourceAndTarget:
    """A conversation for an encoder-decoder."""

    source: tuple[int, ...]  # (S,), everything before the response
    ids: tuple[int, ...]  # (T,), the response and its end
    mask: tuple[bool, ...]  # (T,), all true


class Seq2SeqRenderer:
    """The conversation as the encoder's text, the response as the decoder's.

    Args:
        tokenizer: a transformers tokenizer with a chat template, or its family's fallback.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._renderer = Renderer(tokenizer)

    def render(self, messages: Sequence[Message], *, final_only: bool = False) -> SourceAndTarget:
        """The last message is what the decoder writes."""
        source = self._renderer.prompt(messages[:-1]).ids
        text = self._renderer.safe(messages[-1].content)
        target = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        end = self.tokenizer.eos_token_id
        return SourceAndTarget((*source, end), (*target, end), (True,) * (len(target) + 1))
