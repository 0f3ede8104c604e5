"""Replies written side by side are those that each would be alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from engine.config import ProfileConfig
from engine.model.load import load_model
from engine.model.runner import Runner
from engine.model.sequence import Sequence
from engine.types import Chunk, GenerationRequest, Prompt, Sampling
from tests.engine.model.conftest import Tiny

PROMPTS = tuple(tuple(range(40 + n, 40 + n + length)) for n, length in enumerate((9, 150, 30, 4, 70)))


@pytest.fixture(scope="module")
def runner(tiny: Tiny) -> Iterator[Runner]:
    loaded = load_model(str(tiny.model), ProfileConfig(model=str(tiny.model), dtype="float32", device="cpu"))
    yield Runner(loaded)


def begin(runner: Runner, ids: tuple[int, ...], tokens: int = 12) -> Sequence:
    """A reply whose prompt has been read and whose first token is drawn."""
    sequence = runner.open(
        GenerationRequest(Prompt((), ids), Sampling(temperature=0.0, max_new_tokens=tokens))
    )
    while runner.step(sequence) is None:
        pass
    assert sequence.writing
    return sequence


def alone(runner: Runner, ids: tuple[int, ...], steps: int) -> list[int]:
    sequence = begin(runner, ids)
    for _ in range(steps):
        runner.step(sequence)
    runner.close(sequence)
    return sequence.feed.ids


def test_rows_of_different_lengths_write_what_each_writes_alone(runner: Runner) -> None:
    wanted = [alone(runner, ids, 8) for ids in PROMPTS]
    sequences = [begin(runner, ids) for ids in PROMPTS]
    for _ in range(8):
        ends = runner.step_all(sequences)
        assert {id(s) for s, _ in ends} == {id(s) for s in sequences}
        assert all(isinstance(chunk, Chunk) for _, chunk in ends)
    assert [s.feed.ids for s in sequences] == wanted
    for sequence in sequences:
        runner.close(sequence)


def test_rows_join_and_leave_between_steps(runner: Runner) -> None:
    wanted = [alone(runner, ids, 9) for ids in PROMPTS]
    early, late = [begin(runner, ids) for ids in PROMPTS[:3]], [begin(runner, ids) for ids in PROMPTS[3:]]
    for _ in range(4):
        runner.step_all(early)
    runner.close(early[0])
    for _ in range(2):
        runner.step_all(early[1:])
    for _ in range(3):
        runner.step_all([*late, *early[1:]])
    runner.step_all(late[:1])
    assert [s.feed.ids for s in early[1:]] == wanted[1:3]
    assert early[0].feed.ids == wanted[0][:14]
    assert late[0].feed.ids == wanted[3][:9]
    runner.part()
    for sequence in (*early[1:], *late):
        runner.close(sequence)
    assert not len(runner._batch)


def test_parted_rows_go_on_by_themselves(runner: Runner) -> None:
    wanted = [alone(runner, ids, 6) for ids in PROMPTS[:2]]
    sequences = [begin(runner, ids) for ids in PROMPTS[:2]]
    for _ in range(3):
        runner.step_all(sequences)
    runner.part()
    for _ in range(3):
        for sequence in sequences:
            runner.step(sequence)
    assert [s.feed.ids for s in sequences] == wanted
    for sequence in sequences:
        runner.close(sequence)


def test_logits_of_rows_equal_those_alone(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    advance = Sequence.advance

    def watched(sequence: Sequence, logits: torch.Tensor) -> Chunk:
        seen.append(logits.clone())
        return advance(sequence, logits)

    monkeypatch.setattr(Sequence, "advance", watched)
    sequences = [begin(runner, ids) for ids in PROMPTS]
    seen.clear()
    for sequence in sequences:
        runner.step(sequence)
    single = torch.stack(seen)
    again = [begin(runner, ids) for ids in PROMPTS]
    seen.clear()
    runner.step_all(again)
    torch.testing.assert_close(torch.stack(seen), single, rtol=1e-4, atol=1e-4)
    for sequence in (*sequences, *again):
        runner.close(sequence)


def test_sequence_that_cannot_go_on_brings_its_own_error(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequences = [begin(runner, ids) for ids in PROMPTS[:2]]

    def fail(_: torch.Tensor) -> int:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(sequences[1]._sampler, "draw", fail)
    ends = dict(runner.step_all(sequences))
    assert isinstance(ends[sequences[0]], Chunk)
    assert isinstance(ends[sequences[1]], ZeroDivisionError)
    for sequence in sequences:
        runner.close(sequence)
