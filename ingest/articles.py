"""An article, and what makes two addresses the same article.

This module knows nothing of HTTP, markup or storage.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from engine.prompt import clean_text

MIN_WORDS = 12  # a headline with less below it tells nothing
MAX_TITLE_CHARS = 300
EARLY = timedelta(days=1)  # clocks and time zones differ; a date further ahead is wrong
FIRST_YEAR = 1450  # nothing was printed before

_TRACKING = re.compile(
    r"^(?:utm_\w+|mtm_\w+|pk_\w+|at_\w+|ns_\w+|fb_\w+|fbclid|gclid|dclid|msclkid|yclid|igshid|mc_[ce]id|_ga|_gl"
    r"|cmpid|ocid|ito|smid|ftag|ncid|srnd|taid|guccounter|ref|ref_src|referrer|spm|share|xtor)$",
    re.I,
)
_VARIANT = re.compile(r"^(?:www\d?|m|mobile|amp)\.")


@dataclass(frozen=True, slots=True)
class Article:
    """One outlet's report as it was collected."""

    key: str
    """Stays the same when date, title, text or address move."""
    url: str
    title: str
    text: str
    """Paragraphs separated by empty lines."""
    published_at: datetime | None
    source: str
    """Name of the outlet."""

    @property
    def doc_id(self) -> str:
        """Its name in the index."""
        return f"news/{hashlib.sha256(self.key.encode()).hexdigest()[:16]}"


def canonical_url(url: str) -> str:
    """The address without what only says where the reader came from; empty for what is no web address."""
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return ""
    if parts.scheme.lower() not in ("http", "https") or not host:
        return ""
    scheme = parts.scheme.lower()
    shown_host = f"[{host}]" if ":" in host else host
    if port and port != {"http": 80, "https": 443}[scheme]:
        shown_host += f":{port}"
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = urlencode([pair for pair in pairs if not _TRACKING.match(pair[0])])
    return urlunsplit((scheme, shown_host, parts.path or "/", query, ""))


def url_key(url: str) -> str:
    """Equal for addresses that differ only in scheme, mobile host name, final slash or parameter order."""
    parts = urlsplit(canonical_url(url))
    host = _VARIANT.sub("", parts.netloc)
    query = urlencode(sorted(parse_qsl(parts.query, keep_blank_values=True)))
    return f"{host}{parts.path.rstrip('/')}{'?' if query else ''}{query}"


def same_site(one: str, other: str) -> bool:
    """Whether two addresses belong to one outlet, as far as their host names tell."""
    hosts = [_VARIANT.sub("", urlsplit(url).netloc.lower()) for url in (one, other)]
    return hosts[0] == hosts[1]


def stated_url(page_url: str, stated: str) -> str:
    """The address that a page says is its own, or where it was found when that cannot be believed.

    A page may not pass for another site's, and an article whose stated address is the front page
    would swallow all others that say the same.
    """
    found = canonical_url(page_url)
    try:
        claim = canonical_url(urljoin(page_url, stated)) if stated else ""
    except ValueError:
        return found
    front = urlsplit(claim).path in ("", "/") and not urlsplit(claim).query
    return claim if claim and same_site(claim, found) and not front else found


def sane_date(value: datetime | None, now: datetime) -> datetime | None:
    """A publication date in UTC, or None for one that cannot be (in the future, before print)."""
    if value is None:
        return None
    moment = (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    return moment if moment.year >= FIRST_YEAR and moment <= now + EARLY else None


def parse_date(value: str) -> datetime | None:
    """A date or time in ISO form, as pages and APIs write it; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def clean_title(text: str) -> str:
    """A title on one line."""
    title = " ".join(clean_text(text).split())
    return title if len(title) <= MAX_TITLE_CHARS else title[: MAX_TITLE_CHARS - 1].rstrip() + "…"


def clean_paragraphs(text: str) -> str:
    """Text with single spaces inside paragraphs and an empty line between them."""
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n|\n", clean_text(text)))
    return "\n\n".join(part for part in paragraphs if part)


def word_count(text: str) -> int:
    """Number of words."""
    return len(text.split())
