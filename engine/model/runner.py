"""Runs a loaded model: replies step by step, and the probabilities of labels.

A prompt is read by forwards of its own, under its sequence's mask, into its sequence's cache; replies
that are being written share one forward a token, whatever adapters each runs with. Everything here
belongs to one thread. This module knows nothing of queues, asyncio or files.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Sequence as Labels
from typing import Any

import torch
from torch import Tensor

from engine.errors import InputError, ModelError
from engine.model.batch import Batch
from engine.model.detokenize import Detokenizer
from engine.model.load import LoadedModel
from engine.model.prefix import Key, KeyValues, PrefixCache, piece_end
from engine.model.sampler import Sampler
from engine.model.sequence import Feed, Sequence
from engine.model.shelf import Shelf
from engine.model.stack import RankStack, RowMask
from engine.types import Chunk, GenerationRequest, Stack

PREFIX_BYTES = 256 << 20


class Runner:
    """A model with its adapters and cached prefixes.

    Args:
        loaded: the base model.
        prefix_bytes: memory for the KV of prompts' beginnings; 0 keeps none.

    Raises:
        ModelError: the model cannot run a forward with a cache.
    """

    def __init__(self, loaded: LoadedModel, prefix_bytes: int = PREFIX_BYTES) -> None:
        self.loaded = loaded
        self._model = loaded.model
        self._stack = RankStack(loaded.model, loaded.device, loaded.dtype)
        self._prefixes = PrefixCache(prefix_bytes)
        self.shelf = Shelf(self._stack, self._prefixes.forget)
        takes = inspect.signature(loaded.model.forward).parameters
        self._takes_positions = "position_ids" in takes
        self._cache_name = "cache" if "cache" in takes else "past_key_values"  # transformers renames it
        self._options: dict[str, Any] = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}
        self._sliceable = _sliceable(self._new_cache())
        self._batch = Batch(loaded.device, self._cache_name)
        self._batch_mask: tuple[tuple[Key, ...], RowMask] | None = None
        self._try_out()

    # --- replies ---------------------------------------------------------------------------

    def open(self, request: GenerationRequest) -> Sequence:
        """Begin a reply; nothing is computed yet. Give the sequence back to `close`.

        Raises:
            InputError: the prompt is empty or leaves no room for a reply.
            AdapterError: the stack names an adapter that is not loaded.
        """
        ids, contrast = request.prompt.ids, request.contrast
        self._check_ids(ids, room_tokens=1)
        longest = len(ids)
        if contrast is not None:
            self._check_ids(contrast.prompt.ids, room_tokens=1)
            longest = max(longest, len(contrast.prompt.ids))
        key = self.shelf.pin(request.stack)
        try:
            feed = self._feed(ids, key)
            bare = self._feed(contrast.prompt.ids, key) if contrast is not None else None
            sampler = Sampler(request.sampling, (), self._width(), self.loaded.device)
        except BaseException:
            self.shelf.unpin(key)
            raise
        return Sequence(
            feed,
            sampler,
            Detokenizer(self.loaded.tokenizer),
            self.loaded.eos_ids,
            min(request.sampling.max_new_tokens, self.loaded.context - longest),
            bare,
            contrast.weight if contrast is not None else 0.0,
        )

    def step(self, sequence: Sequence) -> Chunk | None:
        """Run one piece of a sequence; None while its prompt is being read."""
        logits = self._forward(sequence.feed)
        if not sequence.feed.done:
            return None
        if sequence.bare is not None:
            weight = sequence.bare_weight
            logits = (1 + weight) * logits - weight * self._read(sequence.bare)
        return sequence.advance(logits)

    @property
    def batches(self) -> bool:
        """Whether several sequences can be stepped at once; not so with sliding windows or states."""
        return self._sliceable and self._takes_positions

    def step_all(self, sequences: Labels[Sequence]) -> list[tuple[Sequence, Chunk | Exception]]:
        """Draw the next token of each, with one forward; every sequence is `writing`.

        A sequence that cannot go on brings its own error; one that the forward raises concerns all
        (see `part`).
        """
        writing = {id(sequence.feed): sequence for sequence in sequences}
        feeds = self._batch.arrange([sequence.feed for sequence in sequences])
        keys = tuple(feed.key for feed in feeds)
        if self._batch_mask is None or self._batch_mask[0] != keys:
            self._batch_mask = keys, self._stack.mask(keys)
        with torch.inference_mode(), self._stack.rows(self._batch_mask[1]):
            logits = self._model(**self._batch.inputs(), **self._options).logits[:, -1]
        ends: list[tuple[Sequence, Chunk | Exception]] = []
        for feed, row in zip(feeds, logits, strict=True):
            feed.fed += 1
            sequence = writing[id(feed)]
            try:
                ends.append((sequence, sequence.advance(row)))
            except Exception as exc:  # this one's alone
                ends.append((sequence, exc))
        return ends

    def part(self) -> None:
        """Let every sequence be stepped by itself again."""
        self._batch.dissolve()

    def close(self, sequence: Sequence) -> None:
        """Free a sequence's cache and let go of its adapters."""
        self._batch.drop(sequence.feed)
        sequence.feed.cache = None
        if sequence.bare is not None:
            sequence.bare.cache = None
        self.shelf.unpin(sequence.feed.key)

    # --- labels ----------------------------------------------------------------------------

    def choose(self, ids: tuple[int, ...], labels: Labels[str]) -> tuple[float, ...]:
        """Probabilities of labels as the base model's next words, normalised over the labels.

        They are read at the first token where the labels differ, after one reading of the prompt.

        Raises:
            ModelError: two labels are alike there for this tokenizer.
            InputError: the prompt is empty or too long.
        """
        common, heads = self._label_heads(labels)
        logits = self._read(self._choice(ids, common))
        scores = logits[torch.tensor(heads, device=logits.device)].float()
        if not bool(torch.isfinite(scores).all()):
            raise ModelError('The model\'s output is not finite; set dtype = "bfloat16" or "float32".')
        return tuple(torch.softmax(scores, -1).tolist())

    def _label_heads(self, labels: Labels[str]) -> tuple[tuple[int, ...], list[int]]:
        """What the labels' tokens have in common at the front, and the token of each behind that."""
        end = min(self.loaded.eos_ids, default=0)  # "NO" ends where "NO WAY" goes on
        rows = [
            [*self.loaded.tokenizer(label, add_special_tokens=False)["input_ids"], end] for label in labels
        ]
        if not rows or any(len(row) == 1 for row in rows):
            raise ModelError("Labels must be words; got none, or an empty one.")
        at = 0
        while len(rows) > 1 and all(len(row) > at and row[at] == rows[0][at] for row in rows):
            at += 1
        heads = [row[min(at, len(row) - 1)] for row in rows]
        if len(set(heads)) < len(rows):
            raise ModelError(
                f"The labels {', '.join(labels)} begin with the same tokens in this model's tokenizer, so "
                "their probabilities cannot be told apart; choose other words."
            )
        return tuple(rows[0][:at]), heads

    # --- scores ----------------------------------------------------------------------------

    def score(self, ids: tuple[int, ...], stack: Stack) -> tuple[float, ...]:
        """Natural log of the probability of each token but the first, given those before it, (T - 1).

        Raises:
            InputError: there are less than two tokens, or too many.
            AdapterError: the stack names an adapter that is not loaded.
        """
        if len(ids) < 2:
            raise InputError("A text to be scored has at least two tokens.")
        self._check_ids(ids, room_tokens=0)
        key = self.shelf.pin(stack)
        try:
            tokens = torch.tensor([ids], device=self.loaded.device)
            with torch.inference_mode(), self._stack.rows(self._stack.mask([key])):
                logits = self._model(input_ids=tokens, use_cache=False).logits[0, :-1].float()
            picked = torch.log_softmax(logits, -1).gather(-1, tokens[0, 1:, None])
        finally:
            self.shelf.unpin(key)
        return tuple(picked[:, 0].tolist())

    # --- memory ----------------------------------------------------------------------------

    def free_memory(self) -> None:
        """Give back what is only kept for speed."""
        self._prefixes.clear()
        gc.collect()
        if self.loaded.device.type == "cuda":
            torch.cuda.empty_cache()

    # --- the model -------------------------------------------------------------------------

    def _feed(self, ids: tuple[int, ...], key: Key) -> Feed:
        """A prompt with as much of it in a cache as is known."""
        cache = self._new_cache()
        fed, layers = self._prefixes.find(key, ids)
        for index, (keys, values) in enumerate(layers):
            cache.update(keys, values, index)
        return Feed(ids, self._stack.mask([key]), key, cache, fed)

    def _choice(self, ids: tuple[int, ...], common: tuple[int, ...]) -> Feed:
        """A prompt for the base model with the beginning of an answer."""
        self._check_ids((*ids, *common), room_tokens=0)
        return self._feed((*ids, *common), ())

    def _forward(self, feed: Feed) -> Tensor:
        """Run a feed's next piece and return the logits behind it, (V,)."""
        start, piece = feed.fed, feed.next_piece()
        device = self.loaded.device
        options = dict(self._options)
        if self._takes_positions:  # saves the model from working them out, 0.4 ms a token on a CPU
            options["position_ids"] = torch.arange(start, start + len(piece), device=device)[None]
        with torch.inference_mode(), self._stack.rows(feed.mask):
            out = self._model(
                input_ids=torch.tensor([piece], device=device),
                use_cache=True,
                **{self._cache_name: feed.cache},
                **options,
            )
        feed.fed += len(piece)
        if self._sliceable and feed.fed <= feed.prompt_tokens and feed.fed == piece_end(start, feed.fed + 1):
            self._prefixes.keep(feed.key, feed.ids[: feed.fed], _key_values(feed.cache))
        logits: Tensor = out.logits[0, -1]
        return logits

    def _read(self, feed: Feed) -> Tensor:
        """Run all that a feed still has to read and return the logits behind it, (V,)."""
        logits = self._forward(feed)
        while not feed.done:
            logits = self._forward(feed)
        return logits

    def _new_cache(self) -> Any:
        from transformers import DynamicCache

        return DynamicCache(config=self._model.config)

    def _width(self) -> int:
        """V, which some models pad beyond their vocabulary."""
        head = self._model.get_output_embeddings()
        return int(getattr(head, "out_features", self.loaded.vocab_size))

    def _check_ids(self, ids: tuple[int, ...], room_tokens: int) -> None:
        if not ids:
            raise InputError("The prompt is empty.")
        if len(ids) + room_tokens > self.loaded.context:
            raise InputError(
                f"The prompt is too long: it takes {len(ids)} tokens, and prompt and reply together may "
                f"take {self.loaded.context}. Please shorten it."
            )
        if not 0 <= min(ids) <= max(ids) < self.loaded.vocab_size:  # on CUDA this would end the process
            raise InputError("The prompt holds tokens of another tokenizer than the loaded model's.")

    def _try_out(self) -> None:
        """Fail at start, not at the first message, when the model has no cache."""
        feed = self._feed((0, 0), ())
        try:
            self._forward(feed)
            feed.ids.append(0)
            self._forward(feed)
        except Exception as exc:  # a model class of any shape may raise anything
            raise ModelError(
                f"{self.loaded.ref} cannot generate here ({type(exc).__name__}: {exc}); choose a "
                "model with a KV cache, such as a Llama, Qwen, Mistral or T5."
            ) from exc


def _sliceable(cache: Any) -> bool:
    """Whether a cache's first n tokens are a cache of n tokens; not so with sliding windows or states."""
    from transformers.cache_utils import DynamicLayer

    layers = getattr(cache, "layers", ())  # an encoder-decoder's has two caches instead
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


def _key_values(cache: Any) -> KeyValues:
    """The tensors themselves: a cache that grows makes new ones and leaves these as they are."""
    return tuple((layer.keys, layer.values) for layer in cache.layers)
