"""Folding reports across outlets, and leaving alone what only looks alike."""

from __future__ import annotations

import time
from datetime import timedelta

from feed_server import NOW, story

from ingest.articles import Article
from ingest.fold import fold, without_known


def article(host: str, text: str, *, hours: float | None = 0, name: str = "a") -> Article:
    when = None if hours is None else NOW - timedelta(days=5) + timedelta(hours=hours)
    return Article(f"url:{host}/{name}", f"https://{host}/{name}", f"Of {host}", text, when, host)


def test_fold_of_one_report_in_three_outlets_keeps_the_earliest_and_all_addresses() -> None:
    text = story("bridge")
    same = [
        article("late.org", text, hours=9),
        article("early.org", text.replace("The bridge council opened", "The town's council opened")),
        article("undated.org", text, hours=None),
    ]
    (folded,) = fold(same)
    assert folded.article.url == "https://early.org/a"
    assert set(folded.also) == {"https://late.org/a", "https://undated.org/a"}


def test_fold_of_short_and_far_longer_report_keeps_the_longer() -> None:
    (folded,) = fold(
        [article("short.org", story("bridge", 6)), article("long.org", story("bridge", 14), hours=5)]
    )
    assert folded.article.source == "long.org"
    assert folded.also == ("https://short.org/a",)


def test_fold_gives_an_undated_longer_report_the_date_of_its_group() -> None:
    dated = article("short.org", story("bridge", 6))
    (folded,) = fold([dated, article("long.org", story("bridge", 14), hours=None)])
    assert folded.article.source == "long.org"
    assert folded.article.published_at == dated.published_at


def test_fold_of_other_numbers_other_topics_and_other_weeks_keeps_all() -> None:
    text = story("bridge")
    assert (
        len(
            fold(
                [
                    article("a.org", text + " It cost 5 million."),
                    article("b.org", text + " It cost 7 million."),
                ]
            )
        )
        == 2
    )
    assert len(fold([article("a.org", text), article("b.org", story("ferry"))])) == 2
    assert len(fold([article("a.org", text), article("b.org", text, hours=24 * 8)])) == 2


def test_fold_of_one_outlets_pattern_keeps_each() -> None:
    one, two = story("bridge", 20), story("bridge", 20).replace("a described day", "the quiet day")
    home = [article("a.org", one, name="monday"), article("a.org", two, name="tuesday")]
    assert len(fold(home)) == 2
    assert len(fold([home[0], article("b.org", two)])) == 1


def test_fold_does_not_depend_on_the_order() -> None:
    mixed = [article(f"h{n}.org", story(f"topic{n % 4}"), hours=n) for n in range(12)]
    assert fold(mixed) == fold(mixed[::-1])
    assert len(fold(mixed)) == 4


def test_fold_of_many_texts_with_one_boilerplate_stays_quick() -> None:
    footer = story("footer", 5)
    many = [article(f"h{n}.org", f"{story(f'word{n}x')} {footer}") for n in range(600)]
    started = time.process_time()
    assert len(fold(many)) == 600
    assert time.process_time() - started < 5.0


def test_without_known_drops_what_the_persona_was_told_by_hand() -> None:
    folded = fold([article("a.org", story("bridge")), article("b.org", story("ferry"))])
    known = [Article("news/x", "", "Bridge", story("bridge"), NOW - timedelta(days=5), "")]
    assert [f.article.source for f in without_known(folded, known)] == ["b.org"]
    by_url = [Article("news/y", "https://www.b.org/a/", "Ferry", "Other text.", None, "")]
    assert [f.article.source for f in without_known(folded, by_url)] == ["a.org"]
