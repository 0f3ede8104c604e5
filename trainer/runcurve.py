"""The loss curve of a run as a PNG: steps and epochs of all phases, one after another.

Knows a run's events alone.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from engine.errors import ConfigError

_GREY, _BLUE, _ORANGE = "#c3c9d4", "#2f6db3", "#d9622b"


def loss_curve(events: Sequence[Mapping[str, Any]]) -> bytes:
    """A PNG of training and held-out loss against steps.

    Args:
        events: a run's, each step and epoch once (`trainer.events.read_events`).

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise ConfigError(
            "The loss curve needs matplotlib, which is not installed: pip install 'understudy[train]'."
        ) from exc
    figure = Figure(figsize=(9.6, 4.2), dpi=140, layout="constrained")  # no pyplot: no global state
    FigureCanvasAgg(figure)
    axis = figure.add_subplot()
    starts = {event["phase"]: event for event in events if event["kind"] == "phase"}
    ends = accumulate(int(event["total_steps"]) for event in starts.values())
    first = dict(zip(starts, [0, *ends], strict=False))
    for name, start in starts.items():
        _phase(axis, name, start, first[name], [e for e in events if e.get("phase") == name])
    axis.set_xlabel("optimizer step")
    axis.set_ylabel("loss, nats per trained token")
    axis.grid(alpha=0.18)
    axis.margins(x=0.02)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    handles, labels = axis.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    if once:
        figure.legend(
            once.values(), once.keys(), frameon=False, fontsize=8, loc="outside lower center", ncols=4
        )
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def _phase(
    axis: Any, name: str, start: Mapping[str, Any], first: int, events: Sequence[Mapping[str, Any]]
) -> None:
    steps = [e for e in events if e["kind"] == "step"]
    epochs = [e for e in events if e["kind"] == "epoch"]
    per_epoch = int(start["total_steps"]) / int(start["epochs"])
    axis.plot([first + e["step"] for e in steps], [e["loss"] for e in steps], color=_GREY, lw=1, label="step")
    ends = [first + e["epoch"] * per_epoch for e in epochs]
    axis.plot(
        ends,
        [e["train_loss"] for e in epochs],
        color=_BLUE,
        marker=".",
        lw=1.4,
        label="training, epoch's mean",
    )
    held = [start["start_loss"], *(e["eval_loss"] for e in epochs)]
    axis.plot([first, *ends], held, color=_ORANGE, marker="o", ms=4, lw=1.6, label="held out")
    best = min(range(len(held)), key=lambda i: held[i])
    axis.plot(
        [[first, *ends][best]],
        [held[best]],
        "o",
        ms=11,
        mfc="none",
        mec=_ORANGE,
        label="kept: the best epoch",
    )
    if first:
        axis.axvline(first, color="#8a93a3", lw=0.8, ls=":")
    axis.annotate(
        # a name may hold what matplotlib would read as mathematics
        name.replace("$", r"\$"), (first, 1.0), xycoords=("data", "axes fraction"), xytext=(4, 2),
        textcoords="offset points", fontsize=9, color="#4b5563",
    )  # fmt: skip
