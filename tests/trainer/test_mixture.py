"""The stores: built from tiny corpus files, masked on answers alone, held-out rows apart."""

from __future__ import annotations

import json
import lzma
import re
from pathlib import Path
from typing import Any

import pytest

from engine.prompt import CONTEXT_RULE, POSSIBLE, REWRITE_SYSTEM
from trainer import corpus
from trainer.mixture import STORES, Sizes, build, tokenizer_texts
from trainer.store import Store
from trainer.tokenizer import BOS, EOT, train_tokenizer

TINY = Sizes(
    skills=6000,
    skills_short=3000,
    skills_dense=3000,
    exams=6000,
    asked=6000,
    follow_ups=3000,
    chat=4000,
    rewrite_rows=40,
    tools=4000,
    skills_long=6000,
    grounded_long=6000,
    wiki_rows=20,
    news_rows=20,
    val_cases=5,
    prose_scale=0.001,
)
ASKED = "What opened in 1901?"


def _write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    with lzma.open(folder / f"{name}.jsonl.xz", "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)


def _chat(*said: str) -> list[dict[str, str]]:
    return [{"role": "assistant" if i % 2 else "user", "content": text} for i, text in enumerate(said)]


def _name(i: int) -> str:
    """A surname of its own for each number."""
    return "B" + "".join("aeiou"[int(d) % 5] + "dlmnr"[int(d) // 2] for d in f"{i:03d}")


def _life(name: str) -> str:
    """An article of two paragraphs."""
    told = (
        f"Ann {name} was born in Selby in 1904. She opened a school in Leeds in 1950. She was elected mayor "
        f"in 1961. She had three sons with Karl Stein of York. The bridge was designed by Tom Hale."
    )
    return f"Ann {name}\n\n{told}\n{told.replace('Selby', 'Hull')}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus")
    squad = [
        {
            "source": "squad_v1.1_part", "task": "grounded_qa",
            "context": [f"The hall number {i} opened in 1901. It is red.", "Bees make honey."],
            "messages": _chat(ASKED, f"the hall number {i} [1]"),
        }
        for i in range(200)
    ]  # fmt: skip
    absent = {
        "source": "squad_v1.1_part", "task": "grounded_qa_unanswerable", "context": ["Bees make honey."],
        "messages": _chat("Who sings?", "The sources I have don't say."),
    }  # fmt: skip
    long = [{**squad[0], "context": [f"Hall {i}. " + "The hall is red and old. " * 60]} for i in range(120)]
    _write(path, "grounded_squad_part", [*squad, absent, *long])
    _write(
        path, "grounded_xquad_en", [{**squad[0], "source": "xquad_en", "context": ["Only for evaluation."]}]
    )
    cast = {
        "source": "trec_cast_2022", "task": "query_rewrite",
        "messages": [
            {"role": "system", "content": "x"},
            {"role": "user", "content": "Conversation:\nUser: What is kept?\n\nLast question: why is it?"},
            {"role": "assistant", "content": "why is the held-out row kept?"},
        ],
    }  # fmt: skip
    canard = {
        "source": "canard_dev", "task": "query_rewrite",
        "messages": [
            {"role": "system", "content": "x"},
            {
                "role": "user",
                "content": "Conversation:\nTopic: Ann Lee - Youth\n\nLast question: where was she born?",
            },
            {"role": "assistant", "content": "where was Ann Lee born?"},
        ],
    }  # fmt: skip
    _write(path, "query_rewrite_canard_cast", [cast, *[canard] * 3])
    _write(
        path, "chat_self_dialogue", [{"messages": _chat(f"i like film {i}", "me too")} for i in range(300)]
    )
    _write(
        path, "prose_wikipedia_en", [{"title": f"Ann {n}", "text": _life(n)} for n in map(_name, range(300))]
    )
    _write(path, "persona_twain_franklin", [{"text": "left out " * 50, "slur": True}])
    return path


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer(tokenizer_texts(Path("/nowhere"), cases=300), 1200)


@pytest.fixture(scope="module")
def stores(folder: Path, tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data")
    build(folder, out, tokenizer, seed=1, sizes=TINY, processes=1, report=lambda _: None)
    return out


def test_long_stores_hold_long_examples_with_a_chat_before_the_question(stores: Path, tokenizer: Any) -> None:
    assert min(len(e.ids) for e in Store(stores / "grounded_long")) >= 400
    texts = _texts(Store(stores / "skills_long"), tokenizer)
    assert all("i like film" in t.lower() for t in texts)
    turns = [t.count("<|start_header_id|>") for t in texts]
    assert min(turns) >= 5


def _texts(store: Store, tokenizer: Any) -> list[str]:
    return [tokenizer.decode(e.ids) for e in store]


def test_build_writes_every_store_with_its_held_out_part(stores: Path) -> None:
    for name in STORES:
        assert len(Store(stores / name)) > 0
    for name in ("skills", "skills_short", "grounded", "rewrite"):
        assert len(Store(stores / f"{name}.val")) > 0


def test_stores_mask_only_the_assistants_answers(stores: Path, tokenizer: Any) -> None:
    for name in ("skills", "grounded", "chat", "rewrite"):
        for example in list(Store(stores / name))[:40]:
            text = tokenizer.decode(example.ids[example.mask.astype(bool)])
            assert text.endswith(EOT) and "<|start_header_id|>" not in text
            answers = tokenizer.decode(example.ids).split(
                "<|start_header_id|>assistant<|end_header_id|>\n\n"
            )[1:]
            assert text.rstrip() in "".join(a.split(EOT)[0] + EOT for a in answers)


def test_dense_store_trains_on_every_token(stores: Path) -> None:
    assert all(e.mask.all() for e in Store(stores / "skills_dense"))
    assert not all(e.mask.all() for e in Store(stores / "skills_dense.val"))


def test_prose_windows_begin_with_the_start_token_and_train_everywhere(stores: Path, tokenizer: Any) -> None:
    for example in Store(stores / "prose"):
        assert example.ids[0] == tokenizer.convert_tokens_to_ids(BOS)
        assert example.mask.all() and len(example.ids) <= 512


def test_grounded_rows_take_the_engines_format_without_citations(stores: Path, tokenizer: Any) -> None:
    texts = _texts(Store(stores / "grounded"), tokenizer)
    for text in texts:
        assert re.search(f"\n\n{CONTEXT_RULE}\n\n(?:{POSSIBLE}.+\n)?Question: ", text)
        assert "[1]" not in text.rsplit("assistant<|end_header_id|>", 1)[1]
    assert any("Hall number" in t for t in texts) or any("The hall number" in t for t in texts)


def test_held_out_rows_are_never_in_training(stores: Path, tokenizer: Any) -> None:
    assert not any("Only for evaluation" in t for t in _texts(Store(stores / "grounded"), tokenizer))
    assert any("Only for evaluation" in t for t in _texts(Store(stores / "grounded.val"), tokenizer))
    assert not any("held-out row" in t for t in _texts(Store(stores / "rewrite"), tokenizer))
    assert any("held-out row" in t for t in _texts(Store(stores / "rewrite.val"), tokenizer))


def test_held_out_paragraphs_stay_on_their_side(stores: Path, tokenizer: Any) -> None:
    kept = [t for i in range(200) if corpus.kept_out(t := f"The hall number {i} opened in 1901. It is red.")]
    assert kept
    assert not any(k in t for k in kept for t in _texts(Store(stores / "grounded"), tokenizer))


def test_rows_marked_slur_are_left_out(stores: Path, tokenizer: Any) -> None:
    assert not any("left out left out" in t for t in _texts(Store(stores / "prose"), tokenizer))


def test_rewrite_topic_becomes_a_first_question(stores: Path, tokenizer: Any) -> None:
    texts = _texts(Store(stores / "rewrite"), tokenizer)
    assert all(REWRITE_SYSTEM in t and "Topic:" not in t for t in texts)
    assert any("Ann Lee" in t.split("Last question:")[0] and "Where was Ann Lee born?" in t for t in texts)


def test_build_same_seed_same_stores(folder: Path, tokenizer: Any, stores: Path, tmp_path: Path) -> None:
    build(
        folder, tmp_path, tokenizer, seed=1, sizes=TINY, processes=1, only=("skills",), report=lambda _: None
    )
    assert (Store(tmp_path / "skills").ids[:] == Store(stores / "skills").ids[:]).all()


def test_tidy_chat_line_gets_capital_and_end() -> None:
    assert corpus.tidy("yes  i think so") == "Yes I think so."
    assert corpus.tidy("is it?") == "Is it?"
