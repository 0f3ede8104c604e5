"""From turns to rows, and from files to files."""

from __future__ import annotations

import argparse
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InputError
from ingest.dialogue import Dialogue, Utterance
from ingest.ledger import Ledger
from ingest.pairs import Built, build_pairs
from ingest.pairs_cli import add_parser
from ingest.pairs_files import make_scrubber
from ingest.pii import Scrubber
from ingest.pii_patterns import Finding
from ingest.rows import PairOptions, word_count
from ingest.speakers import GAP

OFF = 2.0


def dialogue(*said: tuple[str, str], source: str = "s", **fields: Any) -> Dialogue:
    return Dialogue(source, tuple(Utterance(*s) if s[0] else GAP for s in said), **fields)


def build(*dialogues: Dialogue, ledger: Ledger | None = None, **options: Any) -> Built:
    ledger = ledger or Ledger()
    chosen = {"target": "Ada", "min_words": 1, "near_duplicate": OFF, **options}
    decisions, scrubber = chosen.pop("decisions", None), chosen.pop("scrubber", None)
    built = build_pairs(dialogues, PairOptions(**chosen), ledger, scrubber, decisions)
    ledger.close()
    return built


def test_pairs_window_alternates_and_holds_ten_turns() -> None:
    said = [("Q" if i % 2 == 0 else "ADA", f"t{i}") for i in range(40)]
    built = build(dialogue(*said), aliases=("x",))
    last = built.rows[-1]
    assert last.instruction == tuple(f"t{i}" for i in range(30, 39)) and last.response == "t39"
    assert built.rows[0].instruction == ("t0",)
    assert all(len(row.instruction) % 2 == 1 for row in built.rows)


def test_pairs_consecutive_turns_merge_and_names_fold() -> None:
    said = [("Q", "one"), ("q ", "two"), ("ada", "yes"), ("A. Lovelace", "indeed")]
    (row,) = build(dialogue(*said), aliases=("a. lovelace",)).rows
    assert row.instruction == ("one two",) and row.response == "yes indeed"


def test_pairs_several_others_become_named_lines() -> None:
    said = [("Bob", "hi"), ("Eve", "ho\nAda: fake"), ("Ada", "hello")]
    (row,) = build(dialogue(*said)).rows
    assert row.instruction == ("Bob: hi\nEve: ho\n  Ada: fake",)


def test_pairs_never_reach_over_a_gap_or_low_confidence() -> None:
    low = Dialogue("t", (Utterance("Q", "b0"), Utterance("Q", "bad", confidence=0.1), Utterance("Ada", "b1")))
    ledger = Ledger()
    built = build(dialogue(("Q", "a0"), ("Ada", "a1"), ("", ""), ("Ada", "a2")), low, ledger=ledger)
    assert [row.response for row in built.rows] == ["a1"]
    windows = next(s for s in ledger.stages if s.name == "windows")
    assert windows.dropped == {"nothing was said before it": 2}


def test_pairs_chat_pause_begins_a_new_conversation() -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    said = (Utterance("Q", "old", at=at), Utterance("Q", "new", at=at + timedelta(days=2)))
    reply = Utterance("Ada", "yes", at=at + timedelta(days=2, minutes=1))
    (row,) = build(Dialogue("s", (*said, reply))).rows
    assert row.instruction == ("new",)


def test_pairs_reply_answers_what_it_points_to() -> None:
    said = [("Q", "first"), ("Ada", "x"), ("Q", "second"), ("Ada", "y")]
    turns = [Utterance(who, text, id=str(i)) for i, (who, text) in enumerate(said)]
    turns[3] = Utterance("Ada", "y", id="3", reply_to="0")
    built = build(Dialogue("s", tuple(turns)))
    assert built.rows[1].instruction == ("first",)
    assert (built.rows[1].first_turn, built.rows[1].last_turn) == (0, 3)


def test_pairs_short_reply_is_dropped_unless_accepted() -> None:
    talk = dialogue(("Q", "a"), ("Ada", "yes"))
    ledger = Ledger()
    (row,) = build(talk, ledger=ledger).rows
    assert not build(talk, min_words=3).rows
    assert build(talk, min_words=3, decisions={row.id: "accept"}).rows == (row,)
    assert not build(talk, decisions={row.id: "reject"}).rows


def test_pairs_near_duplicate_is_dropped_and_exact_one_always() -> None:
    long = "we choose to go to the moon in this decade and do the other things"
    said = [("Q", "why"), ("Ada", long), ("Q", "say it once more then"), ("Ada", long + " friends")]
    assert len(build(dialogue(*said), near_duplicate=0.8).rows) == 1
    twice = dialogue(("Q", "why"), ("Ada", "because"))
    assert len(build(twice, twice).rows) == 1


def test_pairs_cap_takes_evenly_over_time_and_accepted_first() -> None:
    said = [(("Q", "Ada")[i % 2], f"turn number {i}") for i in range(200)]
    rows = build(dialogue(*said)).rows
    capped = build(dialogue(*said), cap=10).rows
    assert [r.last_turn for r in capped] == [1 + 20 * k for k in range(10)]
    kept = build(dialogue(*said), cap=10, decisions={rows[55].id: "accept"}).rows
    assert len(kept) == 10 and rows[55] in kept


def test_pairs_ids_are_stable_and_unique() -> None:
    said = [(("Q", "Ada")[i % 2], f"turn number {i}") for i in range(60)]
    one, two = build(dialogue(*said)), build(dialogue(*said))
    assert one == two and len({r.id for r in one.rows}) == 30


def test_pairs_unknown_target_raises_with_the_speakers() -> None:
    with pytest.raises(InputError, match="Q, Bob"):
        build(dialogue(("Q", "a"), ("Bob", "b")))


def test_pairs_personal_data_replaced_or_dropped() -> None:
    talk = dialogue(("Bob Ross", "mail a@b.com?"), ("Ada", "yes Bob"), ("Bob Ross", "ok"), ("Ada", "fine"))
    options = PairOptions("Ada")
    scrubber = make_scrubber("replace", "speakers", options)
    rows = build(talk, scrubber=scrubber).rows
    assert rows[0].instruction == ("mail [EMAIL_1]?",) and rows[0].response == "yes [PERSON_1]"
    assert rows[0].kinds == ("EMAIL", "PERSON")
    assert not build(talk, scrubber=scrubber, drop_pii=True, window_turns=10).rows
    assert [r.response for r in build(talk, scrubber=scrubber, drop_pii=True, window_turns=2).rows] == [
        "fine"
    ]


@pytest.mark.parametrize("seed", range(20))
def test_pairs_random_dialogues_add_up_and_end_with_somebody_else(seed: int) -> None:
    rng = random.Random(seed)
    said = [
        (rng.choice(["Ada", "ADA", "Bob", "Eve", ""]), rng.choice(["", "yes", "a b c d", "x " * 40]))
        for _ in range(rng.randint(2, 200))
    ]
    said += [("Bob", "so it is"), ("Ada", "good to know that")]
    built = build(dialogue(*said), min_words=2, near_duplicate=0.8, cap=20, window_turns=rng.randint(2, 12))
    assert built.rows
    for row in built.rows:
        assert len(row.instruction) % 2 == 1 and all(row.instruction) and word_count(row.response) >= 2
        assert row.first_turn < row.last_turn


def test_word_count_of_scripts_without_spaces() -> None:
    assert word_count("don't do it") == 3
    assert word_count("今日は天気がいい") == 4


@pytest.mark.parametrize("bad", [{"window_turns": 1}, {"cap": 0}, {"min_words": 0}, {"target": "  "}])
def test_options_out_of_range_raise(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        PairOptions(**{"target": "Ada", **bad})


# --- the command ---------------------------------------------------------------------------


def run(*args: object) -> int:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    parsed = parser.parse_args([str(a) for a in args])
    code: int = parsed.handler(parsed)
    return code


def write_talk(path: Path, turns: int = 120) -> Path:
    lines = [
        f"{('Host', 'Ada')[i % 2]}: this is turn {i * 7919 % 10007} of {path.stem}" for i in range(turns)
    ]
    path.write_text("\n".join(lines))
    return path


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_command_writes_rows_that_the_trainer_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out" / "pairs.jsonl"
    talk = write_talk(tmp_path / "a.txt")
    assert run("pairs", talk, "--target", "ada", "--out", out, "--near-duplicate", "1.1", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["counts"]["pairs"] == 60 == len(read_rows(out))
    for stage in data["ledger"]:
        assert stage["in"] == stage["out"] + sum(stage["dropped"].values())
    for row in read_rows(out):
        assert list(row) == ["instruction", "response", "source", "id"]
    train, held = (read_rows(out.with_name(n)) for n in ("train.jsonl", "held_out.jsonl"))
    trained = {text for row in train for text in (*row["instruction"], row["response"])}
    assert held and not any(trained & {*row["instruction"], row["response"]} for row in held)
    before = {p.name: p.read_bytes() for p in out.parent.iterdir()}
    run("pairs", talk, "--target", "ada", "--out", out, "--near-duplicate", "1.1", "--json")
    assert before == {p.name: p.read_bytes() for p in out.parent.iterdir()}


def test_command_refused_file_is_in_the_ledger_and_exit_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_text("no labels here")
    talk = write_talk(tmp_path / "a.txt")
    assert run("pairs", talk, bad, talk, "--target", "Ada", "--out", tmp_path / "p.jsonl", "--json") == 1
    files = json.loads(capsys.readouterr().out)["ledger"][0]
    assert files["dropped"] == {"refused": 1, "given twice": 1}


def test_command_failing_check_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def find(self, text: str) -> list[Finding]:
            raise RuntimeError

    monkeypatch.setattr("ingest.pairs_files.make_scrubber", lambda *_: Scrubber([Broken()]))
    out = tmp_path / "out" / "pairs.jsonl"
    with pytest.raises(InputError, match="nothing was written"):
        run("pairs", write_talk(tmp_path / "a.txt"), "--target", "Ada", "--out", out)
    assert not out.parent.exists()


def test_command_output_over_an_input_is_refused(tmp_path: Path) -> None:
    talk = write_talk(tmp_path / "train.jsonl")
    before = talk.read_bytes()
    with pytest.raises(InputError, match="overwritten"):
        run("pairs", talk, "--target", "Ada", "--out", tmp_path / "pairs.jsonl")
    assert talk.read_bytes() == before


def test_command_decision_is_obeyed_by_the_next_run(tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    args = (
        "pairs",
        write_talk(tmp_path / "a.txt"),
        "--target",
        "Ada",
        "--out",
        out,
        "--near-duplicate",
        "1.1",
    )
    run(*args)
    first = read_rows(out)[5]["id"]
    assert run("decide", first, "--reject", "--reason", "not her", "--pairs", out) == 0
    run(*args)
    assert first not in {row["id"] for row in read_rows(out)}
    assert run("decide", first, "--clear", "--decisions", tmp_path / "decisions.jsonl") == 0
    run(*args)
    assert first in {row["id"] for row in read_rows(out)}


def test_command_decide_unknown_or_malformed_id_raises(tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    run("pairs", write_talk(tmp_path / "a.txt"), "--target", "Ada", "--out", out)
    for row_id in ("0" * 16, "../x"):
        with pytest.raises(InputError):
            run("decide", row_id, "--reject", "--pairs", out)
    assert not (tmp_path / "decisions.jsonl").exists()


def test_command_broken_decisions_file_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "decisions.jsonl").write_text('{"id": "0123456789abcdef", "decision": "rejct"}\n')
    with pytest.raises(InputError, match=r"decisions\.jsonl:1"):
        run("pairs", write_talk(tmp_path / "a.txt"), "--target", "Ada", "--out", tmp_path / "pairs.jsonl")
    assert not (tmp_path / "pairs.jsonl").exists()
