"""The event loop's lag while the index is refreshed, against an idle loop.

The refresh is the service's own: a child process of low priority that reads, embeds with the real
model, writes, checks and swaps, while a loop in this process does nothing but measure how late it
wakes. Idle and refresh take turns, because other work on the machine makes both late.

    python benchmarks/loop_lag.py --save loop_lag
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench import Writer, parser, percentiles, report

BAR_MS = 10.0
TICK_S = 0.005
PERSONA = 'id = "bench"\nname = "Ada"\nsystem_prompt = "You are Ada."\ndisclosure = "An AI."\n'


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--documents", type=int, default=300, help="new in each refresh")
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--idle-s", type=float, default=20.0, help="of each round")
    args = made.parse_args()
    if args.quick:
        args.documents, args.rounds, args.idle_s = 3, 1, 0.3
    with tempfile.TemporaryDirectory() as place:
        result = asyncio.run(measure(args, Path(place)))
    text = (
        f"lag p99: idle {result['idle']['p99_ms']:.2f} ms, during {args.rounds} refreshes "
        f"({result['refresh_s']:.0f} s, {result['embedded']} passages embedded) "
        f"{result['refresh']['p99_ms']:.2f} ms, {result['more_ms']:.2f} ms more (bar: {BAR_MS:.0f} ms); "
        f"longest {result['idle_max_ms']:.0f} and {result['refresh_max_ms']:.0f} ms"
    )
    return report(args, result, text)


async def measure(args: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Idle, refresh, idle, refresh; the loop's lag in each."""
    from engine.config import Config
    from engine.personas import load_persona
    from ingest.refresh import refresh

    (place / "ada" / "knowledge").mkdir(parents=True)
    (place / "ada" / "persona.toml").write_text(PERSONA)
    persona = load_persona(place / "ada")
    config = Config.model_validate({"root": place, "persona": "ada", "news": {"refresh_timeout_s": 3600.0}})
    writer = Writer(5)
    lags: dict[str, list[float]] = {"idle": [], "refresh": []}
    refresh_s = 0.0
    embedded = 0
    for turn in range(args.rounds):
        first = turn * args.documents
        writer.knowledge(place / "ada" / "knowledge", range(first, first + args.documents), 60)
        await _lag_while(asyncio.sleep(args.idle_s), lags["idle"])
        started = time.perf_counter()
        done = await _lag_while(refresh(config, persona, fetch=False), lags["refresh"])
        refresh_s += time.perf_counter() - started
        embedded += done.embedded
    idle, busy = percentiles(lags["idle"]), percentiles(lags["refresh"])
    return {
        "idle": idle,
        "refresh": busy,
        "more_ms": round(busy["p99_ms"] - idle["p99_ms"], 3),
        "idle_max_ms": round(max(lags["idle"]) * 1000, 1),
        "refresh_max_ms": round(max(lags["refresh"]) * 1000, 1),
        "ticks": {kind: len(found) for kind, found in lags.items()},
        "refresh_s": round(refresh_s, 1),
        "embedded": embedded,
        "bar_ms": BAR_MS,
    }


async def _lag_while(work: Any, lags: list[float]) -> Any:
    """Run something, and note how late each tick of the loop is."""
    task = asyncio.ensure_future(work)
    while not task.done():
        due = time.perf_counter() + TICK_S
        await asyncio.sleep(TICK_S)
        lags.append(max(0.0, time.perf_counter() - due))
    return await task


if __name__ == "__main__":
    sys.exit(main())
