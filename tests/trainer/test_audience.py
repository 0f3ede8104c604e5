"""Labelled answers into sets, adapters trained for real on a tiny model, and who gets which of them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import make_tiny_model

from bot.audiences import AUDIENCE, Audiences
from bot.cli import main
from bot.relay import Relay
from bot.types import Event
from engine.adapters import read_manifest
from engine.config import AudienceConfig, Config
from engine.database import migrate
from engine.engine import Engine
from engine.errors import InputError
from engine.fakes import ListRetriever
from engine.history import SqlHistory
from engine.model.load import load_tokenizer
from engine.model.worker import ModelWorker
from engine.personas import load_persona
from engine.prompt import Renderer
from engine.types import AdapterInfo, Incoming, ReplyOptions, Result
from trainer.audience import (
    AudienceLedger,
    Labelled,
    audience_recipe,
    make_audience_data,
    read_labelled,
    split_held_out,
)
from trainer.audience_eval import Answered, load_style, measure
from trainer.audience_style import StyleClassifier, reading_grade
from trainer.recipe import load_recipe

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "trainer" / "data" / "audience-example.jsonl"
FOUR = ("clinician", "educator", "general-reader", "student")
RECIPE = """
batch_size = 4
accumulation = 1
max_length = 256
held_out = 0.2
[[phase]]
name = "audience"
r = 4
alpha = 8
target_modules = "all-linear"
learning_rate = 5e-3
epochs = 1
"""


# --- the sets ----------------------------------------------------------------------------------


def test_shipped_example_is_balanced_and_clean() -> None:
    rows = list(read_labelled([EXAMPLE]))
    assert Counter(row.audience for row in rows) == dict.fromkeys(FOUR, 8)


def test_split_held_out_is_stratified_and_by_question() -> None:
    rows = [Labelled(a, f"Question {i}?", f"{a} {i}") for i in range(200) for a in FOUR]
    test, train = split_held_out(rows, 100, seed=1)
    assert Counter(row.audience for row in test) == dict.fromkeys(FOUR, 25)
    assert not {row.question for row in test} & {row.question for row in train}
    assert len(test) + len(train) == len(rows) and split_held_out(rows, 100, seed=1)[0] == test


def test_split_held_out_uneven_audiences_keep_their_shares() -> None:
    rows = [Labelled("student", f"s{i}", "x") for i in range(300)]
    rows += [Labelled("clinician", f"c{i}", "x") for i in range(100)]
    test, _ = split_held_out(rows, 100, seed=0)
    assert Counter(row.audience for row in test) == {"student": 75, "clinician": 25}


def test_split_held_out_small_set_keeps_three_quarters_to_train_on() -> None:
    rows = [Labelled(a, f"q{i}", f"{a}{i}") for i in range(8) for a in FOUR]
    test, train = split_held_out(rows, 100, seed=0)
    assert len(test) == 8 and len(train) == 24


def test_read_labelled_csv_and_json_lines_alike_and_bad_rows_by_line(tmp_path: Path) -> None:
    table, lines = tmp_path / "a.csv", tmp_path / "b.jsonl"
    table.write_text('Audience,Question,Answer\nGeneral reader,"What, then?",This.\nstudent,,No.\n', "utf-8")
    lines.write_text(
        '{"audience": "Nurse", "question": "q", "answer": "a"}\nnot json\n{"audience": "x"}\n', "utf-8"
    )
    ledger = AudienceLedger()
    rows = list(read_labelled([table, lines], ledger))
    assert [(r.audience, r.question) for r in rows] == [("general-reader", "What, then?"), ("nurse", "q")]
    assert ledger.rows == 5 == len(rows) + len(ledger.refused)
    assert [line.split(":")[:2] for line in ledger.refused] == [
        ["a.csv", "3"],
        ["b.jsonl", "2"],
        ["b.jsonl", "3"],
    ]


def test_audience_data_every_row_is_counted_and_recipe_has_a_phase_each(tmp_path: Path) -> None:
    twice = tmp_path / "twice.jsonl"
    text = EXAMPLE.read_text("utf-8")
    twice.write_text(text + text.splitlines()[0] + "\n", "utf-8")
    report = make_audience_data(
        [twice], tmp_path / "out", ROOT / "trainer" / "configs" / "audience-qlora.toml"
    )
    assert report["rows"] == 33
    assert sum(report["trained"].values()) + sum(report["held_out"].values()) + len(report["refused"]) == 33
    plan = load_recipe(Path(report["recipe"]))
    assert [phase.name for phase in plan.phase] == [f"audience-{name}" for name in FOUR]
    assert all((p.on, p.r, p.alpha, p.target_modules) == ("base", 16, 32, "all-linear") for p in plan.phase)
    assert [p.pairs for p in plan.phase] == [[f"{name}.jsonl"] for name in FOUR]
    labelled = (tmp_path / "out" / "labelled.jsonl").read_text("utf-8")
    assert "Explain for this audience: general reader." in labelled


def test_audience_data_too_small_audience_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [
        {"audience": a, "question": f"q{i}", "answer": f"{i}"} for i in range(9) for a in ("student", "nurse")
    ]
    path.write_text(
        "\n".join(map(json.dumps, [*rows, {"audience": "pilot", "question": "q", "answer": "a"}])), "utf-8"
    )
    with pytest.raises(InputError, match="pilot"):
        make_audience_data([path], tmp_path / "out", ROOT / "trainer" / "configs" / "audience-qlora.toml")


def test_audience_recipe_of_two_phases_is_refused() -> None:
    with pytest.raises(InputError, match="one phase"):
        audience_recipe(ROOT / "trainer" / "configs" / "dual-phase.toml", ["student"])


# --- the measures ------------------------------------------------------------------------------


def test_reading_grade_long_words_and_sentences_are_harder() -> None:
    assert reading_grade("The cat sat. It was red.") < 2
    assert reading_grade("Vaccination presents antigen in a formulation inducing immunological memory.") > 12
    assert reading_grade("") == 0.0


def test_style_classifier_tells_unseen_questions_answers_apart() -> None:
    # Each question in turn is left out of what the classifier learns; chance is one in four.
    rows = list(read_labelled([EXAMPLE]))
    hits = 0
    for question in {row.question for row in rows}:
        known = {a: [r.answer for r in rows if r.audience == a and r.question != question] for a in FOUR}
        style = StyleClassifier(known)
        hits += sum(style.of(r.answer) == r.audience for r in rows if r.question == question)
    assert hits / len(rows) > 0.7


def test_style_classifier_one_audience_is_refused_and_nothing_said_is_no_style() -> None:
    with pytest.raises(ValueError, match="two audiences"):
        StyleClassifier({"student": ["hello"]})
    assert StyleClassifier({"a": ["one"], "b": ["two"]}).of(" … ") == ""


class Letters:
    """An embedder by letters, so that no model is loaded."""

    name = "letters"

    def embed_now(self, texts: list[str], *, query: bool = False) -> Any:
        counts = np.array([[t.lower().count(c) + 1e-6 for c in "abcdefghijklmnopqrstuvwxyz"] for t in texts])
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def test_measure_same_other_and_empty_answers_count_as_they_should() -> None:
    style = StyleClassifier(
        {"student": ["look, you can do it?"], "clinician": ["administer adrenaline promptly"]}
    )
    student = Labelled("student", "q", "Look, you can do it?")
    clinician = Labelled("clinician", "q", "Administer adrenaline promptly.")
    report = measure(
        [
            Answered(student, "look you can do it"),
            Answered(clinician, "zzzz"),
            Answered(clinician, ""),
            Answered(clinician, "Look, you can do it?"),
        ],
        style,
        Letters(),  # type: ignore[arg-type]
        0.99,
    )
    assert (report["n"], report["exact_match"], report["semantic_overlap"]) == (4, 0.25, 0.25)
    assert report["audiences"]["student"]["style_hit_rate"] == 1.0
    assert report["audiences"]["clinician"]["style_hit_rate"] <= 1 / 3 + 1e-3
    assert report["reference_style_hit_rate"] == 1.0 and report["chance"] == 0.5


# --- trained for real --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, model and the four adapters, all made by the commands."""
    root = tmp_path_factory.mktemp("audience")
    make_tiny_model(root / "model")
    (root / "ada").mkdir()
    (root / "ada" / "persona.toml").write_text(
        'id = "ada"\nname = "Ada"\nsystem_prompt = "You are Ada."\ndisclosure = "An AI."\n', "utf-8"
    )
    (root / "recipe.toml").write_text(RECIPE, "utf-8")
    (root / "config.toml").write_text(
        'persona = "ada"\n[profiles.starter]\nmodel = "model"\ndevice = "cpu"\ndtype = "float32"\n'
        "context_tokens = 400\n[sampling]\nmax_new_tokens = 8\ntemperature = 0.0\n"
        "[audience.adapters]\nstudent = \"audience-student\"\nclinician = \"audience-clinician\"\n", "utf-8",
    )  # fmt: skip
    data = root / "data-set"
    config = ["--config", str(root / "config.toml")]
    made = ["train", "audience-data", str(EXAMPLE), "--out", str(data), "--recipe", str(root / "recipe.toml")]
    assert main([*config, *made]) == 0
    files = [word for path in sorted((data / "train").glob("*.jsonl")) for word in ("--pairs", str(path))]
    train = ["train", "persona", str(root / "ada"), *files, "--recipe", str(data / "recipe.toml"), "--json"]
    assert main([*config, *train]) == 0
    return root


def test_audience_adapters_trained_by_the_recipe_stand_alone(home: Path) -> None:
    manifests = [read_manifest(home / "ada" / "adapters" / f"audience-{name}") for name in FOUR]
    assert all(m.parent is None and m.rank == 4 for m in manifests)
    assert len({m.weights_hash for m in manifests}) == 4


def test_audience_test_command_measures_each_audience(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, data = ["--config", str(home / "config.toml")], str(home / "data-set")
    run = [
        "train",
        "audience-test",
        data,
        "--adapters",
        str(home / "ada" / "adapters"),
        "--limit",
        "4",
        "--json",
    ]
    assert main([*config, *run]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["n"] == 4 == sum(part["n"] for part in report["audiences"].values())
    assert report["threshold"] == 0.6 and set(report["adapters"]) == {
        f"audience-{a}" for a in report["audiences"]
    }
    assert load_style(home / "data-set" / "train").audiences == FOUR


async def result_of(relay: Relay, incoming: Incoming) -> Result:
    events: list[Event] = [event async for event in relay.handle(incoming)]
    (result,) = [event for event in events if isinstance(event, Result)]
    return result


async def test_two_audiences_in_one_conversation_get_their_own_stacks_in_one_worker(
    home: Path, tmp_path: Path
) -> None:
    from engine.config import load_config

    config = load_config(home / "config.toml").model_copy(update={"data_dir": str(tmp_path / "data")})
    await asyncio.to_thread(migrate, config.history_url)
    worker = ModelWorker(config.model_ref, config.active_profile, config.worker)
    await worker.start()
    try:
        for name in config.audience.adapters.values():
            await worker.load_adapter(home / "ada" / "adapters" / name, name, strength=0.0)
        assert worker.default_stack() == ()
        async with SqlHistory(config.history_url) as history:
            renderer = Renderer(load_tokenizer(config.model_ref))
            persona = load_persona(config.persona_path)
            engine = Engine(config, persona, history, ListRetriever([]), worker, renderer, worker)
            relay = Relay(engine, history, config.limits)
            relay.audiences = audiences = Audiences(config.audience, history, worker)
            await relay.start()

            def said(user: str, number: str, where: str = "room") -> Incoming:
                options = ReplyOptions(retrieve=False, seed=3)
                return Incoming(
                    "discord", where, number, user, user, "What is a fever?", True, options=options
                )

            assert "for: student" in await audiences.command("student", said("ann", "0"))
            assert "for: clinician" in await audiences.command("Clinician", said("bob", "0"))
            three = [said("ann", "1", "a"), said("bob", "2", "b"), said("eve", "3", "c")]
            ann, bob, eve = await asyncio.gather(*(result_of(relay, message) for message in three))
            assert [[a.name for a in r.adapters] for r in (ann, bob, eve)] == [
                ["audience-student"], ["audience-clinician"], [],
            ]  # fmt: skip
            assert ann.reply != bob.reply  # the same question, seed and room: only the stack differs
            together = [await result_of(relay, said(user, f"r-{user}")) for user in ("ann", "bob")]
            assert [r.adapters[0].name for r in together] == ["audience-student", "audience-clinician"]

            again = Audiences(config.audience, history, worker)  # a restarted service
            await again.start()
            assert again.applied(said("ann", "9")).options.defaults == {"audience-student": 1.0}
    finally:
        await worker.close()


# --- the command --------------------------------------------------------------------------------


class Kept:
    """Settings in memory, and a shelf with three adapters."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.loaded = [AdapterInfo("style", "a", 32, 0.5), AdapterInfo("audience-student", "b", 4, 0.0)]

    async def settings(self, name: str) -> dict[str, str]:
        assert name == AUDIENCE
        return self.values

    async def set_setting(self, scope: str, name: str, value: str | None) -> None:
        if value is None:
            self.values.pop(scope, None)
        else:
            self.values[scope] = value

    def adapters(self) -> tuple[AdapterInfo, ...]:
        return tuple(self.loaded)


ANN = Incoming("web", "c", "m", "ann", "Ann", "Hello")


def audiences(kept: Kept, **settings: Any) -> Audiences:
    adapters = {"student": "audience-student", "nurse": "audience-nurse"}
    return Audiences(AudienceConfig(adapters=adapters, **settings), kept, kept)


async def test_audience_command_chosen_kept_told_and_taken_back() -> None:
    kept = Kept()
    chooser = audiences(kept)
    assert "as to everyone" in await chooser.command("", ANN)
    await chooser.command("Student", ANN)
    assert list(kept.values.values()) == ["student"] and "for student" in await chooser.command("", ANN)
    assert chooser.applied(ANN).options.defaults == {"style": 0.5, "audience-student": 1.0}
    other = Incoming("web", "c", "m2", "bob", "Bob", "Hello")
    assert chooser.applied(other) is other
    await chooser.command("off", ANN)
    assert kept.values == {} and chooser.applied(ANN) is ANN


async def test_audience_command_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(InputError, match="student, nurse"):
        await audiences(Kept()).command("pilot", ANN)


async def test_audience_without_loaded_adapter_leaves_the_stack_and_says_so() -> None:
    kept = Kept()
    chooser = audiences(kept)
    assert "not loaded" in await chooser.command("nurse", ANN)
    assert chooser.applied(ANN) is ANN


async def test_audience_own_strengths_of_a_request_win() -> None:
    kept = Kept()
    chooser = audiences(kept, keep_stack=False, strength=0.5)
    await chooser.command("student", ANN)
    assert chooser.applied(ANN).options.defaults == {"audience-student": 0.5}
    tuned = Incoming("web", "c", "m", "ann", "Ann", "Hello", options=ReplyOptions(strengths={"style": 1.0}))
    assert chooser.applied(tuned) is tuned


async def test_audience_none_configured_says_so(config: Config) -> None:
    assert config.audience.adapters == {}
    assert "No audiences" in await Audiences(AudienceConfig(), Kept(), Kept()).command("student", ANN)
