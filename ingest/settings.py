"""The settings of the news: `[news]` of config.toml."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import Field

from engine.config import Config, Section

HttpUrl = Annotated[str, Field(pattern=r"^https?://\S+$")]


class NewsConfig(Section):
    """Where news comes from, how it is fetched, and when."""

    enabled: bool = True
    hour: int = Field(4, ge=0, le=23)
    minute: int = Field(10, ge=0, le=59)
    jitter_s: int = Field(600, ge=0, le=7200)
    feeds: list[HttpUrl] = []
    """RSS or Atom; not empty: instead of the persona's own."""
    pages: list[HttpUrl] = []
    newsapi_queries: list[str] = []
    newsapi_url: HttpUrl = "https://newsapi.org/v2/everything"
    language: str = Field("en", pattern=r"^[a-z]{2}$")
    full_text: bool = True
    undated: Literal["keep", "refuse"] = "keep"
    max_age_days: float = Field(60.0, ge=0.0)
    max_entries: int = Field(100, ge=1, le=10_000)
    max_bytes: int = Field(5_000_000, ge=1_000, le=100_000_000)
    timeout_s: float = Field(30.0, gt=0.0, le=600.0)
    read_timeout_s: float = Field(10.0, gt=0.0, le=600.0)
    retries: int = Field(2, ge=0, le=10)
    per_host_interval_s: float = Field(1.0, ge=0.0, le=600.0)
    allow_private: bool = False
    refresh_timeout_s: float = Field(3600.0, gt=0.0)

    @property
    def policy(self) -> str:
        """Changes with every setting that decides what is kept of an answer that was read before."""
        rules = f"{self.full_text} {self.undated} {self.max_age_days} {self.max_entries}"
        return hashlib.sha256(rules.encode()).hexdigest()[:12]


def news_config(config: Config) -> NewsConfig:
    """The `[news]` section, or its defaults where config.toml knows none."""
    found = getattr(config, "news", None)
    return found if isinstance(found, NewsConfig) else NewsConfig()
