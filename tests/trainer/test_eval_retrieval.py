"""`eval retrieval` over a temporary index of its own, and the measures of known rankings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_knowledge import real_embedder

from bot.cli import main
from engine.config import Config, load_config
from engine.embedder import TextEmbedder
from engine.errors import InputError
from engine.rows import Case
from ingest.document_rows import index_documents
from trainer.evaluation.cases import RetrievalRow
from trainer.evaluation.retrieval import KEYS, measures, run

PERSONA = 'id = "ada"\nname = "Ada"\nsystem_prompt = "You are Ada."\ndisclosure = "An AI."\n'
DOCUMENTS = [
    {"id": "news/bridge", "title": "Bridge", "text": "The new bridge opens on 28 November.", "url": "u"},
    {"id": "old bridge", "title": "Bridge", "text": "It opens in spring.", "published_at": "2019-01-01"},
    {"id": "cheese", "title": "Cheese", "text": "A dairy showed a cheese of two tons.", "published_at": None},
    {"id": "long", "title": "Looms", "text": "The loom weaves flowers out of silk thread. " * 60},
]
CASES = [
    {"query": "How heavy is the cheese?", "relevant": ["cheese"], "asked_at": "2026-11-20"},
    {"query": "What does the loom weave?", "relevant": ["long"], "asked_at": "2026-11-20T10:00:00Z"},
]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "persona.toml").write_text(PERSONA, encoding="utf-8")
    (tmp_path / "config.toml").write_text('persona = "ada"\n', encoding="utf-8")
    return load_config(tmp_path / "config.toml")


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def _case(*relevant: str) -> Case[RetrievalRow]:
    raw = {"query": "q", "relevant": list(relevant)}
    return Case(1, raw, RetrievalRow.model_validate(raw))


def test_measures_two_cases_are_averaged_by_hand() -> None:
    got = measures([_case("a"), _case("b", "c")], [["x", "a"], ["b", "y", "z", "c"]])
    assert got["recall_at_3"] == pytest.approx((1 + 0.5) / 2)
    assert got["mrr"] == pytest.approx((0.5 + 1) / 2)
    assert got["n"] == 2 and got["hit_at_1"] == 0.5


def test_measures_rank_beyond_ten_is_no_reciprocal_rank() -> None:
    ranked = [str(i) for i in range(10)] + ["a"]
    assert measures([_case("a")], [ranked])["mrr"] == 0.0


def test_eval_retrieval_json_has_the_named_keys_and_out_lines(
    config: Config, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    documents, cases = _write(tmp_path / "d.jsonl", DOCUMENTS), _write(tmp_path / "c.jsonl", CASES)
    out = tmp_path / "out.jsonl"
    command = ["--config", str(config.root / "config.toml"), "eval", "retrieval", "--json"]
    assert main([*command, "--documents", str(documents), "--cases", str(cases), "--out", str(out)]) == 0
    report = json.loads(capfd.readouterr().out)
    assert set(KEYS) <= set(report)
    assert (report["recall_at_3"], report["mrr"], report["ndcg_at_3"], report["n"]) == (1.0, 1.0, 1.0, 2)
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["row"] for line in lines] == CASES
    assert lines[1]["ranked"].count("long") == 1 and lines[1]["rank"] == 1


async def test_run_asked_at_decides_which_of_equals_is_newer(config: Config, tmp_path: Path) -> None:
    text = "The ferry leaves the harbour at nine in the morning."
    rows = [
        {"id": f"d{day}", "title": "Ferry", "text": f"{text} {word}", "published_at": f"2026-0{day}-01"}
        for day, word in ((1, "Bring a coat."), (6, "Bring a hat."))
    ]
    documents = _write(tmp_path / "d.jsonl", rows)
    cases = _write(tmp_path / "c.jsonl", [{"query": text, "relevant": ["d6"], "asked_at": "2026-06-02"}])
    report = await run(config, documents, cases, index_documents, embedder=real_embedder())
    assert report["mrr"] == 1.0


async def test_run_unknown_relevant_document_is_told_by_line(config: Config, tmp_path: Path) -> None:
    documents = _write(tmp_path / "d.jsonl", DOCUMENTS)
    cases = _write(tmp_path / "c.jsonl", [*CASES, {"query": "q", "relevant": ["lost"]}])
    with pytest.raises(InputError, match=r"line 3: 'lost'"):
        await run(config, documents, cases, index_documents, embedder=real_embedder())


def test_index_documents_same_id_twice_is_refused(config: Config, tmp_path: Path) -> None:
    documents = _write(tmp_path / "d.jsonl", [DOCUMENTS[0], DOCUMENTS[0]])
    embedder: TextEmbedder = real_embedder()
    with pytest.raises(InputError, match="news/bridge"):
        index_documents(documents, tmp_path / "index", embedder, config)


def test_index_documents_bad_rows_are_all_told(config: Config, tmp_path: Path) -> None:
    documents = _write(tmp_path / "d.jsonl", [{"id": "a"}, {"text": "b"}])
    with pytest.raises(InputError, match=r"(?s)line 1: text: is missing.*line 2: id: is missing"):
        index_documents(documents, tmp_path / "index", real_embedder(), config)
