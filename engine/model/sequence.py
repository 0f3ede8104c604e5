"""All the state of one reply on the model thread: what is read, what is written, when it ends.

A sequence is fed tokens in pieces (the prompt first, then its own last token) and told the token
that was drawn. It knows nothing of the model that runs it or of who waits for it.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from engine.model.detokenize import Detokenizer
from engine.model.prefix import Key, piece_end
from engine.model.sampler import Sampler
from engine.model.stack import RowMask
from engine.types import Chunk


class Feed:
    """Tokens on their way into a KV cache, under one mask.

    Args:
        ids: the prompt's tokens.
        mask: which adapters it runs with.
        key: the same, as a key for cached prefixes.
        cache: a transformers cache that holds the first `fed` tokens.
        fed: how many tokens the cache holds already.
    """

    __slots__ = ("cache", "fed", "ids", "key", "mask", "prompt_tokens")

    def __init__(self, ids: tuple[int, ...], mask: RowMask, key: Key, cache: Any, fed: int = 0) -> None:
        self.ids = list(ids)
        self.prompt_tokens = len(ids)
        self.mask, self.key, self.cache, self.fed = mask, key, cache, fed

    @property
    def done(self) -> bool:
        """Whether every token is in the cache, so that the last logits tell what comes next."""
        return self.fed == len(self.ids)

    def next_piece(self) -> list[int]:
        """The tokens to be fed next: a piece of the prompt, or the last token drawn."""
        if self.fed >= self.prompt_tokens:
            return self.ids[self.fed :]
        return self.ids[self.fed : piece_end(self.fed, self.prompt_tokens)]


class Sequence:
    """One reply.

    Args:
        feed: the prompt, and later the reply, on its way into the cache.
        sampler: draws this request's tokens.
        text: decodes them.
        eos_ids: tokens that end it.
        max_new_tokens: at which it ends without.
        bare: the prompt without its context, which is fed the same reply; None decodes plainly.
        bare_weight: how much of the logits behind `bare` is taken off.
    """

    __slots__ = (
        "_eos_ids",
        "_max_new_tokens",
        "_sampler",
        "_text",
        "bare",
        "bare_weight",
        "feed",
        "new_tokens",
    )

    def __init__(
        self,
        feed: Feed,
        sampler: Sampler,
        text: Detokenizer,
        eos_ids: frozenset[int],
        max_new_tokens: int,
        bare: Feed | None = None,
        bare_weight: float = 0.0,
    ) -> None:
        self.feed = feed
        self.bare, self.bare_weight = bare, bare_weight
        self.new_tokens = 0
        self._sampler, self._text = sampler, text
        self._eos_ids, self._max_new_tokens = eos_ids, max_new_tokens

    @property
    def writing(self) -> bool:
        """Whether its prompt has been read and its next token is drawn from one forward of one token."""
        return self.bare is None and self.feed.prompt_tokens <= self.feed.fed == len(self.feed.ids) - 1

    def advance(self, logits: Tensor) -> Chunk:
        """Draw the next token and tell its text; the last chunk has a finish reason. logits: (V,)."""
        token = self._sampler.draw(logits)
        if token in self._eos_ids:
            return self._end("stop", self._text.flush())
        self.new_tokens += 1
        text = self._text.push(token)
        if self.new_tokens >= self._max_new_tokens:
            return self._end("length", text + self._text.flush())
        self.feed.ids.append(token)
        if self.bare is not None:
            self.bare.ids.append(token)
        return Chunk(text)

    def cancelled(self) -> Chunk:
        """The last chunk of a reply that was cut off from outside."""
        return self._end("cancelled", self._text.flush())

    def _end(self, finish: Any, text: str) -> Chunk:
        return Chunk(text, finish, self.feed.prompt_tokens, self.new_tokens)
