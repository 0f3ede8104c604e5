"""The settings of the news and of the index: `[news]` and `[index]` of config.toml."""

from __future__ import annotations

from engine.chunks import Chunking
from engine.config import Config, NewsConfig

__all__ = ["NewsConfig", "chunking", "news_config"]


def news_config(config: Config) -> NewsConfig:
    """The `[news]` section."""
    return config.news


def chunking(config: Config) -> Chunking:
    """How documents are cut, of the `[index]` section."""
    return Chunking(config.index.chunk_tokens, config.index.overlap_tokens)
