"""Runs an encoder-decoder (T5, FLAN-T5): the prompt is read once by the encoder, the reply is decoded.

It differs from a decoder in what a feed is: its tokens are the decoder's, from the start token on,
and the prompt is a tensor beside them. So nothing of a prompt is worth keeping for the next one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engine.errors import ModelError
from engine.model.load import LoadedModel
from engine.model.prefix import Key
from engine.model.runner import Runner
from engine.model.sequence import Feed
from engine.types import Stack


class EncodedFeed(Feed):
    """The decoder's tokens, under one mask, with what the encoder made of the prompt."""

    __slots__ = ("encoded", "source")

    def __init__(self, source: tuple[int, ...], lead: tuple[int, ...], *rest: Any) -> None:
        super().__init__(lead, *rest)
        self.source, self.prompt_tokens = source, len(source)
        self.encoded: Any = None  # transformers' encoder output, (1, S, d), from the first step on

    def next_piece(self) -> list[int]:
        """The decoder's tokens that are not in the cache yet."""
        return self.ids[self.fed :]


class EncodedRunner(Runner):
    """An encoder-decoder with its adapters.

    Args:
        loaded: the base model.

    Raises:
        ModelError: it says no start token for its decoder, or cannot run a forward with a cache.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        start = getattr(loaded.model.generation_config, "decoder_start_token_id", None)
        start = loaded.model.config.decoder_start_token_id if start is None else start
        if start is None:
            raise ModelError(
                f"{loaded.ref} does not say with which token its decoder starts; set "
                "decoder_start_token_id in its config.json."
            )
        self._start = int(start)
        super().__init__(loaded, prefix_bytes=0)

    def score(self, ids: tuple[int, ...], stack: Stack) -> tuple[float, ...]:
        """Not of this kind of model: its decoder never sees a text without a source.

        Raises:
            ModelError: always.
        """
        raise ModelError("An encoder-decoder cannot score a plain text; only a decoder model can.")

    def _feed(self, ids: tuple[int, ...], key: Key, lead: tuple[int, ...] = ()) -> Feed:
        return EncodedFeed(
            self._ended(ids), (self._start, *lead), self._stack.mask([key]), key, self._new_cache()
        )

    def _choice(self, ids: tuple[int, ...], common: tuple[int, ...]) -> Feed:
        self._check_ids(ids, room_tokens=len(common))
        return self._feed(ids, (), common)

    def _forward(self, feed: Feed) -> Tensor:
        assert isinstance(feed, EncodedFeed)
        device = self.loaded.device
        piece = feed.next_piece()
        with torch.inference_mode(), self._stack.rows(feed.mask):
            if feed.encoded is None:
                source = torch.tensor([feed.source], device=device)
                feed.encoded = self._model.get_encoder()(input_ids=source)
            out = self._model(
                encoder_outputs=feed.encoded,
                decoder_input_ids=torch.tensor([piece], device=device),
                use_cache=True,
                **{self._cache_name: feed.cache},
            )
        feed.fed += len(piece)
        logits: Tensor = out.logits[0, -1]
        return logits

    def _new_cache(self) -> Any:
        from transformers import DynamicCache, EncoderDecoderCache

        return EncoderDecoderCache(
            DynamicCache(config=self._model.config), DynamicCache(config=self._model.config)
        )

    def _ended(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        """The prompt with the end token that the encoder was trained to see."""
        end = self.loaded.tokenizer.eos_token_id
        return ids if end is None or ids[-1:] == (end,) else (*ids, end)


def runner_for(loaded: LoadedModel) -> Runner:
    """The runner of this kind of model. Raises ModelError as it does."""
    return EncodedRunner(loaded) if loaded.model.config.is_encoder_decoder else Runner(loaded)
