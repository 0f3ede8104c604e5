"""Words to speakers: never to the wrong one."""

from __future__ import annotations

import random

from ingest.ledger import Ledger
from ingest.speakers import GAP, Margins, Span, Word, assign_words, merge_spans, turns_of

AB = [Span(0.0, 5.0, "A"), Span(5.0, 10.0, "B")]


def word(start: float, end: float, speaker: str = "", text: str = " w") -> Word:
    return Word(text, start, end, None, speaker)


def speakers(words: list[Word], spans: list[Span], margins: Margins | None = None) -> list[str]:
    return [w.speaker for w in assign_words(words, spans, margins)]


def test_assign_words_clear_overlap_goes_to_its_speaker() -> None:
    assert speakers([word(1, 2), word(6, 7), word(4.6, 5.02)], AB) == ["A", "B", "A"]


def test_assign_words_on_boundary_goes_to_nobody() -> None:
    (doubted,) = assign_words([word(4.8, 5.2)], AB)
    assert doubted.speaker == "" and doubted.doubt == "between two speakers"


def test_assign_words_margin_is_configurable() -> None:
    assert speakers([word(4.7, 5.1)], AB, Margins(margin=0.5)) == ["A"]  # 75 to 25 per cent
    assert speakers([word(4.7, 5.1)], AB, Margins(margin=0.6)) == [""]


def test_assign_words_overlapped_speech_goes_to_nobody() -> None:
    assert speakers([word(2, 3)], [Span(0, 5, "A"), Span(1, 4, "B")]) == [""]


def test_assign_words_in_silence_goes_to_the_only_near_speaker() -> None:
    spans = [Span(0, 1, "A"), Span(2, 3, "B"), Span(3.3, 4, "A")]
    assert speakers([word(1.1, 1.2), word(1.45, 1.55), word(3.1, 3.2)], spans) == ["A", "", ""]


def test_assign_words_without_length_is_placed() -> None:
    assert speakers([word(1, 1), word(5, 5)], AB) == ["A", ""]


def test_assign_words_split_spans_of_one_speaker_count_together() -> None:
    assert speakers([word(1, 2)], [Span(0, 1.5, "A"), Span(1.5, 3, "A"), Span(1.4, 1.6, "A")]) == ["A"]


def test_assign_words_random_matches_brute_force() -> None:
    rng = random.Random(3)
    spans = []
    for _ in range(60):
        start = rng.uniform(0, 60)
        spans.append(Span(start, start + rng.uniform(0.1, 8), rng.choice("ABC")))
    words = [word(t := rng.uniform(0, 70), t + rng.uniform(0.05, 0.6)) for _ in range(300)]
    merged = merge_spans(spans)
    for got in assign_words(words, spans):
        share = dict.fromkeys("ABC", 0.0)
        for span in merged:
            overlap = min(got.end_s, span.end_s) - max(got.start_s, span.start_s)
            share[span.speaker] += max(0.0, overlap) / (got.end_s - got.start_s)
        best, second = sorted(share.values(), reverse=True)[:2]
        if got.speaker and best > 0:
            assert share[got.speaker] == best and best - second >= 0.5 - 1e-6
        if best - second >= 0.5 + 1e-6:
            assert got.speaker == max(share, key=lambda name: share[name])


def test_turns_of_lost_word_marks_both_turns() -> None:
    words = [word(i, i + 0.5, "A") for i in range(9)] + [word(9, 9.5)]
    words += [word(i, i + 0.5, "B") for i in range(10, 19)]
    ledger = Ledger()
    one, two = turns_of(words, ledger, "f")
    assert (one.speaker, two.speaker) == ("A", "B")
    assert one.confidence == two.confidence == 0.9
    ledger.close()


def test_turns_of_turn_that_lost_too_much_becomes_gap() -> None:
    ledger = Ledger()
    turns = turns_of([word(0, 1, "A"), word(1, 2), *(word(i, i + 1, "B") for i in range(2, 9))], ledger, "f")
    assert turns[0] == GAP and turns[1].speaker == "B"
    assert ledger.stages[-1].dropped == {"too many of its words are in quarantine": 1}


def test_turns_of_long_hole_separates_words_of_one_speaker() -> None:
    said = [word(i, i + 1, "A") for i in range(30)]
    hole = [word(30 + i, 31 + i) for i in range(5)]
    more = [word(40 + i, 41 + i, "A") for i in range(30)]
    assert [t.speaker for t in turns_of([*said, *hole, *more], Ledger(), "f")] == ["A", "", "A"]


def test_turns_of_every_word_is_in_the_ledger() -> None:
    rng = random.Random(1)
    for _ in range(50):
        words = [word(i, i + 1, rng.choice(["A", "B", ""])) for i in range(rng.randint(0, 40))]
        ledger = Ledger()
        turns = turns_of(words, ledger, "f")
        ledger.close()
        if words:
            assert ledger.stages[0].came_in == len(words)
        kept = sum(len(t.text.split()) for t in turns if t != GAP)
        assert kept <= sum(bool(w.speaker) for w in words)
