"""The card of a training: one HTML file and a loss curve, written from the run's events.

    run_dir/card.html    self-contained: no script, nothing loaded from elsewhere, all text escaped
    run_dir/loss.png     the curve, which the card holds too

Knows only what events.jsonl says, so that it can be written again at any time, also of a run that was
stopped or killed.
"""

from __future__ import annotations

import base64
import html
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import ConfigError, InputError
from trainer.events import Event, read_events
from trainer.runcurve import loss_curve

log = logging.getLogger(__name__)

CARD, CURVE, EVENTS = "card.html", "loss.png", "events.jsonl"
_SHOWN_REFUSALS = 12  # more are folded up
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light; --ink: #1f2733; --soft: #66707f; --line: #e3e7ee; --accent: #d9622b; }
* { box-sizing: border-box; }
body { margin: 0; background: #f5f6f9; color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 3rem; }
h1 { margin: 0; font-size: 1.7rem; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { margin: 0 0 .7rem; font-size: 1.05rem; }
h3 { margin: 1.2rem 0 .4rem; font-size: .95rem; }
.sub { margin: .2rem 0 1.4rem; color: var(--soft); overflow-wrap: anywhere; }
.badge { margin-left: .6rem; padding: .15rem .6rem; border-radius: 1rem; font-size: .75rem; font-weight: 600;
  vertical-align: middle; white-space: nowrap; background: #dff3e4; color: #1c6b36; }
.badge.open { background: #fdeccf; color: #8a5a00; }
.tiles { display: grid; grid-template-columns: repeat(3, 1fr); gap: .8rem; }
@media (max-width: 40rem) { .tiles { grid-template-columns: repeat(2, 1fr); } }
.tile, section { background: #fff; border: 1px solid var(--line); border-radius: .7rem; }
.tile { padding: .8rem 1rem; }
.tile b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: .82rem; }
section { margin-top: 1rem; padding: 1.1rem 1.25rem; overflow-x: auto; }
img { display: block; width: 100%; height: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .34rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
th { color: var(--soft); font-size: .8rem; font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
tr:last-child td { border-bottom: 0; }
tr.best td { background: #fdf1ea; font-weight: 600; }
table.facts td { text-align: left; vertical-align: top; overflow-wrap: anywhere; }
table.facts td:first-child { width: 11rem; color: var(--soft); }
code { font: .85em ui-monospace, monospace; overflow-wrap: anywhere; }
ul { margin: .4rem 0 0; padding-left: 1.2rem; }
li { overflow-wrap: anywhere; }
details summary { cursor: pointer; color: var(--soft); }
.note { color: var(--soft); }
.stop { color: #a33d10; }
"""


class RunCardObserver:
    """Writes the card when the run ends; stands behind the observer that writes events.jsonl.

    Args:
        run_dir: the run's folder.
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir

    def event(self, event: Event) -> None:
        """At the end, write it; a fault is logged, for the adapters are safe already."""
        if event["kind"] != "end":
            return
        try:
            write_card(self._run_dir)
        except Exception as exc:  # drawing has many ways to fail, none of them worth the run's exit status
            log.warning("The run card was not written: %s. Try `understudy train card` later.", exc)


def write_card(run_dir: Path) -> dict[str, Path]:
    """Write a run's card, and its curve where matplotlib is installed.

    Returns:
        paths of the files: card, and curve where it was drawn.

    Raises:
        InputError: the folder holds no run.
    """
    path = run_dir / EVENTS
    events = read_events(path) if path.is_file() else []
    if not any(event["kind"] == "run" for event in events):
        raise InputError(f"{run_dir} holds no run: there is no {EVENTS} in it that begins one.")
    files = {"card": run_dir / CARD}
    try:
        png = loss_curve(events)
        files["curve"] = run_dir / CURVE
        files["curve"].write_bytes(png)
    except ConfigError as exc:
        log.warning("%s", exc)
        png = b""
    files["card"].write_text(card_html(events, png), encoding="utf-8")
    return files


def card_html(events: Sequence[Event], png: bytes) -> str:
    """The whole page.

    Args:
        events: a run's, each step and epoch once.
        png: its curve; empty for none.
    """
    run = [event for event in events if event["kind"] == "run"][-1]
    end = next((event for event in reversed(events) if event["kind"] == "end"), None)
    reports = {report["phase"]: report for report in end["phases"]} if end else {}
    badge = "" if end else " open"
    title = f"{run['recipe']} on {Path(str(run['base'])).name}"
    parts = [
        f"<h1>{_e(title)}<span class='badge{badge}'>{'finished' if end else 'not finished'}</span></h1>",
        f"<p class='sub'>{_e(_when(run.get('started', '')))}base {_e(run['base'])} · "
        f"{_e(_quantization(run['quantization']))}</p>",
        _tiles(run, events, reports),
        _picture(png),
        *(_phase(event, events, reports) for event in _phases(events)),
        _data(run),
        _section("Where it comes from", _facts(_origin(run, reports))),
        _section("Recipe", _recipe(run.get("plan", {}))),
    ]
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f"<meta http-equiv='Content-Security-Policy' content=\"{_POLICY}\">"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{_e(title)}</title><style>{_STYLE}</style></head>\n<body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


# --- parts -----------------------------------------------------------------------------------


def _tiles(run: Event, events: Sequence[Event], reports: Mapping[str, Any]) -> str:
    steps = [event for event in events if event["kind"] == "step"]
    seconds = sum(report["seconds"] for report in reports.values())
    tokens = sum(report["trained_tokens"] for report in reports.values())
    peak = max((event["memory_mb"] for event in steps), default=0.0)
    held = [_best(event, events) for event in _phases(events)]
    tiles = [
        (f"{held[0][0]:.3f} → {held[-1][1]:.3f}" if held else "–", "held-out loss, start → best"),
        (f"{run['trained']:,}", f"rows trained of {run['rows']:,}"),
        (f"{len(steps):,}", "optimizer steps"),
        (f"{tokens / seconds:,.0f}" if seconds else "–", "trained tokens/s"),
        (_time(seconds) if seconds else "–", "of training, evaluation left out"),
        (f"{peak / 1024:,.2f} GiB" if peak else "–", "peak memory"),
    ]
    cells = "".join(
        f"<div class='tile'><b>{_e(big)}</b><span>{_e(small)}</span></div>" for big, small in tiles
    )
    return f"<div class='tiles'>{cells}</div>"


def _picture(png: bytes) -> str:
    if not png:
        return _section("Loss", "<p class='note'>No curve: matplotlib is not installed.</p>")
    coded = base64.b64encode(png).decode("ascii")
    return _section("Loss", f"<img alt='Loss against steps' src='data:image/png;base64,{coded}'>")


def _phase(start: Event, events: Sequence[Event], reports: Mapping[str, Any]) -> str:
    name = start["phase"]
    report = reports.get(name)
    epochs = [event for event in events if event["kind"] == "epoch" and event["phase"] == name]
    losses = [float(start["start_loss"]), *(event["eval_loss"] for event in epochs)]
    best = report["best_epoch"] if report else losses.index(min(losses))
    rows = [("0, untrained", "–", f"{losses[0]:.4f}")]
    rows += [(str(e["epoch"]), f"{e['train_loss']:.4f}", f"{e['eval_loss']:.4f}") for e in epochs]
    body = "".join(
        f"<tr{' class=best' if i == best else ''}><td>{_e(a)}{' – kept' if i == best else ''}</td>"
        f"<td>{_e(b)}</td><td>{_e(c)}</td></tr>"
        for i, (a, b, c) in enumerate(rows)
    )
    table = f"<table><tr><th>epoch</th><th>training loss</th><th>held-out loss</th></tr>{body}</table>"
    return _section(f"Phase {name}", table + _ending(start, report))


def _ending(start: Event, report: Mapping[str, Any] | None) -> str:
    """What became of a phase, in a line, and why it stopped if it did."""
    known = f"{start['parameters']:,} trained parameters"
    if report is None:
        return f"<p class='note'>{_e(known)}; not finished.</p>"
    line = (
        f"{known}, {report['steps']:,} of {start['total_steps']:,} steps, "
        f"{report['trained_tokens']:,} trained tokens at {report['tokens_per_s']:,.0f} a second, "
        f"{_time(report['seconds'])}, peak memory {report['peak_memory_mb'] / 1024:,.2f} GiB, "
        f"{'packed' if report['packed'] else 'padded'}."
    )
    why = f"<p class='stop'>Stopped early: {_e(report['stop_reason'])}.</p>" if report["stop_reason"] else ""
    return f"<p class='note'>{_e(line)}</p>{why}"


def _data(run: Event) -> str:
    line = (
        f"{run['rows']:,} rows in = {run['trained']:,} trained + {run['held_out']:,} held out "
        f"+ {run['refused']:,} refused"
    )
    refusals, warnings = run.get("refusals", []), run.get("warnings", [])
    body = f"<p>{_e(line)}</p>"
    if refusals:
        items = "".join(f"<li>{_e(text)}</li>" for text in refusals)
        shown = " open" if len(refusals) <= _SHOWN_REFUSALS else ""
        body += f"<details{shown}><summary>Refused</summary><ul>{items}</ul></details>"
    if warnings:
        body += "<h3>Notes</h3><ul>" + "".join(f"<li>{_e(text)}</li>" for text in warnings) + "</ul>"
    return _section("Data", body)


def _origin(run: Event, reports: Mapping[str, Any]) -> dict[str, Any]:
    facts = {f"{name} hash": value for name, value in run.get("hashes", {}).items() if name != "loading"}
    facts |= {f"adapter {name}": report["weights_hash"] for name, report in reports.items()}
    facts |= {
        "written to": run.get("out", ""),
        "processes": run["processes"],
        "command": run.get("command", ""),
    }
    return {name: value for name, value in facts.items() if value}


def _recipe(plan: Mapping[str, Any]) -> str:
    general = {key: value for key, value in plan.items() if key != "phase" and value != ""}
    parts = [_facts(general)]
    for phase in plan.get("phase", []):
        parts.append(
            f"<h3>Phase {_e(phase['name'])}</h3>" + _facts({k: v for k, v in phase.items() if v != []})
        )
    return "".join(parts)


def _facts(facts: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{_e(name.replace('_', ' '))}</td><td><code>{_e(_value(value))}</code></td></tr>"
        for name, value in facts.items()
    )
    return f"<table class='facts'>{rows}</table>"


# --- small ones ------------------------------------------------------------------------------


def _phases(events: Sequence[Event]) -> list[Event]:
    """The beginnings of the phases, each once: the first, for a resumed one tells the same again."""
    found: dict[str, Event] = {}
    for event in events:
        if event["kind"] == "phase":
            found.setdefault(event["phase"], event)
    return list(found.values())


def _best(start: Event, events: Sequence[Event]) -> tuple[float, float]:
    """Held-out loss of a phase before it and at its best."""
    name = start["phase"]
    losses = [e["eval_loss"] for e in events if e["kind"] == "epoch" and e["phase"] == name]
    return start["start_loss"], min([start["start_loss"], *losses])


def _section(title: str, body: str) -> str:
    return f"<section><h2>{_e(title)}</h2>{body}</section>"


def _when(started: str) -> str:
    """An ISO time in UTC, for reading."""
    return f"{started[:16].replace('T', ' ')} UTC · " if started else ""


def _quantization(kind: str) -> str:
    return "not quantised" if kind == "none" else f"quantised to {kind}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{seconds:.1f} s"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"


def _e(text: object) -> str:
    return html.escape(str(text), quote=True)
