"""A classifier of one author's prose against others', and how often replies pass for the author's.

Logistic regression over hashed words, word pairs and runs of letters of pieces as short as replies
are. It is trained on rows that the base model never trained on, and tested on books that it was not
trained on itself, so its own accuracy is to be read beside its verdicts. It knows nothing of models.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from trainer import corpus

BUCKETS = 1 << 14
PIECE_WORDS = 25
MOST_PIECES = 4000  # of each class
STEPS, PENALTY, SHARPNESS = 60, 0.01, 10.0
OWN, OTHERS = "persona_twain_franklin", "prose_gutenberg"
TEST_SHARE = 4  # one book in so many is for testing


@dataclass(frozen=True, slots=True)
class Piece:
    """A few words of a book."""

    book: str
    text: str
    own: bool


class StyleClassifier:
    """Says of texts whether they read like the author's.

    Args:
        weights: (BUCKETS + 1,), the last of them the constant.
    """

    def __init__(self, weights: Tensor) -> None:
        self._weights = weights

    def probabilities(self, texts: Sequence[str]) -> list[float]:
        """Of being the author's, 0..1."""
        return torch.sigmoid(features(texts) @ self._weights).tolist() if texts else []

    def hit_rate(self, texts: Sequence[str]) -> float:
        """Share of texts that pass for the author's."""
        return sum(p > 0.5 for p in self.probabilities(texts)) / len(texts) if texts else 0.0


def train(folder: Path, author: str, seed: int = 0) -> tuple[StyleClassifier, dict[str, float]] | None:
    """A classifier for an author of the corpus, with its accuracy on books it never saw.

    Returns:
        None where the corpus has no held-out rows of both sides.
    """
    pieces = [*_pieces(folder / f"{OWN}.jsonl.xz", author), *_pieces(folder / f"{OTHERS}.jsonl.xz", author)]
    rng = random.Random(seed)
    rng.shuffle(pieces)
    sides = [_even([p for p in pieces if tested(p.book) is test]) for test in (False, True)]
    if not all(sides):
        return None
    fit, test = sides
    weights = _fit(features([p.text for p in fit]), torch.tensor([float(p.own) for p in fit]))
    classifier = StyleClassifier(weights)
    said = classifier.probabilities([p.text for p in test])
    right = sum((p > 0.5) is piece.own for p, piece in zip(said, test, strict=True))
    return classifier, {"accuracy": right / len(test), "n": len(test), "trained_on": len(fit)}


def tested(book: str) -> bool:
    """Whether a book is for testing; a property of its name."""
    return zlib.crc32(book.encode()) % TEST_SHARE == 0


def features(texts: Sequence[str]) -> Tensor:
    """Unit vectors of hashed words, word pairs and runs of four letters, and a 1; (N, BUCKETS + 1)."""
    out = torch.zeros(len(texts), BUCKETS + 1)
    for row, text in zip(out, texts, strict=True):
        low = " ".join(text.lower().split())
        words = re.findall(r"[a-z']+|[^\sa-z']", low)
        marks = [*words, *(f"{a} {b}" for a, b in pairwise(words))]
        marks += [f"~{low[i : i + 4]}" for i in range(len(low) - 3)]
        for mark in marks:
            row[zlib.crc32(mark.encode()) % BUCKETS] = 1.0
        row /= row.norm().clamp_min(1.0)
        row[-1] = 1.0
    return out


def _fit(x: Tensor, y: Tensor) -> Tensor:
    """Weights of a logistic regression over log-count ratios. x: (N, BUCKETS + 1), y: (N,) of 0 and 1.

    Source: https://aclanthology.org/P12-2018/.
    """
    there = (x > 0).float()
    own, others = there[y == 1].sum(0) + 1, there[y == 0].sum(0) + 1
    ratios = torch.log((own / own.sum()) / (others / others.sum()))
    ratios[-1] = 1.0  # the constant
    scaled = x * ratios * SHARPNESS
    weights = torch.zeros(x.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(scaled @ weights, y)
        loss = loss + PENALTY * (weights[:-1] ** 2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return weights.detach() * ratios


def _pieces(path: Path, author: str) -> Iterator[Piece]:
    """Pieces of a file's kept-out rows."""
    if not path.is_file():
        return
    for row in corpus.rows(path):
        parts = corpus.paragraphs(row)
        if not parts or not corpus.kept_out(parts[0]):
            continue
        words = " ".join(parts).split()
        for at in range(0, len(words) - PIECE_WORDS, PIECE_WORDS):
            text = " ".join(words[at : at + PIECE_WORDS])
            yield Piece(f"{row.get('author')}: {row.get('title')}", text, row.get("author") == author)


def _even(pieces: Sequence[Piece]) -> list[Piece]:
    """As many of one class as of the other; empty where one is missing."""
    own = [p for p in pieces if p.own]
    others = [p for p in pieces if not p.own]
    most = min(len(own), len(others), MOST_PIECES)
    return own[:most] + others[:most]
