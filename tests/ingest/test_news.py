"""Collecting over a real server: nothing lost, nothing double, each failure in the ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from feed_server import NOW, FeedServer, Item, page, rss, settings, story
from filelock import FileLock

from engine.errors import BusyError, StorageError
from engine.secrets import Secret
from ingest.articles import Article
from ingest.news import LOCK, Collected, collect
from ingest.news_documents import news_documents, stored_reports
from ingest.news_store import NewsStore, news_file


@pytest.fixture
async def server() -> AsyncIterator[FeedServer]:
    async with FeedServer() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> NewsStore:
    return NewsStore(news_file(tmp_path / "data", "ada"))


async def run(
    server: FeedServer, store: NewsStore, *feeds: str, now: datetime = NOW, key: str = "", **changes: object
) -> Collected:
    urls = [feed if "://" in feed else server.url(feed) for feed in feeds]
    return await collect(settings(**changes), store, urls, now=now, backoff_s=0.01, key=Secret(key))


def dropped(done: Collected, stage: str) -> dict[str, int]:
    (found,) = [s for s in done.ledger.stages if s.name == stage]
    return dict(found.dropped)


def one(store: NewsStore) -> Article:
    (article,) = store.articles()
    return article


def item(server: FeedServer, topic: str, **more: str | None) -> Item:
    link = server.url(f"/{topic}")
    return Item(f"The {topic}", link, story(topic, 20), guid=topic, **more)  # type: ignore[arg-type]


# --- updates -------------------------------------------------------------------------------


async def test_collect_of_feed_stores_its_entries_and_a_second_run_nothing(
    server: FeedServer, store: NewsStore
) -> None:
    server.put("/feed", rss([item(server, "bridge"), item(server, "ferry", date=None)]), etag='"1"')
    first = await run(server, store, "/feed")
    again = await run(server, store, "/feed")
    assert (first.new, first.updated, again.new, again.updated) == (2, 0, 0, 0)
    assert server.headers[1]["If-None-Match"] == '"1"'
    bridge, ferry = sorted(store.articles(), key=lambda a: a.title)
    assert bridge.published_at == datetime(2026, 11, 18, 9, 30, tzinfo=UTC)
    assert ferry.published_at is None
    assert bridge.source == "Test gazette"


async def test_collect_of_article_whose_date_moved_updates_it_in_place(
    server: FeedServer, store: NewsStore
) -> None:
    server.put("/feed", rss([item(server, "bridge")]), etag='"1"')
    await run(server, store, "/feed")
    before = one(store)
    server.put("/feed", rss([item(server, "bridge", date="2026-11-19T08:00:00+00:00")]), etag='"2"')
    done = await run(server, store, "/feed")
    assert (done.new, done.updated) == (0, 1)
    after = one(store)
    assert (after.key, after.doc_id) == (before.key, before.doc_id)
    assert after.published_at == datetime(2026, 11, 19, 8, tzinfo=UTC)


async def test_collect_of_article_whose_text_title_or_address_moved_updates_it_in_place(
    server: FeedServer, store: NewsStore
) -> None:
    moved = item(server, "bridge")
    for title, link, text in (
        ("The bridge", "/bridge", story("bridge", 20)),
        ("The bridge", "/bridge", story("bridge", 20) + " A correction was added later."),
        ("A new title", "/bridge?utm_source=feed", story("bridge", 20)),
        ("A new title", "/2026/new-slug", story("bridge", 20)),
        ("Another title", "/2026/newer-slug", story("bridge", 20)),
    ):
        moved = Item(title, server.url(link), text, guid="bridge")
        server.put("/feed", rss([moved]))
        await run(server, store, "/feed")
        assert (one(store).title, one(store).text) == (title, text)
    # The feed is rebuilt with other ids: the address still tells.
    server.put("/feed", rss([Item("Last title", server.url("/bridge"), story("bridge", 20), guid="new")]))
    await run(server, store, "/feed")
    assert one(store).title == "Last title"


async def test_collect_of_feed_that_uses_an_id_again_keeps_both_articles(
    server: FeedServer, store: NewsStore
) -> None:
    for topic in ("bridge", "ferry"):
        again = item(server, topic)
        server.put("/feed", rss([Item(again.title, again.link, again.text, guid="top")]))
        await run(server, store, "/feed")
    assert {a.title for a in store.articles()} == {"The bridge", "The ferry"}


async def test_collect_of_short_entries_takes_the_page_and_asks_it_once(
    server: FeedServer, store: NewsStore
) -> None:
    text = story("bridge", 20)
    html = page("Site | Bridge", text, date="2026-11-17T06:00:00+00:00", canonical="/2026/bridge")
    server.put_page("/b", html)
    short = [Item("The bridge", server.url("/b?utm_source=rss"), "A bridge.", date=None, guid="b")]
    server.put("/one", rss(short))
    server.put("/two", rss([Item("Bridge!", server.url("/b"), "Bridge.", date=None)]))
    await run(server, store, "/one", "/two")
    article = one(store)  # two feeds, one article
    assert article.text == text
    assert article.url == server.url("/2026/bridge")
    assert article.published_at == datetime(2026, 11, 17, 6, tzinfo=UTC)
    hits = server.hits.count("/b")
    await run(server, store, "/one", "/two")
    assert server.hits.count("/b") == hits <= 2  # the two links differ as they are written


async def test_collect_where_all_pages_claim_one_address_keeps_each(
    server: FeedServer, store: NewsStore
) -> None:
    for topic in ("bridge", "ferry"):
        server.put_page(f"/{topic}", page(topic, story(topic, 20), canonical="/live"))
    links = [Item(f"The {t}", server.url(f"/{t}"), "Short.", guid=t) for t in ("bridge", "ferry")]
    server.put("/feed", rss(links))
    await run(server, store, "/feed")
    await run(server, store, "/feed")
    assert sorted(a.title for a in store.articles()) == ["The bridge", "The ferry"]


# --- failures ------------------------------------------------------------------------------


async def test_collect_with_every_kind_of_failure_names_each_and_loses_no_good_feed(
    server: FeedServer, store: NewsStore
) -> None:
    server.put("/good", rss([item(server, "bridge")]))
    server.put("/html", page("Not a feed", "Hello."), type_="application/rss+xml")
    server.put("/html2", page("Not a feed", "Hello."), type_="text/html")
    server.put("/image", b"\x89PNG", type_="image/png")
    server.put("/broken", "<rss><channel><item><ti")
    server.status("/down", 500)
    server.drip("/slow", 0.05)
    server.endless("/endless")
    server.packed("/bomb", b"\0" * 30_000_000)
    server.redirect("/away", "ftp://example.org/x")
    server.redirect("/loop", "/loop")
    bad = "/html /html2 /image /broken /none /down /slow /endless /bomb /away /loop".split()
    done = await run(server, store, *bad, "/good", "http://127.0.0.1:9/x", timeout_s=1.0)
    assert dropped(done, "sources") == {
        "is HTML, not a feed": 2,
        "content type image/png": 1,
        "is malformed and holds no whole entry": 1,
        "HTTP 404": 1,
        "HTTP 500": 1,
        "took longer than 1 s": 1,
        "larger than 200000 bytes": 1,
        "larger than 200000 bytes once unpacked": 1,
        "scheme ftp is not http or https": 1,
        "more than 5 redirects": 1,
        "cannot be connected to": 1,
    }
    assert done.failed_sources == 12
    assert one(store).title == "The bridge"
    assert done.ledger.stages[0].examples["HTTP 404"] == [server.url("/none")]


async def test_collect_of_private_address_is_refused_and_in_the_ledger(
    server: FeedServer, store: NewsStore
) -> None:
    server.put("/feed", rss([item(server, "bridge")]))
    done = await run(server, store, "/feed", allow_private=False)
    assert dropped(done, "sources") == {"private address (set news.allow_private to allow it)": 1}
    assert server.hits == []


async def test_collect_where_a_page_fails_for_now_keeps_the_summary_and_asks_again(
    server: FeedServer, store: NewsStore
) -> None:
    summary = story("bridge", 3)
    server.put("/feed", rss([Item("The bridge", server.url("/b"), summary, guid="b")]), etag='"1"')
    server.status("/b", 503)
    done = await run(server, store, "/feed", retries=0)
    assert dropped(done, "pages") == {"HTTP 503": 1}
    assert one(store).text == summary
    full = story("bridge", 20)
    server.put_page("/b", page("Bridge", full))
    done = await run(server, store, "/feed")  # the feed itself has not changed
    assert (done.new, done.updated) == (0, 1)
    assert one(store).text == full
    server.put("/feed", rss([Item("The bridge", server.url("/b"), summary, guid="b", date=None)]))
    server.status("/b", 503)
    await run(server, store, "/feed", retries=0)
    assert one(store).text == full  # a summary does not take the article's place
    assert one(store).published_at is not None  # nor does a lost date


async def test_collect_where_a_page_fails_for_good_does_not_ask_every_night(
    server: FeedServer, store: NewsStore
) -> None:
    server.put("/feed", rss([Item("The bridge", server.url("/gone"), story("bridge", 3), guid="b")]))
    for _ in range(2):
        await run(server, store, "/feed")
    assert server.hits.count("/gone") == 1
    assert one(store).text == story("bridge", 3)


async def test_collect_ledger_shows_no_keys_of_addresses(server: FeedServer, store: NewsStore) -> None:
    server.put("/feed", rss([Item("", "", ""), Item("Tiny", server.url("/t?token=hidden"), "Few.")]))
    done = await run(server, store, "/feed?key=hidden", "/none?key=hidden")
    assert "hidden" not in str(done.as_json())
    assert done.ledger.stages[0].examples["HTTP 404"] == [server.url("/none")]


async def test_collect_of_malformed_feed_keeps_whole_entries_and_comes_back_for_the_rest(
    server: FeedServer, store: NewsStore
) -> None:
    text = rss([item(server, "bridge"), item(server, "ferry")])
    server.put("/feed", text[: text.rindex("ferry4")], etag='"1"')
    done = await run(server, store, "/feed")
    assert dropped(done, "entries") == {"cut off in a malformed feed": 1}
    assert one(store).title == "The bridge"
    server.put("/feed", text, etag='"1"')  # mended, but with the same tag
    await run(server, store, "/feed")
    assert len(store.articles()) == 2


async def test_collect_of_undated_too_short_and_repeated_entries_says_so(
    server: FeedServer, store: NewsStore
) -> None:
    server.put(
        "/feed",
        rss([item(server, "bridge", date=None), Item("Tiny", "", "Few words."), *[item(server, "x")] * 2]),
    )
    done = await run(server, store, "/feed", undated="refuse")
    assert dropped(done, "entries") == {
        "undated": 1,
        "has fewer than 12 words": 1,
        "stands twice in its source": 1,
    }
    assert one(store).title == "The x"


async def test_collect_obeys_robots_and_keeps_the_summary(server: FeedServer, store: NewsStore) -> None:
    server.robots = "User-agent: *\nDisallow: /private/\n"
    server.put_page("/private/b", page("Bridge", story("bridge", 20)))
    link = server.url("/private/b")
    server.put("/feed", rss([Item("The bridge", link, story("bridge", 3), guid="b")]))
    done = await run(server, store, "/feed", pages=[link])
    assert dropped(done, "pages") == {"robots.txt forbids it": 1}
    assert dropped(done, "sources") == {"robots.txt forbids it": 1}
    assert "/private/b" not in server.hits
    assert one(store).text == story("bridge", 3)


async def test_collect_where_a_parser_breaks_goes_on(
    server: FeedServer, store: NewsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest import news

    real = news.read_feed

    def breaks(body: bytes, content_type: str, url: str) -> object:
        if url.endswith("/odd"):
            raise RecursionError("deep")
        return real(body, content_type, url)

    monkeypatch.setattr(news, "read_feed", breaks)
    server.put("/odd", "<rss/>")
    server.put("/good", rss([item(server, "bridge")]))
    done = await run(server, store, "/odd", "/good")
    assert dropped(done, "sources") == {"could not be read (RecursionError)": 1}
    assert one(store).title == "The bridge"


# --- corrections -----------------------------------------------------------------------------


def fresh(server: FeedServer, **more: str | None) -> str:
    """A feed of one short entry of this morning, whose page is /b."""
    entry = {"date": "2026-11-20T06:00:00+00:00", "guid": "b", **more}
    return rss([Item("The bridge", server.url("/b"), "Short.", **entry)])  # type: ignore[arg-type]


def put_page(server: FeedServer, text: str, etag: str = "") -> None:
    server.put("/b", page("Bridge", text), type_="text/html; charset=utf-8", etag=etag)


@pytest.mark.parametrize("etag", ["", '"a"'])
async def test_collect_of_corrected_page_behind_an_unchanged_feed_takes_the_correction(
    server: FeedServer, store: NewsStore, etag: str
) -> None:
    text = story("bridge", 20)
    put_page(server, text, etag)
    server.put("/feed", fresh(server), etag='"1"')
    first = await run(server, store, "/feed")
    assert [s.name for s in first.ledger.stages] == ["sources", "pages", "entries"]
    key = one(store).key
    same = await run(server, store, "/feed")
    assert dropped(same, "rechecks") == {"unchanged": 1}
    assert server.headers[-1].get("If-None-Match", "") == etag
    corrected = text.replace("bridge7", "bridge8") + " An earlier version named the wrong mill."
    put_page(server, corrected, etag and '"b"')
    done = await run(server, store, "/feed")
    assert (done.new, done.updated) == (0, 1)
    assert (one(store).key, one(store).text) == (key, corrected)
    assert one(store).published_at == datetime(2026, 11, 20, 6, tzinfo=UTC)
    again = await run(server, store, "/feed")
    assert (again.updated, dropped(again, "rechecks")) == (0, {"unchanged": 1})


@pytest.mark.parametrize(("days", "asked"), [(1.5, 2), (2.5, 1)])
async def test_collect_asks_only_young_pages_again(
    server: FeedServer, store: NewsStore, days: float, asked: int
) -> None:
    put_page(server, story("bridge", 20))
    server.put("/feed", fresh(server))
    await run(server, store, "/feed")
    published = datetime(2026, 11, 20, 6, tzinfo=UTC)
    await run(server, store, "/feed", now=published + timedelta(days=days))
    assert server.hits.count("/b") == asked
    await run(server, store, "/feed", recheck_days=0.0)
    assert server.hits.count("/b") == asked


async def test_collect_of_page_that_was_taken_away_keeps_the_article(
    server: FeedServer, store: NewsStore
) -> None:
    text = story("bridge", 20)
    put_page(server, text)
    server.put("/feed", fresh(server))
    await run(server, store, "/feed")
    put_page(server, "This report is for subscribers only. " * 3)
    done = await run(server, store, "/feed")
    assert dropped(done, "rechecks") == {"lost most of its text": 1}
    server.status("/b", 410)
    done = await run(server, store, "/feed")
    assert dropped(done, "rechecks") == {"HTTP 410": 1}
    assert one(store).text == text


async def test_collect_does_not_ask_twice_a_page_whose_entry_changed(
    server: FeedServer, store: NewsStore
) -> None:
    put_page(server, story("bridge", 20))
    server.put("/feed", fresh(server))
    await run(server, store, "/feed")
    server.put("/feed", fresh(server, date="2026-11-20T07:00:00+00:00"))
    done = await run(server, store, "/feed")
    assert server.hits.count("/b") == 2
    assert [s.name for s in done.ledger.stages] == ["sources", "pages", "entries"]


async def test_store_of_the_first_schema_is_brought_up_to_date(server: FeedServer, store: NewsStore) -> None:
    put_page(server, story("bridge", 20))
    server.put("/feed", fresh(server))
    await run(server, store, "/feed")
    with sqlite3.connect(store.path) as db:
        db.executescript("DROP TABLE page; PRAGMA user_version = 1;")
    done = await run(server, store, "/feed")
    assert done.failed_sources == 0
    assert one(store).title == "The bridge"


# --- robots.txt behind redirects ---------------------------------------------------------------


async def test_collect_of_redirect_to_a_site_that_robots_shall_not_visit_stays_away(
    server: FeedServer, store: NewsStore
) -> None:
    async with FeedServer() as other:
        other.robots = "User-agent: *\nDisallow: /private\n"
        other.put_page("/private/b", page("Bridge", story("bridge", 20)))
        other.put_page("/open/c", page("Ferry", story("ferry", 20)))
        server.redirect("/b", other.url("/private/b"))
        server.redirect("/c", other.url("/open/c"))
        links = [Item(f"The {n}", server.url(f"/{n}"), "Short.", guid=n) for n in ("b", "c")]
        server.put("/feed", rss(links))
        server.redirect("/own", other.url("/private/b"))
        done = await run(server, store, "/feed", pages=[server.url("/own")])
        assert other.hits == ["/open/c"]
    assert dropped(done, "pages") == {"robots.txt forbids it": 1}
    assert dropped(done, "sources") == {"robots.txt forbids it": 1}
    assert one(store).title == "The c"


# --- NewsAPI and pages ---------------------------------------------------------------------


async def test_collect_of_newsapi_sends_the_key_as_a_header_only(
    server: FeedServer, store: NewsStore
) -> None:
    import json

    row = {"title": "The bridge", "url": server.url("/b"), "description": "Short.", "content": None}
    row |= {"source": {"name": "Gazette"}, "publishedAt": "2026-11-18T09:30:00Z"}  # type: ignore[dict-item]
    answer = json.dumps({"status": "ok", "articles": [row]})
    server.put("/v2/everything", answer, type_="application/json")
    server.put_page("/b", page("Bridge", story("bridge", 20)))
    more = {"newsapi_queries": ["bridges"], "newsapi_url": server.url("/v2/everything")}
    missing = await run(server, store, **more)
    assert dropped(missing, "sources") == {"NEWSAPI_KEY is not set": 1}
    await run(server, store, key="k-123", **more)
    assert [h.get("X-Api-Key") for h in server.headers] == ["k-123", None]
    article = one(store)
    assert (article.source, article.text) == ("Gazette", story("bridge", 20))


async def test_collect_of_own_pages_keeps_them_whatever_their_age_until_they_are_unnamed(
    server: FeedServer, store: NewsStore
) -> None:
    html = page("About", story("company", 20), date="2001-01-01")
    server.put("/about", html, type_="text/html", etag='"1"')
    pages = [server.url("/about")]
    await run(server, store, pages=pages)
    await run(server, store, pages=pages, now=NOW + timedelta(days=900))
    assert one(store).title == "About"
    await run(server, store)
    assert store.articles() == []
    await run(server, store, pages=pages)  # the page has not changed, but it was forgotten
    assert one(store).title == "About"


# --- age -----------------------------------------------------------------------------------


async def test_collect_expires_by_age_and_does_not_take_the_old_for_new(
    server: FeedServer, store: NewsStore
) -> None:
    server.put("/feed", rss([item(server, "bridge"), item(server, "ferry", date=None)]))
    await run(server, store, "/feed")
    for days in (29, 31, 33):
        done = await run(server, store, "/feed", now=NOW + timedelta(days=days), max_age_days=30)
        assert done.new == 0
        # Dated two days before it was found; the undated one counts from when it was found.
        titles = {29: ["The ferry"], 31: [], 33: []}[days]
        assert [a.title for a in store.articles()] == titles


async def test_collect_of_old_pages_behind_undated_entries_fetches_them_once(
    server: FeedServer, store: NewsStore
) -> None:
    server.put_page("/b", page("Bridge", story("bridge", 20), date="2019-01-01"))
    server.put("/feed", rss([Item("The bridge", server.url("/b"), "Short.", date=None, guid="b")]))
    for _ in range(2):
        await run(server, store, "/feed")
    assert store.articles() == []
    assert server.hits.count("/b") == 1


async def test_collect_with_other_settings_reads_unchanged_feeds_anew(
    server: FeedServer, store: NewsStore
) -> None:
    server.put("/feed", rss([item(server, "bridge", date=None)]), etag='"1"')
    await run(server, store, "/feed", undated="refuse")
    assert store.articles() == []
    await run(server, store, "/feed", undated="keep")
    assert one(store).title == "The bridge"


# --- storage -------------------------------------------------------------------------------


async def test_collect_beside_another_run_is_busy(server: FeedServer, store: NewsStore) -> None:
    store.path.parent.mkdir(parents=True)
    with FileLock(store.path.parent / LOCK), pytest.raises(BusyError):
        await run(server, store, "/feed")


async def test_collect_killed_while_writing_reads_the_source_again(
    server: FeedServer, store: NewsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put("/feed", rss([item(server, "bridge"), item(server, "ferry")]), etag='"1"')
    puts = NewsStore._put

    def dies(self: NewsStore, db: sqlite3.Connection, found: object, **more: object) -> None:
        puts(self, db, found, **more)  # type: ignore[arg-type]
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(NewsStore, "_put", dies)
        with pytest.raises(StorageError, match="disk"):
            await run(server, store, "/feed")
    assert store.articles() == []
    done = await run(server, store, "/feed")
    assert done.new == 2


def test_store_of_damaged_file_says_how_to_mend_it(store: NewsStore) -> None:
    store.path.parent.mkdir(parents=True)
    store.path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StorageError, match="delete the file"):
        store.articles()


async def test_news_documents_fold_outlets_and_leave_out_what_the_folder_tells(
    server: FeedServer, store: NewsStore, tmp_path: Path
) -> None:
    knowledge = tmp_path / "knowledge"
    (knowledge / "news").mkdir(parents=True)
    told = f"---\ntitle: Ferry\npublished_at: 2026-11-18\n---\n{story('ferry', 20)}\n"
    (knowledge / "news" / "ferry.md").write_text(told)
    server.put("/one", rss([item(server, "bridge"), item(server, "ferry")]))
    copy = Item("Copied", server.url("/copy").replace("127.0.0.1", "localhost"), story("bridge", 20))
    server.put("/two", rss([copy], "Copy times"))
    await run(server, store, "/one", "/two")
    assert len(store.articles()) == 3
    (document,) = news_documents(tmp_path / "data", "ada", knowledge)
    assert document.id.startswith("news/")
    assert document.text == story("bridge", 20)
    (report,) = stored_reports(store, knowledge)
    assert {report.article.url, *report.also} == {server.url("/bridge"), copy.link}


def test_news_documents_before_the_first_run_are_none(tmp_path: Path) -> None:
    assert news_documents(tmp_path, "ada", tmp_path) == []
    assert not (tmp_path / "news").exists()
