"""Turns a growing list of tokens into text deltas that never end inside a character.

A token may hold a part of a character's UTF-8 bytes; such text is held back until the rest arrives.
Special tokens leave no text. This module knows nothing of models or requests.
"""

from __future__ import annotations

from typing import Any

_BROKEN = "\ufffd"  # what a tokenizer decodes an incomplete character to
_MAX_HELD = 8  # tokens; an incomplete character is at most 3 bytes, so more is real rubbish


class Detokenizer:
    """Incremental decoding of one reply.

    Args:
        tokenizer: a transformers tokenizer.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []  # from the last token or tokens that were shown, for their context
        self._shown = 0  # how many of them are shown
        self._before = ""  # their text

    def push(self, token: int) -> str:
        """The text that this token completes; empty while a character is incomplete."""
        self._ids.append(token)
        text = self._decode(self._ids)
        delta = text[len(self._before) :]
        if text.endswith(_BROKEN):
            if len(self._ids) - self._shown <= _MAX_HELD:
                return ""
            self._ids = []  # rubbish can be no context for what follows
        elif delta:  # the shown tokens before these are no longer needed as context
            self._ids = self._ids[self._shown :]
        self._before = self._decode(self._ids)
        self._shown = len(self._ids)
        return delta

    def flush(self) -> str:
        """What is left at the end; an incomplete character is dropped."""
        text = self._decode(self._ids)[len(self._before) :]
        self._ids, self._shown, self._before = [], 0, ""
        return text.rstrip(_BROKEN)

    def _decode(self, ids: list[int]) -> str:
        if not ids:
            return ""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text
