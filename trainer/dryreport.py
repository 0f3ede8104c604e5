"""A dry run's report as lines for people; knows nothing of how it came about."""

from __future__ import annotations

import math
from typing import Any

_BAR = 30
_MARKS = ("«", "»")
_GREEN = ("\x1b[1;32m", "\x1b[0m")


def report_text(report: dict[str, Any], *, color: bool) -> str:
    """The report for reading.

    Args:
        color: trained tokens in green; else between « and ».
    """
    lines = [
        f"{report['recipe']} on {report['base']}, window {report['window']:,} tokens. Nothing is trained.",
        f"{report['rows']:,} rows = {report['trained']:,} to train + {report['held_out']:,} held out "
        f"+ {len(report['refused']):,} refused",
        *(f"  refused  {line}" for line in report["refused"]),
        *(f"  note     {line}" for line in report["warnings"]),
    ]
    for phase in report["phases"]:
        lines += ["", *_phase_lines(phase, _GREEN if color else _MARKS)]
    return "\n".join([*lines, "", *_memory_lines(report)])


def _phase_lines(phase: dict[str, Any], marks: tuple[str, str]) -> list[str]:
    size = phase["lengths"]
    replayed = f" ({phase['replayed']:,} of them generated)" if phase["replayed"] else ""
    lines = [
        f"Phase {phase['phase']} ({phase['method']}): {phase['examples']:,} examples{replayed}, "
        f"{phase['held_out']:,} held out",
        f"  {phase['steps']:,} steps = {phase['epochs']} epochs × {phase['steps_per_epoch']:,}; "
        f"{phase['trained_tokens']:,} trained tokens; micro-batches of up to "
        f"{phase['micro_batch_tokens']:,} tokens",
        f"  tokens of an example: min {size['min']:,}, median {size['median']:,g}, p95 {size['p95']:,}, "
        f"max {size['max']:,}",
    ]
    most = max(count for *_, count in size["histogram"])
    for a, b, count in size["histogram"]:
        lines.append(f"  {f'{a}–{b}':>13} {'█' * math.ceil(_BAR * count / most):<{_BAR}} {count:,}")
    for number, shown in enumerate(phase["shown"], 1):
        text = "".join(f"{marks[0]}{s['text']}{marks[1]}" if s["trained"] else s["text"] for s in shown)
        lines += [f"  Example {number}, trained tokens marked:", *(f"  │ {x}" for x in text.splitlines())]
    return lines


def _memory_lines(report: dict[str, Any]) -> list[str]:
    memory = report["memory"]
    lines = [
        "Memory, estimated (the libraries' own 0.5 to 1 GiB come on top; → is this training)",
        f"    {'base':<22} {'bits':<5} {'checkpointing':<13} {'total':>9} {'weights':>9} {'adapters':>9} "
        f"{'optimizer':>9} {'activations':>11}",
    ]
    for name, rows in [(report["base"], memory["base"]), *memory["other_sizes"].items()]:
        name = name if len(name) <= 22 else "…" + name[-21:]
        for row in rows:
            total, weights, adapters, optimizer = (
                _size(row[key]) for key in ("total", "weights", "adapters", "optimizer")
            )
            lines.append(
                f"  {'→' if row.get('chosen') else ' '} {name:<22} {row['bits']:<5} "
                f"{'on' if row['checkpointing'] else 'off':<13} {total:>9} {weights:>9} {adapters:>9} "
                f"{optimizer:>9} {_size(row['activations'] + row['passing']):>11}"
            )
    return lines


def _size(count: int) -> str:
    """Bytes for reading."""
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
