"""The training benchmark still runs at tiny sizes, and both of its sides learn the same from the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="the other side of the benchmark: pip install 'understudy[bench]'")

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "train_speed.py"


@pytest.mark.timeout(300)  # three processes, each of which loads torch, and two of them TRL
def test_train_speed_quick_sides_train_the_same_tokens_to_the_same_losses() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--quick", "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        cwd=SCRIPT.parents[2],  # it finds the project from anywhere
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert found["machine"] and found["trl"]
    (run,) = found["runs"]
    assert set(run["sides"]) == {"ours", "trl", "trl-packed"}
    assert all(side["trained_per_s"] > 0 and side["peak_mb"] > 0 for side in run["sides"].values())
    ours, peer = run["sides"]["ours"], run["sides"]["trl"]
    assert (ours["tokens"], ours["trained_tokens"]) == (peer["tokens"], peer["trained_tokens"])
    assert len(ours["losses"][0]) == len(peer["losses"][0]) == 4
    # Without dropout: the same initial adapter, masks, order, clipping, optimizer and rates.
    assert ours["losses"][0] == pytest.approx(peer["losses"][0], abs=1e-4)
    assert len(set(ours["losses"][0])) == 4  # and the steps are not one and the same
