"""Every transcript format, well formed and not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InputError
from ingest.decoding import decode
from ingest.dialogue import Dialogue, Utterance
from ingest.dialogue_file import write_dialogues
from ingest.ledger import Ledger
from ingest.rttm import parse_rttm
from ingest.speakers import GAP
from ingest.transcripts import TranscriptOptions, date_in_name, detect_format, read_transcript


def said(tmp_path: Path, text: str | bytes, name: str = "talk.txt", **options: Any) -> list[tuple[str, str]]:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    ledger = Ledger()
    (dialogue,) = read_transcript(path, ledger, TranscriptOptions(**options))
    ledger.close()
    return [(u.speaker, u.text) for u in dialogue.utterances]


GAP_PAIR = (GAP.speaker, GAP.text)


def test_labelled_multi_line_roles_times_and_directions_make_turns(tmp_path: Path) -> None:
    text = (
        "[00:01:02] Host: Hello [laughs], welcome.\nMore of it.\n\n"
        "**Dr. Ada Lovelace (guest):** See http://x.y at 3:1.\n(applause)\n"
        "Host [00:02]: Thanks (again).\n"
    )
    assert said(tmp_path, text) == [
        ("Host", "Hello, welcome. More of it."),
        ("Dr. Ada Lovelace", "See http://x.y at 3:1."),
        ("Host", "Thanks (again)."),
    ]


def test_labelled_clock_above_text_and_times_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Speaker 1  0:05\nHi all\n\nSpeaker 2  1:00:07\nHello\n")
    (dialogue,) = read_transcript(path, Ledger())
    assert [(u.speaker, u.text, u.start_s) for u in dialogue.utterances] == [
        ("Speaker 1", "Hi all", 5.0),
        ("Speaker 2", "Hello", 3607.0),
    ]


def test_labelled_lower_case_label_counts_only_when_it_recurs(tmp_path: Path) -> None:
    text = "Ada: one\nremember: this stays\nbob: two\nbob: three"
    assert said(tmp_path, text) == [("Ada", "one remember: this stays"), ("bob", "two"), ("bob", "three")]


def test_labelled_speaker_list_makes_other_labels_text(tmp_path: Path) -> None:
    text = "Ada: one\nWisdom: is text\nBob: two"
    assert said(tmp_path, text, speakers=("ada", "BOB")) == [("Ada", "one Wisdom: is text"), ("Bob", "two")]


def test_labelled_preamble_and_text_after_heading_are_refused_with_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("stray\nAda: one\n# Part two\nnobody's text\nBob: two\n")
    ledger = Ledger()
    (dialogue,) = read_transcript(path, ledger)
    assert [u.speaker for u in dialogue.utterances] == ["Ada", "", "Bob"]
    lines = next(s for s in ledger.stages if s.name == "lines")
    assert lines.examples["under no speaker's label"] == ["a.txt:1", "a.txt:4"]
    assert lines.came_in == 5


@pytest.mark.parametrize("text", ["just prose\nand more prose", "Note: a\nhttp://x", "", "   \n"])
def test_labelled_no_label_raises(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError):
        said(tmp_path, text)


def test_labelled_inaudible_turn_becomes_gap(tmp_path: Path) -> None:
    text = "Ada: Well [inaudible] then [crosstalk]\nBob: I see that you mean it"
    assert said(tmp_path, text) == [GAP_PAIR, ("Bob", "I see that you mean it")]


SRT = """1
00:00:01,000 --> 00:00:02,000
ADA: <i>Hello</i> there
and more

2
00:00:02,500 --> 00:00:03,000
goes on {\\an8}here.

3
00:00:10,000 --> 00:00:11,000
nobody knows who

4
00:00:12,000 --> 00:00:13,000
- Hi.
- Ho.

5
00:00:14,000 --> 00:00:15,000
- BOB: Hi.
- ADA: Ho.

6
00:00:16,000 --> 00:00:17,000
♪
"""


def test_srt_prefixes_continue_when_close_and_are_doubted_when_far(tmp_path: Path) -> None:
    for text in (SRT, SRT.replace("\n", "\r\n")):
        assert said(tmp_path, text, "a.srt") == [
            ("ADA", "Hello there and more"),
            ("ADA", "goes on here."),
            GAP_PAIR,
            GAP_PAIR,
            ("BOB", "Hi."),
            ("ADA", "Ho."),
        ]


def test_srt_without_speakers_raises_and_with_rttm_works(tmp_path: Path) -> None:
    text = "1\n00:00:00,000 --> 00:00:02,000\nhello there\n\n2\n00:00:03,000 --> 00:00:05,000\ngood day\n"
    with pytest.raises(InputError, match="--rttm"):
        said(tmp_path, text, "a.srt")
    (tmp_path / "a.rttm").write_text(
        "SPEAKER a 1 0.0 2.5 <NA> <NA> S0 <NA> <NA>\nSPEAKER a 1 2.8 3.0 <NA> <NA> S1 <NA> <NA>\n"
    )
    assert said(tmp_path, text, "a.srt") == [("S0", "hello there"), ("S1", "good day")]


def test_srt_broken_timing_raises_with_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.srt:5"):
        said(tmp_path, "1\n00:00:01,000 --> 00:00:02,000\nA: b\n\n00:00:03 -> --> x\nB: c\n", "a.srt")


def test_vtt_voices_notes_settings_and_entities(tmp_path: Path) -> None:
    text = (
        "WEBVTT - talk\n\nNOTE Eve: not said\nmore\n\nSTYLE\n::cue {}\n\nid-1\n"
        "00:01.000 --> 00:02.000 align:start position:0%\n"
        "<v.loud Ada>Fish &amp; <b>chips</b>\n<v Bob>Hi</v>\n\n"
        "00:02.100 --> 00:03.000\nwho is this\n\n00:04.000 --> 00:05.000\n<v Ada>Done.</v>\n\n"
        "00:05.100 --> 00:06.000\nunknown again\n"
    )
    assert said(tmp_path, text, "a.vtt") == [
        ("Ada", "Fish & chips"),
        ("Bob", "Hi"),
        ("Bob", "who is this"),
        ("Ada", "Done."),
        GAP_PAIR,
    ]


def whisper(words: list[tuple[str, float, float]], **extra: Any) -> str:
    rows = [{"word": w, "start": a, "end": b, "probability": 0.9} for w, a, b in words]
    segment = {
        "start": words[0][1],
        "end": words[-1][2],
        "text": "".join(w for w, _, _ in words),
        "words": rows,
    }
    return json.dumps({"language": "en", "segments": [{**segment, **extra}]})


def test_whisper_with_rttm_gives_boundary_word_to_nobody(tmp_path: Path) -> None:
    words = [(f" w{i}", i * 0.5, i * 0.5 + 0.4) for i in range(20)]
    (tmp_path / "a.rttm").write_text(
        "SPEAKER a 1 0 5.2 <NA> <NA> S0 <NA> <NA>\nSPEAKER a 1 5.2 5 <NA> <NA> S1 <NA> <NA>\n"
    )
    got = said(tmp_path, whisper(words), "a.json")
    assert [s for s, _ in got] == ["S0", "S1"]
    assert got[0][1].endswith("w9") and got[1][1].startswith("w11")  # w10 spans 5.0 to 5.4


def test_whisper_without_speakers_raises(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.rttm"):
        said(tmp_path, whisper([(" a", 0, 1)]), "a.json")


def test_whisper_loop_segment_becomes_gap(tmp_path: Path) -> None:
    (tmp_path / "a.rttm").write_text("SPEAKER a 1 0 9 <NA> <NA> S0 <NA> <NA>\n")
    segments = [
        {"start": 0, "end": 2, "text": " one two three four five six seven eight nine ten eleven twelve" * 2},
        {"start": 2, "end": 3, "text": " thanks thanks", "compression_ratio": 9.0},
        {"start": 3, "end": 5, "text": " one two three four five six seven eight nine ten eleven twelve" * 2},
    ]
    got = said(tmp_path, json.dumps({"segments": segments}), "a.json")
    assert [s for s, _ in got] == ["S0", "", "S0"]


def test_whisperx_words_segments_and_untimed_numeral(tmp_path: Path) -> None:
    segments = [
        {
            "start": 0.0,
            "end": 3.0,
            "text": "it was 42 then yes",
            "words": [
                {"word": "it", "start": 0.0, "end": 0.2, "score": 0.9, "speaker": "A"},
                {"word": "was", "start": 0.3, "end": 0.5, "score": 0.9, "speaker": "A"},
                {"word": "42"},
                {"word": "then", "start": 0.9, "end": 1.1, "score": 0.9, "speaker": "A"},
                {"word": "yes", "start": 2.0, "end": 2.2, "score": 0.9, "speaker": "B"},
            ],
        },
        {"start": 4.0, "end": 5.0, "text": "as a whole", "speaker": "A"},
    ]
    got = said(tmp_path, json.dumps({"segments": segments}), "a.json")
    assert got == [("A", "it was 42 then"), ("B", "yes"), ("A", "as a whole")]


@pytest.mark.parametrize(
    "text",
    [
        '{"segments": [',
        '{"segments": []}',
        '{"segments": 3}',
        '{"text": "x"}',
        "[" * 100_000,
        '{"segments": [{"start": "x", "end": 1, "text": "a", "speaker": "A"}]}',
        '{"segments": [{"start": NaN, "end": 1, "text": "a", "speaker": "A"}]}',
        '{"segments": [{"start": 0, "end": 1, "text": "a", "speaker": "A", "words": [3]}]}',
    ],
)
def test_json_malformed_raises_input_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError):
        said(tmp_path, text, "a.json")


def test_json_lone_surrogate_is_cleaned(tmp_path: Path) -> None:
    text = '{"segments": [{"start": 0, "end": 1, "text": "a\\ud800b", "speaker": "A\\udfff"}]}'
    ((speaker, words),) = said(tmp_path, text, "a.json")
    (speaker + words).encode()


@pytest.mark.parametrize(
    "line", ["SPEAKER a 1 x 1 <NA> <NA> S", "SPEAKER a 1 0", "SPEAKER a 1 0 -1 <NA> <NA> S"]
)
def test_rttm_malformed_raises_with_line(line: str) -> None:
    with pytest.raises(InputError, match=r"a\.rttm:2"):
        parse_rttm(f";; comment\n{line}\n", "a.rttm")


def test_rttm_several_recordings_takes_the_named_one() -> None:
    text = "SPEAKER a 1 0 1 <NA> <NA> S <NA> <NA>\nSPEAKER b 1 0 2 <NA> <NA> T <NA> <NA>\n"
    assert [s.speaker for s in parse_rttm(text, "x", "b")] == ["T"]
    with pytest.raises(InputError, match="several"):
        parse_rttm(text, "x", "c")


def test_rttm_alone_raises_and_says_where_it_goes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--rttm"):
        said(tmp_path, "SPEAKER a 1 0.0 1.5 <NA> <NA> S <NA> <NA>\n")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"]
)
def test_decode_known_encoding_reads_same_text(encoding: str) -> None:
    assert decode("Zoë: déjà vu, and so on\r\n".encode(encoding), "f") == "Zoë: déjà vu, and so on\n"


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(256)) * 4,
        b"\x89PNG\r\n\x1a\n\x00\x00",
        "Привет, как дела".encode("cp1251"),
        b"\xef\xbb\xbf\xff\xfe",
    ],
)
def test_decode_garbage_raises(data: bytes) -> None:
    with pytest.raises(InputError, match="UTF-8"):
        decode(data, "f")


def test_detect_format_names_each() -> None:
    assert detect_format("WEBVTT\n", "f") == "vtt"
    assert detect_format(SRT, "f") == "srt"
    assert detect_format("[00:01] Ada: hi", "f") == "labelled"
    assert detect_format('{"segments": [{"text": "a"}]}', "f") == "whisper"
    assert detect_format('[{"text": "a", "speaker": "B"}]', "f") == "whisperx"


def test_format_forced_overrides_content(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no cue"):
        said(tmp_path, "Ada: hi", format="srt")


def test_dialogue_file_round_trip_keeps_everything(tmp_path: Path) -> None:
    at = datetime(2024, 5, 1, tzinfo=UTC)
    one = Dialogue("s", (Utterance("A", "x", 0.0, 1.0, at, 0.5, "1", "0"), GAP, Utterance("B", "y")), at)
    path = tmp_path / "d.jsonl"
    write_dialogues(path, [one, Dialogue("t", ())])
    assert read_transcript(path, Ledger()) == [one, Dialogue("t", ())]


@pytest.mark.parametrize(
    "line", ["{", '{"speaker": 1, "text": "a"}', '{"speaker": "a", "text": "b", "x": 1}', "[]"]
)
def test_dialogue_file_bad_line_raises_with_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(InputError, match=r"talk\.txt:2"):
        said(tmp_path, f'{{"dialogue": "s"}}\n{line}\n')


def test_date_in_name_reads_real_days_only() -> None:
    assert date_in_name("2024-05-01 talk.srt") == datetime(2024, 5, 1, tzinfo=UTC)
    assert date_in_name("20241332.srt") is None
