"""Personal data: found by form, replaced the same way throughout, and never passed on unchecked."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest

from engine.errors import InputError
from ingest import pairs_files, pii_presidio
from ingest.dialogue import Dialogue, Utterance
from ingest.ledger import Ledger, Stage
from ingest.pii import Scrubber
from ingest.pii_names import NameChecker
from ingest.pii_patterns import Finding, PatternChecker
from ingest.pii_presidio import PresidioChecker, load_analyzer
from ingest.pseudonyms import Placeholders
from ingest.rows import PairOptions


def found(text: str) -> list[tuple[str, str]]:
    return [(f.kind, text[f.start : f.end]) for f in PatternChecker().find(text)]


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        ("mail a.b+c@ex-ample.co.uk now", "EMAIL", "a.b+c@ex-ample.co.uk"),
        ("john dot smith at gmail dot com", "EMAIL", "john dot smith at gmail dot com"),
        ("joe [at] mail [dot] com", "EMAIL", "joe [at] mail [dot] com"),
        ("ring +44 20 7946 0958.", "PHONE", "+44 20 7946 0958"),
        ("or (415) 555-0123", "PHONE", "(415) 555-0123"),
        ("0049 30 901820 is it", "PHONE", "0049 30 901820"),
        ("+1 (415) 555‑0123", "PHONE", "+1 (415) 555‑0123"),
        ("my number is 4155550123", "PHONE", "4155550123"),
        ("card 4111 1111 1111 1111, ok", "CARD", "4111 1111 1111 1111"),
        ("GB82 WEST 1234 5698 7654 32 and then", "IBAN", "GB82 WEST 1234 5698 7654 32"),
        ("de89370400440532013000.", "IBAN", "de89370400440532013000"),
        ("at 10 Downing Street we met", "ADDRESS", "10 Downing Street"),
        ("Hauptstraße 12, 10115 Berlin", "ADDRESS", "Hauptstraße 12, 10115 Berlin"),
        ("12 rue de la Paix", "ADDRESS", "12 rue de la Paix"),
        ("ip 192.168.1.1 there", "IP", "192.168.1.1"),
        ("at 2001:db8::8a2e:370:7334", "IP", "2001:db8::8a2e:370:7334"),
        ("078-05-1120 is old", "SSN", "078-05-1120"),
        ("social security number is 078051120", "SSN", "078051120"),
        ("AB 12 34 56 C", "NATIONAL_ID", "AB 12 34 56 C"),
        ("529.982.247-25", "NATIONAL_ID", "529.982.247-25"),
        ("passport number X1234567 please", "NATIONAL_ID", "X1234567"),
    ],
)
def test_patterns_personal_data_is_found_exactly(text: str, kind: str, part: str) -> None:
    assert found(text) == [(kind, part)]


@pytest.mark.parametrize(
    "text",
    [
        "on 2024-05-01, 12.05.2024, 01/02/2024 at 10:30:45",
        "from 1999-2004 and in 2020 2021",
        "call 2019 2020",
        "pi is 3.14159265358979",
        "1,000,000 people, 8336817 of them here",
        "card 4111 1111 1111 1112",
        "GB82 WEST 1234 5698 7654 33",
        "std::string and a:b:c",
        "version 1.2.3.4 is out",
        "999.1.1.1",
        "2 people on the street",
        "000-12-3456 and 12345678A",
        "we sold 100 200 300 units",
    ],
)
def test_patterns_ordinary_numbers_are_left(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    ["1 " * 20_000, "a" * 50_000, "a.b@" * 10_000, "A1 " * 20_000, "1 Aaaa " * 10_000, "a dot " * 10_000],
)
def test_patterns_hostile_text_takes_no_long_time(text: str) -> None:
    begin = time.process_time()
    PatternChecker().find(text)
    assert time.process_time() - begin < 5


def scrub(
    texts: list[tuple[str, str]], target: tuple[str, ...] = ("Ada Lovelace", "Ada"), checkers: Any = ()
) -> list[tuple[str, str]]:
    scrubber = Scrubber([PatternChecker(), *checkers], target)
    out = scrubber.scrub(Dialogue("s", tuple(Utterance(*t) for t in texts)), Stage("pii"))
    return [(u.speaker, u.text) for u in out.dialogue.utterances]


def test_scrub_same_thing_gets_same_placeholder() -> None:
    assert scrub([("Ada", "a@b.com or c@d.org"), ("Q", "so A@b.com; +1 415 555 0123 / +14155550123")]) == [
        ("Ada", "[EMAIL_1] or [EMAIL_2]"),
        ("Q", "so [EMAIL_1]; [PHONE_1] / [PHONE_1]"),
    ]


def test_scrub_speakers_names_are_pseudonyms_except_the_target() -> None:
    got = scrub(
        [("Charles Babbage", "Well, Ada?"), ("Ada", "Yes, Charles. Babbage's engine."), ("Host", "Will you?")]
    )
    assert got == [
        ("PERSON_1", "Well, Ada?"),
        ("Ada", "Yes, [PERSON_1]. [PERSON_1]'s engine."),
        ("Host", "Will you?"),
    ]


def test_scrub_name_that_is_a_word_is_replaced_only_whole() -> None:
    got = scrub([("Will Young", "Will you, Will Young?"), ("Ada", "Yes")])
    assert got[0] == ("PERSON_1", "Will you, [PERSON_1]?")


@pytest.mark.parametrize(
    "text", ["4111\u200b1111\u200b11111111", "４１１１１１１１１１１１１１１１", "4111\u00ad111111111111"]
)
def test_scrub_hidden_digits_are_found(text: str) -> None:
    assert scrub([("Ada", text)]) == [("Ada", "[CARD_1]")]


def test_scrub_is_idempotent() -> None:
    once = scrub([("Ada", "mail a@b.com, PO Box 12")])
    assert scrub(once) == once


@dataclass
class Result:
    entity_type: str
    start: int
    end: int


class Analyzer:
    """Presidio's analyzer as far as it is used here."""

    def analyze(self, text: str, language: str, entities: list[str], score_threshold: float) -> list[Result]:
        assert language == "en" and "PERSON" in entities and 0 < score_threshold < 1
        names = ("Grace Hopper", "Grace", "Ada Lovelace", "London")
        spans = [(n, text.find(n)) for n in names if n in text]
        return [Result("LOCATION" if n == "London" else "PERSON", at, at + len(n)) for n, at in spans]


def test_scrub_presidio_names_are_consistent_and_target_stays() -> None:
    got = scrub(
        [("Q", "Grace Hopper met Ada Lovelace in London"), ("Ada", "Grace did")],
        checkers=[PresidioChecker(Analyzer())],
    )
    assert got == [("Q", "[PERSON_1] met Ada Lovelace in London"), ("Ada", "[PERSON_1] did")]


@pytest.fixture(scope="module")
def blank_presidio() -> PresidioChecker:
    """The real package over a blank pipeline: it needs no language model, and loads nothing."""
    pytest.importorskip("presidio_analyzer", reason='pip install "understudy[pii]"')
    return PresidioChecker(load_analyzer(names=False))


def test_presidio_without_a_language_model_finds_forms_and_our_names_go_beside_it(
    blank_presidio: PresidioChecker, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(*args: Any) -> Any:
        raise AssertionError("it must not go online")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    text = "Mrs. Harper paid with 4111 1111 1111 1111 and wrote to a.b@mail.example.org"
    assert [(f.kind, text[f.start : f.end]) for f in blank_presidio.find(text)] == [
        ("CARD", "4111 1111 1111 1111")
    ]
    got = scrub([("Ada", text)], checkers=[PatternChecker(), blank_presidio, NameChecker()])
    assert got == [("Ada", "Mrs. [PERSON_1] paid with [CARD_1] and wrote to [EMAIL_1]")]


def test_load_analyzer_names_without_a_model_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pii_presidio, "is_installed", lambda: True)
    monkeypatch.setattr(pii_presidio, "language_model", lambda: "")
    with pytest.raises(InputError, match="--names auto"):
        load_analyzer()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("I met Margaret Whitlock yesterday.", ["Margaret Whitlock"]),
        ("Margaret's boat and Dr. Osei's house", ["Margaret", "Osei"]),
        ("my name is Kwame, and his name was Tom Reed", ["Kwame", "Tom Reed", "Tom Reed"]),
        ("Thomas on Monday, James Monday or not", ["Thomas", "James"]),
        ("we saw Rose Miller and Will P. Stone", ["Rose Miller", "Will P. Stone"]),
        ("Rose Miller bloomed. Will you come? May I?", []),
        ("The rose is red; we will mark the price in june.", []),
        ("In London the River Thames was high.", []),
        ("José and María sailed", ["José", "María"]),
        ("annals of Annapolis and Johnstown", []),
    ],
)
def test_names_told_by_form(text: str, names: list[str]) -> None:
    assert sorted(text[f.start : f.end] for f in NameChecker().find(text)) == sorted(names)


def test_make_scrubber_auto_finds_third_persons_with_and_without_presidio(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pairs_files, "language_model", lambda: "")
    for installed in (True, False):
        monkeypatch.setattr(pairs_files, "is_installed", lambda installed=installed: installed)
        monkeypatch.setattr(pairs_files, "load_analyzer", lambda names: Analyzer())
        scrubber = pairs_files.make_scrubber("replace", "auto", PairOptions("Ada"))
        assert scrubber is not None
        assert scrubber.clean("Margaret told Ada so", Placeholders())[0] == "[PERSON_1] told Ada so"


class Broken:
    def find(self, text: str) -> list[Finding]:
        raise RuntimeError("model gone")


def test_scrub_checker_that_raises_stops_the_stage_without_the_text() -> None:
    stage = Ledger().stage("pii")
    with pytest.raises(InputError, match="utterance 1") as caught:
        Scrubber([Broken()]).scrub(Dialogue("s", (Utterance("Ada", "secret"),)), stage)
    assert "secret" not in str(caught.value) and stage.went_out == 0


def test_placeholders_ambiguous_first_name_is_its_own_person() -> None:
    names = Placeholders()
    one, two = names.of("PERSON", "Ann Lee"), names.of("PERSON", "Ann Ray")
    assert len({one, two, names.of("PERSON", "Ann")}) == 3
    assert names.of("PERSON", "lee’s") == one
