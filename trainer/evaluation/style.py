"""A classifier of one author's writing against others', and how often replies pass for the author's.

Logistic regression over words, word pairs and runs of letters of pieces as short as replies are. Books
that a persona's own pairs come from are left out, and it is tested on books that it was not trained on. How
often it takes the author's own talk, and that of others, in such books for the author's is to be read beside
its verdicts: they are what a reply could reach, and what it should be above. It knows nothing of models.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import InputError
from trainer import corpus

PIECE_WORDS = (8, 30)
MOST_PIECES = 30_000  # of each class
MOST_OF_A_BOOK = 3_000
OWN, OTHERS, TALK = "persona_twain_franklin", "prose_gutenberg", "chat_fiction_dialogue"
TEST_SHARE = 4  # one book in so many is for testing
TELLING_WORDS = 5  # of a pair's response, from which a text that holds it is where it comes from
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z]\w+")
_NOT_A_LETTER = re.compile(r"[^a-z]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A few words of a book."""

    book: str
    text: str
    own: bool


class StyleClassifier:
    """Says of texts whether they read like the author's.

    Args:
        model: a scikit-learn pipeline over texts; class 1 is the author.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def probabilities(self, texts: Sequence[str]) -> list[float]:
        """Of being the author's, 0..1."""
        return [float(p) for p in self._model.predict_proba(list(texts))[:, 1]] if texts else []

    def hit_rate(self, texts: Sequence[str]) -> float:
        """Share of texts that pass for the author's."""
        return sum(p > 0.5 for p in self.probabilities(texts)) / len(texts) if texts else 0.0


def train(
    folder: Path, author: str, lines: Sequence[str] = (), seed: int = 0
) -> tuple[StyleClassifier, dict[str, float]] | None:
    """A classifier for an author of the corpus, and how good it is on books it never saw.

    Args:
        lines: the responses that the persona was trained on; books that hold any of them are left out.

    Returns:
        it, with `accuracy` on `n` pieces, `trained_on`, and `own_talk` and `others_talk`: the shares of
        speeches in other fiction that pass for the author's, where the corpus has such. None where the
        corpus lacks books of either side.

    Raises:
        InputError: scikit-learn is not installed.
    """
    rng = random.Random(seed)
    own = _books(folder / f"{OWN}.jsonl.xz", author, True, lines)
    others = _books(folder / f"{OTHERS}.jsonl.xz", author, False)
    sides = [_even(_cut(own, test, True, rng), _cut(others, test, False, rng), rng) for test in (False, True)]
    if not all(sides):
        return None
    fit, test = sides
    classifier = StyleClassifier(_fit(fit))
    said = classifier.probabilities([p.text for p in test])
    right = sum((p > 0.5) is piece.own for p, piece in zip(said, test, strict=True))
    about = {"accuracy": right / len(test), "n": len(test), "trained_on": len(fit)}
    read = {p.book for p in fit}
    for key, is_own in (("own_talk", True), ("others_talk", False)):
        if speeches := _speeches(folder / f"{TALK}.jsonl.xz", author, is_own, read, rng):
            about[key] = classifier.hit_rate(speeches)
            about[f"n_{key}"] = len(speeches)
    return classifier, about


def tested(book: str) -> bool:
    """Whether a book is for testing; a property of its name."""
    return zlib.crc32(book.encode()) % TEST_SHARE == 0


def plain(text: str) -> str:
    """Lower-case text in which a name is only a name: what is told of is no style."""
    return _NAME.sub("Name", text).lower()


def _fit(pieces: Sequence[Piece]) -> Any:
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline, make_union
    except ImportError as exc:
        raise InputError("Style needs scikit-learn; run `pip install 'understudy[train]'`.") from exc
    least = min(3, 1 + len(pieces) // 1000)
    counted = {"preprocessor": plain, "min_df": least, "sublinear_tf": True}
    words = TfidfVectorizer(token_pattern=r"[a-z']+|[^\sa-z']", ngram_range=(1, 2), **counted)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), **counted)
    model = make_pipeline(make_union(words, letters), LogisticRegression(max_iter=300))
    return model.fit([p.text for p in pieces], [int(p.own) for p in pieces])


def _books(path: Path, author: str, own: bool, lines: Sequence[str] = ()) -> dict[str, list[str]]:
    """Paragraphs by book: the author's or everybody else's, without the books that hold one of `lines`."""
    if not path.is_file():
        return {}
    books: dict[str, list[str]] = {}
    for row in corpus.rows(path):
        if (row.get("author") == author) is own and (parts := corpus.paragraphs(row)):
            books.setdefault(_named(row), []).extend(parts)
    said = {s for s in map(_letters, lines) if len(s.split()) >= TELLING_WORDS}
    if said:
        texts = {book: _letters(" ".join(parts)) for book, parts in books.items()}
        books = {b: parts for b, parts in books.items() if not any(s in texts[b] for s in said)}
    return books


def _named(row: corpus.Row) -> str:
    return f"{row.get('author')}: {row.get('title')}"


def _letters(text: str) -> str:
    return f" {_NOT_A_LETTER.sub(' ', text.lower()).strip()} "


def _cut(books: dict[str, list[str]], test: bool, own: bool, rng: random.Random) -> list[Piece]:
    """Pieces of the books of one side of the split, at most `MOST_OF_A_BOOK` of each."""
    pieces: list[Piece] = []
    for book, parts in books.items():
        if tested(book) is test:
            cut = [Piece(book, text, own) for text in _pieces(" ".join(parts).split(), rng)]
            pieces += rng.sample(cut, min(len(cut), MOST_OF_A_BOOK))
    return pieces


def _pieces(words: Sequence[str], rng: random.Random) -> Iterator[str]:
    at = 0
    while at + PIECE_WORDS[0] <= len(words):
        size = rng.randint(*PIECE_WORDS)
        yield " ".join(words[at : at + size])
        at += size


def _even(own: Sequence[Piece], others: Sequence[Piece], rng: random.Random) -> list[Piece]:
    """As many of one class as of the other, in random order; empty where one is missing."""
    most = min(len(own), len(others), MOST_PIECES)
    return rng.sample([*rng.sample(own, most), *rng.sample(others, most)], 2 * most)


def _speeches(path: Path, author: str, own: bool, read: set[str], rng: random.Random) -> list[str]:
    """Last speeches of dialogues in books that the classifier has not read, of a length of pieces."""
    if not path.is_file():
        return []
    said = [
        str(row["messages"][-1]["content"])
        for row in corpus.rows(path)
        if (row.get("author") == author) is own and _named(row) not in read
    ]
    said = [s for s in said if PIECE_WORDS[0] <= len(s.split()) <= PIECE_WORDS[1]]
    return rng.sample(said, min(len(said), 1000))
