"""An incremental refresh of the index against a full build: documents, of which a few changed.

Both are the product's `build_index` on a folder of Markdown files: reading, cutting, embedding,
writing, checking and swapping are in the time. The share is the median refresh over the full build.

    python benchmarks/index_refresh.py --documents 10000 --save index_refresh
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench import ClusterEmbedder, Writer, parser, report

BAR = 0.05


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--documents", type=int, default=10_000)
    made.add_argument("--words", type=int, default=60, help="of a document")
    made.add_argument("--changed", type=float, default=0.01, help="share that changes before a refresh")
    made.add_argument("--rounds", type=int, default=3, help="refreshes")
    made.add_argument("--embedder", choices=("minilm", "clusters"), default="minilm")
    args = made.parse_args()
    if args.quick:
        args.documents, args.words, args.rounds, args.embedder = 40, 30, 1, "clusters"
    with tempfile.TemporaryDirectory() as place:
        result = measure(args, Path(place))
    text = (
        f"{result['documents']} documents, {result['chunks']} chunks: full build {result['full_s']:.1f} s, "
        f"refresh with {result['changed']} changed {result['refresh_s']:.2f} s, "
        f"{result['share']:.1%} (bar: {BAR:.0%})"
    )
    return report(args, result, text)


def measure(args: Any, place: Path) -> dict[str, Any]:
    """Build, change, refresh, again and again."""
    from engine.embedder import Embedder
    from ingest.index import build_index

    knowledge, folder = place / "knowledge", place / "index"
    writer = Writer()
    writer.knowledge(knowledge, range(args.documents), args.words)
    embedder = Embedder() if args.embedder == "minilm" else ClusterEmbedder(args.documents)
    embedder.embed_now(["Warm up: loading the model is in neither time."])

    def build() -> Any:
        started = time.perf_counter()
        ledger = build_index(knowledge, folder, embedder, persona="bench", only_if_changed=True)
        return time.perf_counter() - started, ledger

    full_s, first = build()
    print(f"full build: {full_s:.1f} s, {first.chunks} chunks", file=sys.stderr)
    count = max(1, round(args.documents * args.changed))
    refresh_s: list[float] = []
    embedded: list[int] = []
    for turn in range(args.rounds):
        step = args.documents // count
        writer.knowledge(knowledge, range(turn % step, args.documents, step)[:count], args.words)
        seconds, ledger = build()
        print(f"refresh: {seconds:.2f} s, {ledger.embedded} embedded", file=sys.stderr)
        refresh_s.append(seconds)
        embedded.append(ledger.embedded)
    middle = statistics.median(refresh_s)
    return {
        "documents": args.documents,
        "changed": count,
        "chunks": first.chunks,
        "embedder": args.embedder,
        "full_s": round(full_s, 2),
        "refresh_s": round(middle, 2),
        "refreshes_s": [round(s, 2) for s in refresh_s],
        "embedded": embedded,
        "share": round(middle / full_s, 4),
        "bar": BAR,
    }


if __name__ == "__main__":
    sys.exit(main())
