"""The reader: spans in the passage's own letters, windows over long ones, typed errors, its own thread."""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from engine.embedder import bundled_folder
from engine.errors import RetrievalError
from engine.reader import (
    SETTINGS,
    Finding,
    PassageReader,
    SpanModel,
    joined,
    kept,
    load_span_model,
    several,
)
from engine.types import Passage

LONG = "Grass grows on the hill. " * 120 + "The Harlow Bridge opens on 12 December. " + "It rains. " * 60


class WordEncoder:
    """Scores a token by its word: what a trained encoder and head would say, without either."""

    def __init__(self, tokenizer: Any, first: str, last: str, none: float = 0.0) -> None:
        self.first, self.last = (tokenizer.convert_tokens_to_ids(w) for w in (first, last))
        self.none = none
        self.threads: set[str] = set()

    def __call__(self, input_ids: Any, **_: Any) -> Any:
        self.threads.add(threading.current_thread().name)
        scores = torch.stack([input_ids == self.first, input_ids == self.last], -1).float() * 5.0
        scores[:, 0] = self.none
        return SimpleNamespace(last_hidden_state=scores)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(bundled_folder(), local_files_only=True)


def model(tokenizer: Any, first: str, last: str, none: float = 0.0) -> SpanModel:
    return SpanModel(WordEncoder(tokenizer, first, last, none), lambda hidden: hidden, tokenizer)


def served(span_model: SpanModel) -> PassageReader:
    """A reader whose model is there already."""
    reader = PassageReader(Path("unused"))
    reader._model = span_model
    return reader


def test_find_gives_the_passages_own_letters(tokenizer: Any) -> None:
    passage = Passage("It opens on 12 DECEMBER, at noon.", "Bridge")
    found = model(tokenizer, "12", "december").find("When?", [passage])[0]
    assert found.text == "12 DECEMBER" and found.margin == pytest.approx(10.0)


def test_find_the_title_is_read_but_never_the_answer(tokenizer: Any) -> None:
    passage = Passage("It opens soon.", "12 December")
    found = model(tokenizer, "12", "december").find("When?", [passage])[0]
    assert "12" not in found.text and found.margin <= 0.0


def test_find_question_words_are_no_answer(tokenizer: Any) -> None:
    found = model(tokenizer, "12", "december").find("Is it 12 December?", [Passage("It is red.", "Bridge")])[
        0
    ]
    assert found.margin <= 0.0


def test_find_end_before_beginning_is_no_span(tokenizer: Any) -> None:
    passage = Passage("In December it was shut for 12 days.", "Bridge")
    assert model(tokenizer, "12", "december").find("When?", [passage])[0].margin < 10.0


def test_find_long_passage_is_read_in_windows(tokenizer: Any) -> None:
    passages = [Passage("Nothing here.", "A"), Passage(LONG, "B"), Passage("Nor here.", "C")]
    found = model(tokenizer, "12", "december").find("When does it open?", passages)
    assert [f.text for f in found if f.margin > 9.0] == ["12 December"]
    assert found[1].margin == pytest.approx(10.0)


def test_find_long_question_is_cut_and_still_answered(tokenizer: Any) -> None:
    passage = Passage("It opens on 12 December.", "Bridge")
    assert model(tokenizer, "12", "december").find("why " * 3000, [passage])[0].text == "12 December"


def test_find_blank_passage_has_nothing(tokenizer: Any) -> None:
    found = model(tokenizer, "12", "december").find("When?", [Passage("", "Bridge")])[0]
    assert found.text == "" and found.margin == float("-inf")


async def test_read_below_the_threshold_nothing_is_found(tokenizer: Any) -> None:
    passages = [Passage("It opens on 12 December.", "Bridge"), Passage("It is red.", "Mill")]
    reader = served(model(tokenizer, "12", "december", none=4.0))
    assert [p.found for p in await reader.read("When?", passages)] == ["12 December", ""]
    await reader.close()
    reader = served(model(tokenizer, "12", "december", none=6.0))
    assert [p.found for p in await reader.read("When?", passages)] == ["", ""]
    await reader.close()


async def test_read_runs_on_the_readers_own_thread(tokenizer: Any) -> None:
    span_model = model(tokenizer, "12", "december")
    reader = served(span_model)
    await reader.read("When?", [Passage("On 12 December.", "Bridge")])
    assert all(name.startswith("understudy-reader") for name in span_model.encoder.threads)
    await reader.close()


async def test_read_model_that_fails_is_a_retrieval_error(tokenizer: Any) -> None:
    def broken(**_: Any) -> Any:
        raise RuntimeError("out of memory")

    reader = served(SpanModel(broken, None, tokenizer))
    with pytest.raises(RetrievalError, match="out of memory"):
        await reader.read("When?", [Passage("On 12 December.", "Bridge")])
    await reader.close()


async def test_close_twice_is_fine_and_reading_afterwards_is_refused(tokenizer: Any) -> None:
    reader = served(model(tokenizer, "12", "december"))
    await reader.close()
    await reader.close()
    with pytest.raises(RetrievalError, match="closed"):
        await reader.read("When?", [Passage("On 12 December.", "Bridge")])


def test_load_missing_folder_says_how_to_train_one(tmp_path: Path) -> None:
    with pytest.raises(RetrievalError, match="understudy train reader"):
        load_span_model(tmp_path)


def test_load_other_encoder_is_refused(tmp_path: Path) -> None:
    settings = {"encoder": "other 1.0", "encoder_hash": "0" * 64, "threshold": 0.0}
    (tmp_path / SETTINGS).write_text(json.dumps(settings))
    with pytest.raises(RetrievalError, match=r"trained on another encoder.*other 1\.0"):
        load_span_model(tmp_path)


def test_several_questions_of_one_message_are_read_apart() -> None:
    assert several("Who built the mill? When did it open?") == ("Who built the mill?", "When did it open?")
    assert several("Really? Who built the mill?") == ("Really? Who built the mill?",)
    assert several("who built the mill") == ("who built the mill",)
    assert len(several("Who built this mill? " * 9)) == 1  # that is no list of questions


async def test_read_two_questions_gives_what_was_found_for_either(tokenizer: Any) -> None:
    reader = served(model(tokenizer, "12", "december"))
    passages = [Passage("It opens on 12 December.", "Bridge")]
    read = await reader.read("When does it open? When will it open?", passages)
    assert [p.found for p in read] == ["12 December"]
    assert joined(["1901", "", "Ann Carter", "1901"]) == "1901 and Ann Carter"
    await reader.close()


def test_kept_a_document_tells_its_best_finding_once() -> None:
    moved, early = Passage("…", "Bridge moved"), Passage("…", "Bridge to open")
    found = [Finding("12 December", 15.2), Finding("26 November", 10.7), Finding("28 November", 13.5)]
    assert kept(found, [moved, moved, early], 0.0) == ["12 December", "", "28 November"]


def test_kept_passages_without_a_title_are_documents_of_their_own() -> None:
    found = [Finding("12 December", 15.2), Finding("Ann Carter", 14.7)]
    assert kept(found, [Passage("It opens soon.", ""), Passage("She said so.", "")], 0.0) == [
        "12 December",
        "Ann Carter",
    ]


def test_kept_what_is_far_below_the_best_is_left_out() -> None:
    passages = [Passage("…", "A"), Passage("…", "B"), Passage("…", "C")]
    found = [Finding("three weeks", 5.4), Finding("640 meters", 16.3), Finding("red", -3.0)]
    assert kept(found, passages, 0.0) == ["", "640 meters", ""]
    assert kept(found[::2], passages[::2], 0.0) == ["three weeks", ""]


def test_kept_of_sure_and_dated_findings_the_newest_is_told_alone() -> None:
    old = Passage("…", "To open", published_at=datetime(2026, 9, 14, tzinfo=UTC))
    new = Passage("…", "Moved", published_at=datetime(2026, 11, 18, tzinfo=UTC))
    dates = [Finding("28 November", 17.5), Finding("12 December", 6.6)]
    assert kept(dates, [old, new], 0.0) == ["", "12 December"]
    assert kept([dates[0], Finding("Tuesday", 5.0)], [old, new], 0.0) == ["28 November", ""]  # not sure
    assert kept([Finding("May", 3.0), Finding("June", 2.0)], [old, new], 0.0) == ["May", "June"]
    assert kept([dates[0], Finding("12 December", 14.0)], [old, replace(new, published_at=None)], 0.0) == [
        "28 November",
        "12 December",
    ]


def test_kept_of_a_documents_findings_about_as_likely_the_first_ranked_is_told() -> None:
    life = [Passage(text, "The life") for text in ("He was born in Florida.", "He moved.", "A son was born.")]
    found = [Finding("Florida", 10.0), Finding("Hartford", 1.8), Finding("Buffalo", 10.8)]
    assert kept(found, life, 0.0) == ["Florida", "", ""]
    assert kept([Finding("Florida", 5.0), *found[1:]], life, 0.0) == ["", "", "Buffalo"]


def test_kept_dates_of_events_do_not_replace_each_other() -> None:
    born, son = (
        Passage("…", "The life", published_at=datetime(year, 1, 1, tzinfo=UTC)) for year in (1835, 1870)
    )
    found = [Finding("Florida", 10.0), Finding("Buffalo", 10.8)]
    assert kept(found, [born, son], 0.0, date(1910, 4, 21)) == ["Florida", ""]
    assert kept(found, [born, son], 0.0) == ["", "Buffalo"]


def test_kept_finding_that_counts_is_not_given_up_for_one_that_does_not() -> None:
    life = [Passage("…", "The life"), Passage("…", "The life")]
    assert kept([Finding("maybe", -0.5), Finding("Florida", 2.0)], life, 0.25) == ["", "Florida"]


def test_load_damaged_weights_are_a_retrieval_error(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "models" / "reader"
    shutil.copytree(shipped, tmp_path / "reader")
    (tmp_path / "reader" / "head.safetensors").write_bytes(b"no weights")
    with pytest.raises(RetrievalError, match="cannot be loaded"):
        load_span_model(tmp_path / "reader")


async def test_shipped_reader_finds_the_owner_of_the_marsh() -> None:
    reader = PassageReader(Path(__file__).parents[2] / "models" / "reader")
    passages = [
        Passage("Volunteers dug out the drains. The land belongs to the Van Rossum family.", "Marsh"),
        Passage("The ferry made her last crossing on Sunday.", "Ferry"),
    ]
    read = await reader.read("Who owns the land?", passages)
    assert "Van Rossum" in (read[0].found or "") and read[1].found == ""
    await reader.close()
