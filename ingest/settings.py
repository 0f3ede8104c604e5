"""The settings of the news: `[news]` of config.toml."""

from __future__ import annotations

from engine.config import Config, NewsConfig

__all__ = ["NewsConfig", "news_config"]


def news_config(config: Config) -> NewsConfig:
    """The `[news]` section."""
    return config.news
