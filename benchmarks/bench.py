"""What the benchmarks share: made-up documents, an embedder without a model, and their reports."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import zlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
KNOWLEDGE = ROOT / "personas" / "mark-twain" / "knowledge"
WIDTH = 384  # of a vector, as all-MiniLM-L6-v2's


def parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    made = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    made.add_argument("--json", action="store_true", help="print one JSON object")
    made.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, measures nothing")
    made.add_argument("--save", metavar="NAME", help="keep the result as benchmarks/results/NAME.json")
    return made


def machine() -> dict[str, Any]:
    """Where and beside what it ran."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "chromadb": version("chromadb"),
    }


def report(args: argparse.Namespace, result: dict[str, Any], text: str) -> int:
    """Print and keep a result; its exit status."""
    result = {**result, "machine": machine()}
    if args.save:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{args.save}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result) if args.json else text)
    return 0


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Median, p95 and p99 in milliseconds."""
    points = np.percentile(np.asarray(seconds) * 1000.0, (50, 95, 99))
    return dict(zip(("median_ms", "p95_ms", "p99_ms"), (round(float(p), 3) for p in points), strict=True))


def peak_memory_mb() -> float:
    """The most memory that this process ever held."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024), 1)


# --- made-up documents and vectors -----------------------------------------------------------


def vocabulary() -> list[str]:
    """Words of real documents, so that a tokenizer meets what it usually meets."""
    words = {
        w.strip(".,;:!?\"'()") for p in sorted(KNOWLEDGE.rglob("*.md")) for w in p.read_text("utf-8").split()
    }
    return sorted(w for w in words if w.isalpha())


class Writer:
    """Writes documents of random sentences; the same seed writes the same."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._words = vocabulary()

    def text(self, words: int) -> str:
        """Sentences of 8 to 22 words, about so many words in all."""
        done: list[str] = []
        while sum(len(s.split()) for s in done) < words:
            sentence = " ".join(self._random.choices(self._words, k=self._random.randint(8, 22)))
            done.append(sentence[0].upper() + sentence[1:] + ".")
        return " ".join(done)

    def knowledge(self, folder: Path, numbers: Sequence[int], words: int) -> None:
        """Write documents, or new texts of those that are there."""
        (folder / "news").mkdir(parents=True, exist_ok=True)
        for n in numbers:
            title = " ".join(self._random.choices(self._words, k=6))
            head = f'---\ntitle: "{title}"\nurl: https://example.org/{n}\npublished_at: 2026-11-18\n---\n'
            (folder / "news" / f"{n:06d}.md").write_text(f"{head}{self.text(words)}\n", encoding="utf-8")


class ClusterEmbedder:
    """Unit vectors in clusters of about fifty, each told by the text's hash: no model is needed."""

    def __init__(self, texts: int, seed: int = 0) -> None:
        self.name = "clusters"
        rng = np.random.default_rng(seed)
        self._centres = rng.normal(size=(max(1, texts // 50), WIDTH)).astype(np.float32)

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """As `engine.embedder.TextEmbedder`."""
        return self.embed_now(texts, query=query)

    def embed_now(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """As `engine.embedder.TextEmbedder`."""
        vectors = np.stack([self._vector(text) for text in texts])
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def _vector(self, text: str) -> NDArray[np.float32]:
        number = zlib.crc32(text.encode())
        noise = np.random.default_rng(number).normal(scale=0.7, size=WIDTH).astype(np.float32)
        return self._centres[number % len(self._centres)] + noise


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
