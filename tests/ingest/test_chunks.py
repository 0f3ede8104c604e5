"""The chunker: whole sentences, even lengths, no word lost."""

from __future__ import annotations

import pytest

from ingest.chunks import sentences, split_chunks


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
