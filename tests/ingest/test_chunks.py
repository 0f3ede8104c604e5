"""The chunker: whole sentences, even lengths, overlaps, no word lost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from engine.chunks import Chunking, sentences, split_chunks, split_passages
from engine.errors import RetrievalError
from engine.word_pieces import WordPieces, word_pieces


def make_sentences(count: int, words: int) -> str:
    return " ".join(" ".join([f"Word{n}", *["word"] * (words - 2), "end."]) for n in range(count))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One day. Two days! Three?", ["One day.", "Two days!", "Three?"]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        (
            "Mr. Clemens met Dr. J. Brown at 5 p.m. on Monday.",
            ["Mr. Clemens met Dr. J. Brown at 5 p.m. on Monday."],
        ),
        ("It cost 2.4 million dollars. It was late.", ["It cost 2.4 million dollars.", "It was late."]),
        ("# A heading\n\nFirst line\nsecond line.", ["A heading", "First line second line."]),
        ("No end here\n\nNext paragraph", ["No end here", "Next paragraph"]),
        ("", []),
        ("  \n\n \n", []),
    ],
)
def test_sentences_of_prose_end_where_they_should(text: str, parts: list[str]) -> None:
    assert list(sentences(text)) == parts


def test_split_chunks_of_short_text_is_one_passage() -> None:
    assert split_chunks("A short text. It has two sentences.") == ("A short text. It has two sentences.",)


@pytest.mark.parametrize("count", [1, 7, 12, 13, 29, 100])
@pytest.mark.parametrize("words", [3, 11, 37])
def test_split_chunks_of_long_text_keeps_words_order_and_limit(count: int, words: int) -> None:
    text = make_sentences(count, words)
    chunks = split_chunks(text, max_words=80)
    assert " ".join(chunks) == text
    assert all(len(chunk.split()) <= 80 for chunk in chunks)
    assert all(chunk.endswith("end.") for chunk in chunks)


def test_split_chunks_of_slightly_too_long_text_leaves_no_crumb() -> None:
    lengths = [len(chunk.split()) for chunk in split_chunks(make_sentences(9, 10), max_words=80)]
    assert sum(lengths) == 90
    assert min(lengths) >= 40


def test_split_chunks_of_endless_sentence_cuts_it() -> None:
    text = " ".join(f"w{n}" for n in range(205))
    chunks = split_chunks(text, max_words=50)
    assert " ".join(chunks) == text
    assert max(len(chunk.split()) for chunk in chunks) == 50


def test_split_chunks_of_quotes_and_scripts_loses_nothing() -> None:
    text = 'She said: "No!" (Really.) “Так.” Он ушёл. 他走了。Then [he] left... "Why?" Nobody knew.'
    assert " ".join(split_chunks(text, max_words=4)).split() == text.split()


def test_split_chunks_with_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match="max_words is 0"):
        split_chunks("text", max_words=0)


# --- passages in tokens ----------------------------------------------------------------------


def by_letters(words: Sequence[str]) -> list[int]:
    """A measure that needs no tokenizer: four letters a token."""
    return [-(-len(word) // 4) for word in words]


def joined(passages: Sequence[str]) -> tuple[str, list[list[str]]]:
    """The text without what is said twice, and the sentences that are."""
    text = list(sentences(passages[0]))
    again = []
    for before, after in pairwise(passages):
        said, new = list(sentences(before)), list(sentences(after))
        shared = next((n for n in range(min(len(said), len(new)), 0, -1) if said[-n:] == new[:n]), 0)
        again.append(new[:shared])
        text += new[shared:]
    return " ".join(text), again


@pytest.mark.parametrize("count", [1, 9, 40])
@pytest.mark.parametrize("words", [4, 9, 30])
def test_split_passages_of_prose_overlap_by_whole_sentences_and_lose_nothing(count: int, words: int) -> None:
    text = make_sentences(count, words)
    passages = split_passages(text, Chunking(40, 12), by_letters)
    whole, again = joined(passages)
    assert whole == text
    assert all(sum(by_letters(p.split())) <= 40 for p in passages)
    assert all(sum(by_letters(" ".join(said).split())) <= 12 for said in again)
    # A sentence of 4 or 9 words fits into the overlap; one of 30 is not said twice.
    assert all(len(said) == {4: 2, 9: 1, 30: 0}[words] for said in again)


def test_split_passages_are_measured_with_the_embedders_own_tokenizer() -> None:
    text = " ".join(f"Incomprehensibilities perturbed Szczebrzeszyn {n}." for n in range(60))
    passages = split_passages(text)
    tokens = word_pieces()
    lengths = [sum(tokens(p.split())) for p in passages]
    assert max(lengths) <= Chunking().chunk_tokens
    assert min(lengths) > 60
    assert max(len(p.split()) for p in passages) < 45  # rare words have many tokens
    plain = split_passages(" ".join(f"The old man went home {n}." for n in range(60)))
    assert max(len(p.split()) for p in plain) > 60


def test_word_pieces_of_words_are_those_of_the_whole_text(tmp_path: Path) -> None:
    tokens = word_pieces()
    text = "Don't overanalyze the café's 1,234.56 naïve re-elections \u4ed6\u8d70\u4e86 (e.g. 🙂)!"
    whole = tokens._tokenizer.encode(text, add_special_tokens=False)
    assert sum(tokens(text.split())) == len(whole.ids)
    assert word_pieces("no such model") is not None  # measured with the bundled tokenizer
    assert tokens.max_tokens == 256
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(RetrievalError, match="install the model anew"):
        WordPieces(tmp_path / "tokenizer.json")


def test_split_passages_of_text_without_spaces_cuts_it_by_characters() -> None:
    text = "\u8d70" * 500
    passages = split_passages(text, Chunking(60, 10))
    assert "".join(passages) == text
    assert all(len(p) <= 60 for p in passages)


def test_split_passages_of_endless_sentence_cuts_between_words() -> None:
    text = " ".join(f"word{n}" for n in range(205))
    passages = split_passages(text, Chunking(40, 10), by_letters)
    words = " ".join(passages).split()
    assert list(dict.fromkeys(words)) == text.split()
    assert all(sum(by_letters(p.split())) <= 40 for p in passages)


def test_split_passages_before_a_long_sentence_carry_less() -> None:
    long = "Then " + "word " * 37 + "end."
    text = make_sentences(8, 5) + " " + long
    passages = split_passages(text, Chunking(40, 20), by_letters)
    assert joined(passages)[0] == text
    assert all(sum(by_letters(p.split())) <= 40 for p in passages)


def test_chunking_with_overlap_over_half_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap_tokens is 51"):
        Chunking(100, 51)
    assert Chunking(100, 50).name != Chunking(100, 49).name
