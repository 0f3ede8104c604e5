"""Cutting documents into passages: the engine's one chunker, under the name that importers know."""

from __future__ import annotations

from engine.chunks import MAX_WORDS, Chunking, sentences, split_chunks, split_passages

__all__ = ["MAX_WORDS", "Chunking", "sentences", "split_chunks", "split_passages"]
