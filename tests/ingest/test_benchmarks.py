"""The benchmarks still run: at tiny sizes, each as a command, without looking at the times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def quick(name: str, *words: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), "--quick", "--json", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        cwd=ROOT.parent,  # it finds the project from anywhere
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    result: dict[str, object] = json.loads(line)
    assert result["machine"]
    return result


def test_benchmark_of_refreshes_embeds_only_what_changed() -> None:
    found = quick("index_refresh")
    assert (found["documents"], found["changed"], found["chunks"]) == (40, 1, 41)
    assert found["embedded"] == [2]  # the document and the headlines


def test_benchmark_of_searches_asks_both_ways_and_plots(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = quick("index_search", "--plot", str(tmp_path / "plot.png"))
    rows = found["rows"]
    assert isinstance(rows, list)
    assert [(row["chunks"], row["stored"]) for row in rows] == [(60, 60), (120, 120)]
    assert all(row["raw"]["p95_ms"] > 0 and row["ours"]["p95_ms"] > 0 for row in rows)
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_benchmark_of_pairs_makes_pairs() -> None:
    found = quick("pairs_speed")
    assert int(str(found["pairs"])) >= 2


@pytest.mark.timeout(300)  # the child loads the real embedder
def test_benchmark_of_lag_measures_idle_and_refresh() -> None:
    found = quick("loop_lag")
    assert found["embedded"] == 3
    ticks = found["ticks"]
    assert isinstance(ticks, dict)
    assert ticks["idle"] > 3 and ticks["refresh"] > 3
