"""A reply's whole result as JSON: what `chat --once --json`, the web page and the API show alike."""

from __future__ import annotations

from typing import Any

from engine.types import Passage, Result, ToolRecord


def result_json(result: Result) -> dict[str, Any]:
    """The whole result as one JSON-ready object."""
    return {
        "reply": result.reply,
        "retrieve": result.decision.retrieve,
        "probability": round(result.decision.probability, 4),
        "query": result.decision.query,
        "sources": [source_json(p) for p in result.sources],
        "adapters": [
            {"name": a.name, "hash": a.hash, "rank": a.rank, "strength": a.strength} for a in result.adapters
        ],
        "tools": [tool_json(t) for t in result.tools],
        "timings_ms": dict(result.timings_ms),
        "finish": result.finish,
        "note": result.note,
    }


def source_json(passage: Passage) -> dict[str, Any]:
    """One source as a JSON-ready object; `date` is ISO 8601 or null, `found` null where nobody read."""
    return {
        "title": passage.title,
        "url": passage.url,
        "date": passage.published_at.date().isoformat() if passage.published_at else None,
        "score": round(passage.score, 4),
        "similarity": round(passage.similarity, 4),
        "text": passage.text,
        "found": passage.found,
    }


def tool_json(record: ToolRecord) -> dict[str, Any]:
    """One call of a tool as a JSON-ready object."""
    return {
        "name": record.name,
        "arguments": dict(record.arguments),
        "result": record.observation,
        "ok": record.ok,
        "ms": record.ms,
    }
