"""TensorBoard's files read back with its own reader; W&B offline where it is installed, and a stand-in."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from run_events import phase_events, run_events

from engine.errors import ConfigError
from trainer.tracking import TensorBoardObserver, WandbObserver

Points = list[tuple[int, float]]


def read_back(folder: Path) -> dict[str, Points]:
    """Curves of one phase as TensorBoard itself would show them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder)).Reload()
    return {
        tag: [(point.step, round(point.value, 5)) for point in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
    }


def test_tensorboard_run_curves_read_back_as_told(tmp_path: Path) -> None:
    observer = TensorBoardObserver(tmp_path)
    for event in run_events():
        observer.event(event)
    curves = read_back(tmp_path / "tensorboard" / "style")
    assert curves["loss/step"] == [(1, 1.75), (2, 1.5), (3, 1.25), (4, 1.0)]
    assert curves["loss/held_out"] == [(0, 1.25), (2, 1.1), (4, 1.9)]
    assert curves["lr"][-1] == (4, 0.004) and curves["memory_mb"][0] == (1, 501.0)
    assert set(read_back(tmp_path / "tensorboard" / "identity")) == set(curves)


def test_tensorboard_resumed_phase_replaces_what_was_behind_the_checkpoint(tmp_path: Path) -> None:
    killed = TensorBoardObserver(tmp_path)
    begin, *rest = phase_events("identity", 2.0, [1.5, 1.25])
    for event in [run_events()[0], begin, *rest[:4]]:  # three steps, the checkpoint was after the second
        killed.event(event)
    killed.close()
    resumed = TensorBoardObserver(tmp_path)
    again = [{**event, "loss": 0.5} for event in rest[3:] if event["kind"] == "step"]
    for event in [run_events(resumed=True)[0], {**begin, "step": 2}, *again]:
        resumed.event(event)
    resumed.close()
    curves = read_back(tmp_path / "tensorboard" / "identity")
    assert curves["loss/step"] == [(1, 1.75), (2, 1.5), (3, 0.5), (4, 0.5)]


def test_tensorboard_fresh_run_forgets_the_last_one(tmp_path: Path) -> None:
    for loss in (9.0, 1.0):
        observer = TensorBoardObserver(tmp_path)
        for event in [run_events()[0], *phase_events("identity", loss, [1.5, 1.25])]:
            observer.event(event)
        observer.close()
    curves = read_back(tmp_path / "tensorboard" / "identity")
    assert curves["loss/held_out"] == [(0, 1.0), (2, 1.5), (4, 1.25)]


def test_tensorboard_missing_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match=r"pip install 'understudy\[train\]'"):
        TensorBoardObserver(tmp_path)


# --- W&B -------------------------------------------------------------------------------------


class StandIn:
    """What the observer uses of the wandb package."""

    def __init__(self) -> None:
        self.options: list[dict[str, Any]] = []
        self.logged: list[dict[str, Any]] = []
        self.metrics: list[tuple[str, str]] = []
        self.summary: dict[str, Any] = {}
        self.finished = 0

    def init(self, **options: Any) -> Any:
        self.options.append(options)
        return SimpleNamespace(
            log=self.logged.append, summary=self.summary, finish=self.finish, define_metric=self.define
        )

    def define(self, name: str, step_metric: str) -> None:
        self.metrics.append((name, step_metric))

    def finish(self) -> None:
        self.finished += 1


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn()
    monkeypatch.setitem(sys.modules, "wandb", made)  # type: ignore[arg-type]
    return made


def test_wandb_run_gets_curves_and_summary_but_no_texts(stand_in: StandIn, tmp_path: Path) -> None:
    observer = WandbObserver("ada", tmp_path)
    for event in run_events(refusals=["a.jsonl:3: id secret-id was used"]):
        observer.event(event)
    assert stand_in.options[0]["project"] == "ada" and stand_in.options[0]["config"]["refused"] == 2
    assert "secret-id" not in json.dumps([stand_in.options, stand_in.logged, stand_in.summary])
    assert ("style/*", "style/step") in stand_in.metrics
    assert {"style/loss/train": 1.0, "style/loss/held_out": 1.9} in stand_in.logged
    assert [row["identity/step"] for row in stand_in.logged if "identity/step" in row] == [1, 2, 3, 4]
    assert stand_in.summary["style/best_loss"] == 1.1 and stand_in.summary["style/weights_hash"] == "s" * 64
    assert stand_in.finished == 1


def test_wandb_resumed_run_keeps_its_id_and_a_fresh_one_gets_another(
    stand_in: StandIn, tmp_path: Path
) -> None:
    for resumed in (False, True, False):
        WandbObserver("ada", tmp_path).event(run_events(resumed=resumed)[0])
    first, second, third = (options["id"] for options in stand_in.options)
    assert first == second != third


def test_wandb_that_breaks_later_does_not_stop_the_training(
    stand_in: StandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    observer = WandbObserver("ada", tmp_path)
    run, *others = run_events()
    observer.event(run)

    def broken(_: object) -> None:
        raise RuntimeError("the service is gone")

    observer._run.log = broken
    with caplog.at_level(logging.WARNING, "trainer.tracking"):
        for event in others:
            observer.event(event)
    assert len(caplog.records) == 1 and "the training goes on" in caplog.text


def test_wandb_that_cannot_begin_stops_before_the_first_step(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise RuntimeError("no API key")

    monkeypatch.setattr(stand_in, "init", refuse)
    with pytest.raises(ConfigError, match=r"wandb login.*WANDB_MODE=offline"):
        WandbObserver("ada", tmp_path).event(run_events()[0])


def test_wandb_missing_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"pip install 'understudy\[wandb\]'"):
        WandbObserver("ada", tmp_path)


def test_wandb_offline_mode_writes_a_run_file_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    observer = WandbObserver("ada", tmp_path)
    for event in run_events():
        observer.event(event)
    (stored,) = tmp_path.rglob("run-*.wandb")
    deadline = time.monotonic() + 15  # the client's own process writes the file, after the run's end
    while b"identity/best_loss" not in stored.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.1)
    written = stored.read_bytes()
    assert b"style/loss/held_out" in written and b"identity/best_loss" in written
    assert not observer._failed
