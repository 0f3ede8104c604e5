"""Articles of NewsAPI.org, by search query.

The key travels in a header, never in an address. The free plan answers 100 requests a day with
articles cut at 200 characters, so the pages themselves are fetched. This module knows nothing of
storage.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.secrets import Secret
from ingest.articles import canonical_url, clean_title, parse_date
from ingest.feeds import Entry
from ingest.fetch_errors import WrongType
from ingest.pages import fragment_text
from ingest.settings import NewsConfig

_CUT = re.compile(r"…?\s*\[\+\d+ chars\]\s*$")
REMOVED = "[Removed]"


class _Source(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: str | None = None


class _Item(BaseModel):
    model_config = ConfigDict(extra="ignore")
    source: _Source = _Source()
    title: str | None = None
    description: str | None = None
    url: str | None = None
    published_at: str | None = Field(None, alias="publishedAt")
    content: str | None = None


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")
    status: str
    articles: list[_Item]


def query_url(config: NewsConfig, query: str) -> str:
    """The address of a search; it holds no key."""
    params = {
        "q": query,
        "language": config.language,
        "sortBy": "publishedAt",
        "pageSize": min(100, config.max_entries),
    }
    return f"{config.newsapi_url}?{urlencode(params)}"


def key_header(key: Secret) -> dict[str, str]:
    """How the service wants its key."""
    return {"X-Api-Key": key.reveal()}


def read_answer(body: bytes) -> tuple[Entry, ...]:
    """The articles of an answer, those left out that the service has removed.

    Raises:
        WrongType: it is not in the service's form.
    """
    try:
        answer = _Answer.model_validate(json.loads(body))
    except (ValueError, ValidationError) as exc:
        raise WrongType("is no answer of NewsAPI") from exc
    if answer.status != "ok":
        raise WrongType("NewsAPI refused the query")
    return tuple(_entry(item) for item in answer.articles if item.title != REMOVED)


def _entry(item: _Item) -> Entry:
    texts = (item.description or "", _CUT.sub("…", item.content or ""))
    return Entry(
        id="",
        url=canonical_url(item.url or ""),
        link=(item.url or "").strip(),
        title=clean_title(fragment_text(item.title or "")),
        text=max((fragment_text(text) for text in texts), key=len),
        published_at=parse_date(item.published_at or ""),
        source=clean_title(item.source.name or ""),
    )
