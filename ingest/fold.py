"""Folding the same report of several outlets into one.

Two texts are the same report when they are worded alike (`ingest.neardup`) and were published within
days of each other. What was folded is remembered by address. This module knows nothing of storage or
indexes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ingest.articles import Article, same_site, url_key, word_count
from ingest.neardup import MIN_RUNS, Wording, same_wording, wording

SAMPLED = 8  # one run in so many is looked up; all are compared afterwards
COMMON = 40  # a run in more reports than this is boilerplate, and points at nothing
ALIKE = 0.6  # shared of all runs
ALIKE_AT_HOME = 0.95  # one outlet writes many reports after one pattern
WINDOW = timedelta(days=4)
LONGER = 1.2  # a later report replaces the earliest as the one that is kept if so much longer


@dataclass(frozen=True, slots=True)
class Folded:
    """One report, and where else it stands."""

    article: Article
    also: tuple[str, ...] = ()
    """Addresses of the folded ones."""


def fold(articles: Sequence[Article]) -> list[Folded]:
    """Group near-duplicates, each group by its earliest report, or a later one that tells far more.

    Returns:
        the groups by date, undated ones last; every article is in exactly one of them.
    """
    groups: list[list[Article]] = []
    shapes: list[Wording] = []
    where: dict[int, list[int]] = defaultdict(list)
    for article in sorted(articles, key=_by_date):
        shape = wording(article.text)
        found = next(
            (
                group
                for group in _candidates(shape, where)
                if _same(article, shape, groups[group][0], shapes[group])
            ),
            None,
        )
        if found is not None:
            groups[found].append(article)
            continue
        groups.append([article])
        shapes.append(shape)
        for mark in _marks(shape):
            if len(where[mark]) <= COMMON:
                where[mark].append(len(groups) - 1)
    return [_kept(group) for group in groups]


def same_report(one: str, two: str) -> bool:
    """Whether two texts are the same report, whatever their dates and outlets."""
    return same_wording(wording(one), wording(two), ALIKE, cut=True)


def without_known(folded: Sequence[Folded], known: Sequence[Article]) -> list[Folded]:
    """Those reports that are not among the known ones, by address or by text."""
    urls = {url_key(article.url) for article in known if article.url}
    shapes = [(article, wording(article.text)) for article in known]

    def told(report: Folded) -> bool:
        if any(url_key(url) in urls for url in (report.article.url, *report.also) if url):
            return True
        shape = wording(report.article.text)
        return any(_same(report.article, shape, article, other) for article, other in shapes)

    return [report for report in folded if not told(report)]


def _by_date(article: Article) -> tuple[bool, datetime, str]:
    return article.published_at is None, article.published_at or datetime.max.replace(tzinfo=UTC), article.key


def _marks(shape: Wording) -> list[int]:
    """Sampled by value, so that the same runs are sampled of every text; short texts by all words."""
    if len(shape.runs) < MIN_RUNS * SAMPLED:
        return [*shape.runs, hash(shape.words)]
    return [run for run in shape.runs if run % SAMPLED == 0]


def _candidates(shape: Wording, where: dict[int, list[int]]) -> Iterable[int]:
    """Groups that share a run, those that share most first."""
    votes: dict[int, int] = defaultdict(int)
    marks = [*_marks(shape), *(run for run in shape.runs if run % SAMPLED == 0)]
    for mark in marks:
        found = where.get(mark, ())
        if len(found) <= COMMON:
            for group in found:
                votes[group] += 1
    return sorted(votes, key=lambda group: (-votes[group], group))[:20]


def _same(article: Article, shape: Wording, other: Article, other_shape: Wording) -> bool:
    one, two = article.published_at, other.published_at
    if one and two and abs(one - two) > WINDOW:
        return False
    home = bool(article.url) and bool(other.url) and same_site(article.url, other.url)
    return same_wording(shape, other_shape, ALIKE_AT_HOME if home else ALIKE, cut=not home)


def _kept(group: Sequence[Article]) -> Folded:
    """The earliest, unless another one is far longer; a date that it lacks comes from the others."""
    first = group[0]
    longest = max(group, key=lambda article: word_count(article.text))
    best = longest if word_count(longest.text) >= LONGER * word_count(first.text) else first
    dates = [article.published_at for article in group if article.published_at is not None]
    if best.published_at is None and dates:
        best = replace(best, published_at=min(dates))
    also = dict.fromkeys(a.url for a in group if a.url and a.url != best.url)
    return Folded(best, tuple(also))
