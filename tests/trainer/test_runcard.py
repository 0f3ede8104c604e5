"""The run card: counts that add up, escaped text, nothing from elsewhere, a real PNG."""

from __future__ import annotations

import base64
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from run_events import run_events

from bot.cli import main
from engine.errors import InputError
from trainer.runcard import RunCardObserver, card_html, write_card
from trainer.runcurve import loss_curve

PNG = b"\x89PNG\r\n\x1a\n"


class Reader(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def write_run(folder: Path, events: list[dict[str, Any]]) -> Path:
    (folder / "events.jsonl").write_text("\n".join(map(json.dumps, events)), encoding="utf-8")
    return folder


def test_card_finished_run_tells_counts_losses_hashes_and_why_it_stopped() -> None:
    text = Reader(card_html(run_events(), b"")).text
    assert "12 rows in = 8 trained + 2 held out + 2 refused" in text
    assert "a.jsonl:3: the response is empty" in text
    assert "2 – kept\n1.0000\n1.2500" in text  # identity's second epoch, in one row
    assert "1 – kept\n1.5000\n1.1000" in text  # style's first one
    assert "Stopped early: the loss of epoch 2 rose." in text
    for known in ("b" * 64, "d" * 64, "i" * 64, "s" * 64, "understudy train persona ada", "0.50 GiB"):
        assert known in text
    assert "\n20\ntrained tokens/s" in text


def test_card_untrained_adapter_kept_marks_epoch_zero() -> None:
    events = run_events()
    events[-1]["phases"][1]["best_epoch"] = 0
    assert "0, untrained – kept" in Reader(card_html(events, b"")).text


def test_card_text_of_the_data_is_escaped_and_nothing_is_loaded() -> None:
    evil = '"><script>alert(1)</script><img src=https://x.invalid/a.png>'
    page = card_html(run_events(refusals=[evil], base=evil, command=evil, warnings=[evil], recipe=evil), PNG)
    read = Reader(page)
    assert evil in read.text
    names = {tag for tag, _ in read.tags}
    assert not names & {"script", "link", "iframe", "object", "form", "a"}
    sources = [attrs["src"] for tag, attrs in read.tags if tag == "img"]
    assert len(sources) == 1 and str(sources[0]).startswith("data:image/png;base64,")
    assert "url(" not in page and "@import" not in page


def test_write_card_embeds_the_very_png_beside_it(tmp_path: Path) -> None:
    files = write_card(write_run(tmp_path, run_events()))
    png = files["curve"].read_bytes()
    assert png.startswith(PNG) and len(png) > 5000
    (coded,) = re.findall(r"base64,([A-Za-z0-9+/=]+)", files["card"].read_text(encoding="utf-8"))
    assert base64.b64decode(coded) == png


def test_loss_curve_other_losses_draw_another_picture() -> None:
    events = run_events()
    other = [{**e, "eval_loss": 0.1} if e["kind"] == "epoch" else e for e in events]
    assert loss_curve(events) == loss_curve(events) != loss_curve(other)


def test_write_card_killed_run_says_that_it_is_not_finished(tmp_path: Path) -> None:
    events = run_events()[:5]  # run, phase, two steps, one epoch
    text = Reader(write_card(write_run(tmp_path, events))["card"].read_text(encoding="utf-8")).text
    assert "not finished" in text and "1 – kept" in text and "Phase style" not in text


def test_write_card_without_matplotlib_leaves_the_curve_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    files = write_card(write_run(tmp_path, run_events()))
    assert set(files) == {"card"} and not (tmp_path / "loss.png").exists()
    assert "matplotlib is not installed" in files["card"].read_text(encoding="utf-8")


def test_write_card_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no run"):
        write_card(tmp_path)


def test_observer_end_writes_the_card_and_a_fault_does_not_raise(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    *events, end = run_events()
    observer = RunCardObserver(tmp_path)
    for event in events:
        observer.event(event)
    assert not (tmp_path / "card.html").exists()
    observer.event(end)  # there is no events.jsonl
    assert "train card" in caplog.text
    write_run(tmp_path, [*events, end])
    observer.event(end)
    assert (tmp_path / "card.html").is_file()


def test_train_card_command_prints_the_files_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path, run_events())
    assert main(["train", "card", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "card": str(tmp_path / "card.html"),
        "curve": str(tmp_path / "loss.png"),
    }
    assert main(["train", "card", str(tmp_path / "nowhere")]) == 1


def test_card_resumed_run_shows_each_phase_once(tmp_path: Path) -> None:
    run, begin, *rest = run_events()
    again = [{**run, "resumed": True}, {**begin, "step": 2}]
    write_run(tmp_path, [run, begin, *rest[:3], *again, *rest[3:]])
    text = Reader(write_card(tmp_path)["card"].read_text(encoding="utf-8")).text
    assert text.count("Phase identity\nepoch") == 1 and "\n8\noptimizer steps" in text
