"""Project Gutenberg's files become clean chapters, passages of whole paragraphs, and talk."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from engine.errors import InputError
from ingest.book_pairs import chunk_paragraphs, noun_phrase, passage_pairs, spoken, talk_pairs
from ingest.books import Book, read_book
from ingest.books_cli import add_parser
from ingest.jsonl import Row
from ingest.ledger import Ledger, Stage
from ingest.slurs import without_slurs
from ingest.topic import on_topic

SENTENCE = "The old pilot looked across the brown river and spoke of the night when the boat went down."
PARAGRAPH = " ".join([SENTENCE] * 6)  # 108 words


def book_pairs(book: Book, source: str, passages: Stage, speech: Stage) -> list[Row]:
    """Both kinds, passages first."""
    return [*passage_pairs(book, source, passages), *talk_pairs(book, source, speech)]


BOOK = f"""\
The Project Gutenberg eBook of Boats, by Ann Writer

This eBook is for the use of anyone anywhere.

Title: Boats and Rivers

Author: Ann Writer

Character set encoding: UTF-8

Produced by A Volunteer and the Online Proofreading Team

*** START OF THE PROJECT GUTENBERG EBOOK BOATS ***

[Illustration: A boat
on a river]

BOATS AND RIVERS

By Ann Writer

London, 1890

Contents

CHAPTER I. The River .... 1
CHAPTER II. The Boat 12

[Transcriber's Note: spelling was kept,
also where it is odd.

Two pages were missing.]

CHAPTER I.

The River

{PARAGRAPH.replace("brown river", "brown[1] _river_", 1)}

12

{{13}} {PARAGRAPH}

* * * * *

[Footnote 1: It is brown.]

“Is the boat ready?” asked Tom.

“It is not,” said the captain, “and it will not be.”

“Then we shall walk there,

“and we shall walk all day long.”

“No.”

The captain turned away and looked at the water for a long time without a word.

PART SECOND

CHAPTER II

THE BOAT

“FIRE!” cried somebody, and that was all.

Short chapter.

THE END

*** END OF THE PROJECT GUTENBERG EBOOK BOATS ***

Licence text that nobody should learn.
"""


def test_read_book_keeps_prose_alone_and_counts_the_rest() -> None:
    stage = Stage("clean")
    book = read_book(BOOK, "boats.txt", stage)
    assert (book.title, book.author) == ("Boats and Rivers", "Ann Writer")
    text = "\n".join(p for chapter in book.chapters for p in chapter)
    for gone in (
        "Gutenberg",
        "Licence",
        "Illustration",
        "London",
        "spelling",
        "pages were",
        "1890",
        "13",
        "[1]",
    ):
        assert gone not in text
    for gone in ("CHAPTER", "THE BOAT", "The River", "brown.", "_", "* *", "THE END", "PART"):
        assert gone not in text
    assert "across the brown river and" in text and "“FIRE!”" in text
    assert len(book.chapters) == 2
    assert stage.came_in == stage.went_out + sum(stage.dropped.values())
    assert stage.went_out == sum(len(c) for c in book.chapters) == 10
    assert {"chapter heading", "contents", "footnote", "illustration", "ornament", "page number"} <= set(
        stage.dropped
    )
    assert stage.dropped["transcriber's note"] == 2


def test_read_book_cut_off_or_unmarked_gutenberg_file_is_refused() -> None:
    with pytest.raises(InputError, match="cut off"):
        read_book(BOOK.split("*** END")[0], "b.txt", Stage("x"))
    with pytest.raises(InputError, match="START OF"):
        read_book("Project Gutenberg's Boats\n\nText.", "b.txt", Stage("x"))


def test_read_book_plain_text_without_header_is_taken_whole() -> None:
    book = read_book(f"{PARAGRAPH}\n\n{PARAGRAPH}", "notes.txt", Stage("x"))
    assert book.title == "notes"
    assert book.chapters == ((PARAGRAPH, PARAGRAPH),)


def test_read_book_sentence_that_begins_like_a_heading_stays() -> None:
    text = f"{PARAGRAPH}\n\nPart of the way we rode, and the rest of it we walked in the rain.\n\nI went."
    (chapter,) = read_book(text, "n.txt", Stage("x")).chapters
    assert chapter[1:] == ("Part of the way we rode, and the rest of it we walked in the rain.", "I went.")


def test_chunk_paragraphs_are_whole_within_limits_and_lose_little() -> None:
    paragraphs = [" ".join(["w"] * n) for n in (90, 150, 120, 480, 30, 60, 210, 700, 199)]
    runs, left = chunk_paragraphs(paragraphs)
    lengths = [sum(len(p.split()) for p in paragraphs[a:b]) for a, b in runs]
    assert all(200 <= n <= 500 for n in lengths)
    assert left == [7, 8]
    assert sorted([i for a, b in runs for i in range(a, b)] + left) == list(range(9))


def test_book_pairs_passages_have_200_to_500_words_and_a_prompt() -> None:
    ledger = Ledger()
    chapter = tuple(f"{i} {PARAGRAPH}" for i in range(8))
    book = read_book("\n\n".join(chapter), "n.txt", ledger.stage("clean"))
    rows = book_pairs(book, "n", ledger.stage("passages"), ledger.stage("talk"))
    ledger.close()
    assert all(list(row) == ["instruction", "response", "source", "id"] for row in rows)
    assert all(200 <= len(row["response"].split()) <= 500 for row in rows)
    openers = [row for row in rows if len(row["instruction"]) == 1]
    followers = [row for row in rows if len(row["instruction"]) == 3]
    assert len(openers) == len(followers) + 1 >= 2
    assert "the old pilot" in openers[0]["instruction"][0] or "brown river" in openers[0]["instruction"][0]
    assert openers[0]["response"].endswith(followers[0]["instruction"][1])
    assert len({row["id"] for row in rows}) == len(rows)
    assert rows == book_pairs(book, "n", Stage("a"), Stage("b"))


def test_book_pairs_talk_alternates_and_ends_at_narration() -> None:
    speech = Stage("talk")
    rows = book_pairs(read_book(BOOK, "b", Stage("x")), "b", Stage("p"), speech)
    talk = [(row["instruction"], row["response"]) for row in rows if len(row["response"].split()) < 200]
    assert talk == [
        (["Is the boat ready?"], "It is not, and it will not be."),
        (
            ["Is the boat ready?", "It is not, and it will not be."],
            "Then we shall walk there, and we shall walk all day long.",
        ),
    ]
    assert speech.dropped["answer shorter than 3 words"] == 1


def test_spoken_narration_around_a_word_is_no_speech() -> None:
    assert spoken("“Yes,” said the old man as he went slowly down the long road to the sea.") == ""
    assert spoken('"I will go," he said.') == "I will go."


def test_noun_phrase_speaks_to_the_other_person() -> None:
    assert noun_phrase("I remember my grandmother, who had a cow.") == "your grandmother"
    assert noun_phrase("Once upon a time he met Captain Bixby there.") == "Captain Bixby"
    assert noun_phrase("So it was.") == ""


def test_book_command_prints_one_object_and_refuses_another_author(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "b.txt", tmp_path / "pairs.jsonl"
    path.write_bytes(BOOK.encode())
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["book", str(path), "--out", str(out), "--json"])
    assert args.handler(args) == 0
    printed = json.loads(capsys.readouterr().out)
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert printed["counts"]["pairs"] == len(rows) > 2
    assert [s["in"] == s["out"] + sum(s["dropped"].values()) for s in printed["ledger"]] == [True] * 5
    asked = ["book", str(path), "--out", str(out), "--json", "--only", "talk", "--longest-talk", "12"]
    assert (few := parser.parse_args([*asked, "--sample", "1"])).handler(few) == 0
    ledger = json.loads(capsys.readouterr().out)["ledger"]
    (row,) = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert row in rows and len(row["response"].split()) <= 12
    assert all(s["in"] == s["out"] + sum(s["dropped"].values()) for s in ledger)
    args = parser.parse_args(["book", str(path), "--out", str(out), "--author", "Someone Else"])
    assert args.handler(args) == 1
    assert "not by Someone Else" in capsys.readouterr().err


def test_pairs_with_a_slur_on_either_side_are_left_out() -> None:
    said = [
        ("Who is there?", "Only the pilot."),
        ("Where did the Chinamen go?", "Down the river."),
        ("Who is it?", "An Injun, said Tom."),
        ("Was it dark?", "Dark, and chinked with light; a savage night for a raccoon."),
    ]
    rows: list[Row] = [{"instruction": [asked], "response": told} for asked, told in said]
    assert without_slurs(rows) == [rows[0], rows[3]]


def test_on_topic_keeps_the_answer_that_is_about_what_was_said() -> None:
    rows: list[Row] = [
        {
            "instruction": ["Do you like fishing in the river?"],
            "response": "I caught a big fish in the river.",
        },
        {"instruction": ["Do you like fishing in the river?"], "response": "Her lawyer signed the contract."},
    ]
    assert on_topic(rows, 0.4) == rows[:1]
    assert on_topic(rows, 0.0)[0] == rows[0]
