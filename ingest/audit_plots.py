"""Inline SVG for the review sheet: bars and speaker timelines. Knows nothing of pairs.

Every text goes through `esc`; every number is formatted here.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from engine.prompt import clean_text

COLOURS = ("#2f6f9f", "#c8553d", "#588157", "#8e6c8a", "#b08900", "#4a4e69", "#1b998b", "#a44a3f")
_WIDTH = 720


def esc(text: str) -> str:
    """Safe as text and as an attribute's value; invisible and direction-changing characters removed."""
    return html.escape(clean_text(text), quote=True)


def histogram(values: Sequence[int], title: str, unit: str, bins: int = 20) -> str:
    """Bars of how many rows have which length."""
    if not values:
        return ""
    top = sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]  # one giant must not flatten the rest
    step = max(1, -(-(top + 1) // bins))
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, value // step)] += 1
    names = [f"{i * step}–{(i + 1) * step - 1}" for i in range(bins)]
    names[-1] = f"{(bins - 1) * step} and more"
    last = max(i for i, count in enumerate(counts) if count)
    return bars(dict(zip(names[: last + 1], counts[: last + 1], strict=True)), f"{title} ({unit})")


def bars(counts: Mapping[str, int], title: str, limit: int = 60) -> str:
    """One horizontal bar for each name."""
    shown = list(counts.items())[:limit]
    most = max((count for _, count in shown), default=1) or 1
    height = 16
    parts = []
    for i, (name, count) in enumerate(shown):
        y = i * height
        short = name if len(name) <= 28 else f"{name[:27]}…"
        parts.append(
            f'<text x="196" y="{y + 12}" text-anchor="end">{esc(short)}</text>'
            f'<rect x="202" y="{y + 2}" width="{(_WIDTH - 270) * count / most:.1f}" height="12" '
            f'fill="{COLOURS[0]}">'
            f"<title>{esc(name)}: {count}</title></rect>"
            f'<text x="{206 + (_WIDTH - 270) * count / most:.1f}" y="{y + 12}">{count}</text>'
        )
    more = f"<p>{len(counts) - limit} more are not shown.</p>" if len(counts) > limit else ""
    return _figure(title, "".join(parts), max(1, len(shown)) * height) + more


def timeline(source: str, spans: Sequence[tuple[str, float, float]]) -> str:
    """Who speaks when, one lane a speaker; beyond eight speakers the rest share the last lane."""
    if not spans:
        return ""
    names = list(dict.fromkeys(name for name, _, _ in spans))
    lanes = {name: min(i, len(COLOURS) - 1) for i, name in enumerate(names)}
    begin, end = min(s[1] for s in spans), max(s[2] for s in spans)
    scale = (_WIDTH - 140) / max(end - begin, 1e-6)
    height = 18
    parts = []
    for name, lane in lanes.items():
        if lane < len(COLOURS) - 1 or name == names[len(COLOURS) - 1]:
            parts.append(f'<text x="114" y="{lane * height + 13}" text-anchor="end">{esc(name[:18])}</text>')
    for name, start, stop in spans:
        lane = lanes[name]
        parts.append(
            f'<rect x="{120 + (start - begin) * scale:.1f}" y="{lane * height + 3}" '
            f'width="{max(0.5, (stop - start) * scale):.1f}" height="12" fill="{COLOURS[lane]}">'
            f"<title>{esc(name)} {start:.1f}–{stop:.1f} s</title></rect>"
        )
    return _figure(
        f"{source}: {(end - begin) / 60:.1f} minutes", "".join(parts), (max(lanes.values()) + 1) * height
    )


def _figure(title: str, body: str, height: int) -> str:
    return (
        f"<figure><figcaption>{esc(title)}</figcaption>"
        f'<svg role="img" aria-label="{esc(title)}" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}">'
        f"{body}</svg>"
        "</figure>"
    )
