"""Search with reranking against raw Chroma on the same collection, and what an index of a size costs.

Vectors are made up in clusters; embedding a question is excluded on both sides. Each question is
asked both ways in turn, in changing order. Building and searching have a process of their own for
each size, so that memory is theirs alone. `asked twice` is what a question with "you" costs: it is
also asked with the persona's name.

    python benchmarks/index_search.py --save index_search --plot docs/benchmarks-index.png
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from bench import ClusterEmbedder, Writer, parser, peak_memory_mb, percentiles, report

BAR = 1.5
K = 3
WORDS = 60


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 50_000, 100_000], help="chunks")
    made.add_argument("--questions", type=int, default=400)
    made.add_argument("--plot", type=Path, metavar="PNG")
    made.add_argument("--phase", choices=("build", "search"), help="used by the benchmark itself")
    made.add_argument("--place", type=Path, help="used by the benchmark itself")
    args = made.parse_args()
    if args.phase:
        work = build if args.phase == "build" else search
        print(json.dumps(work(args.place, args.sizes[0], args.questions)))
        return 0
    if args.quick:
        args.sizes, args.questions = [60, 120], 10
    rows = []
    for size in args.sizes:
        with tempfile.TemporaryDirectory() as place:
            phases = [_child(phase, place, size, args.questions) for phase in ("build", "search")]
        rows.append({"chunks": size, **phases[0], **phases[1]})
        print(json.dumps(rows[-1]), file=sys.stderr)
    if args.plot:
        plot(rows, args.plot)
    last = rows[-1]
    result = {"k": K, "questions": args.questions, "rows": rows, "ratio": last["ratio"], "bar": BAR}
    text = "\n".join(
        f"{r['chunks']:>7} chunks: built in {r['build_s']:.1f} s, {r['disk_mb']:.0f} MB on disk, "
        f"{r['memory_mb']:.0f} MB in memory; p95 raw {r['raw']['p95_ms']:.2f} ms, "
        f"with rerank {r['ours']['p95_ms']:.2f} ms ({r['ratio']:.2f} times)"
        for r in rows
    )
    return report(args, result, f"{text}\nbar at the last size: {BAR} times")


def _child(phase: str, place: str, size: int, questions: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--phase", phase, "--place", place]
    command += ["--sizes", str(size), "--questions", str(questions)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def build(place: Path, size: int, _questions: int) -> dict[str, Any]:
    """A whole build by the product, without a model."""
    from engine.chunks import Chunking, split_passages
    from engine.word_pieces import word_pieces
    from ingest.documents import Document
    from ingest.index import build_index

    writer = Writer()
    (place / "knowledge").mkdir()
    documents: list[Document] = []
    chunks = 0
    while chunks < size:
        text = writer.text(WORDS)
        chunks += len(split_passages(text, Chunking(), word_pieces()))
        day = datetime(2026, 11, 1 + chunks % 20, tzinfo=UTC)
        documents.append(Document(f"made/{len(documents)}", f"Title {len(documents)}", text, "", day))
    embedder = ClusterEmbedder(size)
    before_mb = peak_memory_mb()
    started, busy = time.perf_counter(), time.process_time()
    ledger = build_index(place / "knowledge", place / "index", embedder, persona="bench", extra=documents)
    seconds = time.perf_counter() - started
    disk = sum(p.stat().st_size for p in (place / "index").rglob("*") if p.is_file())
    return {
        "stored": ledger.chunks,
        "build_s": round(seconds, 2),
        "build_cpu_s": round(time.process_time() - busy, 2),
        "build_memory_mb": round(peak_memory_mb() - before_mb, 1),
        "disk_mb": round(disk / 1e6, 1),
    }


class _Asked:
    """Hands out vectors that were made before; the question is a number, perhaps with "you"."""

    name = "clusters"

    def __init__(self, vectors: Any) -> None:
        self._vectors = vectors

    async def embed(self, texts: Any, *, query: bool = False) -> Any:
        number = int(texts[0].split()[0])
        return self._vectors[number : number + len(texts)]

    def embed_now(self, texts: Any, *, query: bool = False) -> Any:
        raise AssertionError("questions only")


def search(place: Path, _size: int, questions: int) -> dict[str, Any]:
    """The same questions raw and reranked."""
    from engine.collection import OpenCollection, read_live
    from engine.config import RetrieverConfig
    from engine.retriever import ChromaRetriever

    folder = place / "index"
    live = read_live(folder)
    before_mb = peak_memory_mb()
    collection = OpenCollection(folder, live)
    vectors = _questions_near(collection.chroma, live.chunks, questions + 1)

    async def measure() -> dict[str, list[float]]:
        retriever = ChromaRetriever(RetrieverConfig(k=K), folder, _Asked(vectors), "Ada")
        now = datetime(2026, 11, 21, tzinfo=UTC)
        spent: dict[str, list[float]] = {"raw": [], "ours": [], "twice": []}

        async def ask(kind: str, number: int) -> None:
            started = time.perf_counter()
            if kind == "raw":
                collection.chroma.query(query_embeddings=vectors[number : number + 1], n_results=K)
            else:
                await retriever.search(f"{number} you" if kind == "twice" else str(number), now)
            spent[kind].append(time.perf_counter() - started)

        kinds = list(spent)
        for kind in kinds:
            await ask(kind, 0)
            spent[kind].clear()
        for number in range(questions):
            for turn in range(len(kinds)):
                await ask(kinds[(number + turn) % len(kinds)], number)
        await retriever.close()
        return spent

    spent = asyncio.run(measure())
    collection.close()
    found = {kind: percentiles(seconds) for kind, seconds in spent.items()}
    return {
        "memory_mb": round(peak_memory_mb() - before_mb, 1),
        **found,
        "ratio": round(found["ours"]["p95_ms"] / found["raw"]["p95_ms"], 3),
        "median_ratio": round(found["ours"]["median_ms"] / found["raw"]["median_ms"], 3),
    }


def _questions_near(chroma: Any, chunks: int, count: int) -> Any:
    """Vectors close to stored ones, as questions are."""
    rng = np.random.default_rng(7)
    parts = []
    for offset in rng.integers(0, max(1, chunks - 10), -(-count // 10)):
        got = chroma.get(limit=10, offset=int(offset), include=["embeddings"])
        parts.append(np.asarray(got["embeddings"], dtype=np.float32))
    vectors = np.concatenate(parts)[:count]
    vectors = vectors + rng.normal(scale=0.02, size=vectors.shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Time and memory against size."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    sizes = [row["chunks"] for row in rows]
    figure, axes = pyplot.subplots(1, 3, figsize=(11, 3.2), dpi=90)
    axes[0].plot(sizes, [row.get("build_cpu_s") for row in rows], "o-")
    axes[0].set_title("build without embedding, CPU s")
    axes[1].plot(sizes, [row["memory_mb"] for row in rows], "o-", label="memory, searching")
    axes[1].plot(sizes, [row.get("build_memory_mb") for row in rows], "o-", label="memory, building")
    axes[1].plot(sizes, [row["disk_mb"] for row in rows], "o-", label="disk")
    axes[1].set_title("MB")
    for kind, name in (("raw", "raw Chroma"), ("ours", "with rerank"), ("twice", "asked twice")):
        axes[2].plot(sizes, [row[kind]["p95_ms"] for row in rows], "o-", label=name)
    axes[2].set_title(f"search k={K}, p95, ms")
    for axis in axes:
        axis.set_xlabel("chunks")
        axis.set_xscale("log")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes[1].legend()
    axes[2].legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(main())
