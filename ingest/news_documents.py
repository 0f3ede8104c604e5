"""The collected news as documents for the index, each report once.

Every build of the index takes these along, whoever starts it: an index without them would forget
the news. This module knows nothing of fetching or embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.errors import RetrievalError
from ingest.articles import Article
from ingest.documents import NEWS, Document, read_knowledge
from ingest.fold import Folded, fold, without_known
from ingest.ledger import Ledger
from ingest.news_store import NewsStore, news_file


def stored_reports(store: NewsStore, knowledge: Path, ledger: Ledger | None = None) -> list[Folded]:
    """The stored articles, folded across outlets, without those that the knowledge folder tells.

    Args:
        store: collected articles.
        knowledge: the persona's own folder; its news comes first.
        ledger: gets a stage that says what was folded.
    """
    articles = store.articles()
    folded = fold(articles) if articles else []
    kept = without_known(folded, _own_news(knowledge)) if folded else []
    if ledger is not None:
        stage = ledger.stage("articles", "articles")
        stage.keep(len(kept))
        for reason, count in (
            ("the same report of another outlet", len(articles) - len(folded)),
            ("told in the knowledge folder", len(folded) - len(kept)),
        ):
            if count:
                stage.drop(reason, count=count)
    return kept


def news_documents(
    data_path: Path, persona_id: str, knowledge: Path, ledger: Ledger | None = None
) -> list[Document]:
    """What `build_index` takes as `extra`; empty when nothing was collected yet.

    Raises:
        StorageError: the store is broken; the message says how to mend it.
    """
    store = NewsStore(news_file(data_path, persona_id))
    return [_document(report.article) for report in stored_reports(store, knowledge, ledger)]


def _document(article: Article) -> Document:
    return Document(
        article.doc_id, article.title, article.text, article.url, article.published_at, article.source
    )


def _own_news(knowledge: Path) -> Sequence[Article]:
    try:
        documents, _ = read_knowledge(knowledge)
    except RetrievalError:
        return ()  # the build says so itself
    return [
        Article(d.id, d.url, d.title, d.text, d.published_at, d.source)
        for d in documents
        if d.id.startswith(f"{NEWS}/")
    ]
