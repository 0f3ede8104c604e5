"""Questions made from real sentences hold together: English questions, answers from the sentence."""

from __future__ import annotations

import random

import pytest

from engine.types import Passage
from trainer import corpus, storeasked
from trainer.corpus_questions import Question, clean, questions, sentences
from trainer.skills.phrases import LEAD, UNSAID
from trainer.synonyms import reworded
from trainer.verb_forms import base_form

PARAGRAPH = (
    "Ada Brook was born in Selby in 1904. She moved to York (then a small town) on 3 May 1921. "
    "The bridge over the Ouse was designed by Ada Brook. She had three sons. "
    "At least 40 people were killed when it fell. The chief engineer, Tom Hale, resigned."
)
MORE = "He opened a school in Leeds in 1950. It was closed by the council in 1961. She died in 1970 in Hull."


def asked(text: str, title: str = "") -> dict[str, str]:
    rng = random.Random(3)
    return {q.text: q.span for one in sentences(clean(text)) for q in questions(one, title, rng)}


def test_questions_ask_who_when_where_and_how_many() -> None:
    found = asked(PARAGRAPH, "Ada Brook")
    assert found["Where was Ada Brook born?"] == "in Selby"
    assert found["Who designed the bridge over the Ouse?"] == "Ada Brook"
    assert "Tom Hale" in (found.get("Who is the chief engineer?"), found.get("Who was the chief engineer?"))
    assert "At least 40 people" in found.values()
    when = [q for q, span in found.items() if span == "3 May 1921"]
    assert when
    assert all("Ada Brook" in q for q in when)


def test_questions_of_a_pronoun_need_to_know_whom_it_means() -> None:
    assert not asked("He founded the first school of the town in 1950.")
    assert asked("He founded the first school of the town in 1950.", "Karl Stein")


def test_questions_answers_stand_in_their_sentence() -> None:
    rng = random.Random(1)
    for one in sentences(clean(f"{PARAGRAPH} {MORE}")):
        for q in questions(one, "Ada Brook", rng):
            assert q.span in one or q.span == "Ada Brook"
            assert q.text.endswith("?")
            assert q.text[0].isupper()


@pytest.mark.parametrize(
    "pair",
    "opened-open stopped-stop moved-move carried-carry won-win died-die founded-found agreed-agree".split(),
)
def test_base_form(pair: str) -> None:
    past, base = pair.split("-")
    assert base_form(past) == base


def test_conversation_answers_from_its_passages_or_says_that_it_cannot() -> None:
    rng = random.Random(5)
    row = {"title": "Ada Brook", "text": f"Ada Brook\n{PARAGRAPH}\n{MORE} {MORE}"}
    other = {
        "title": "Tin",
        "text": "Tin\n" + "Tin is a soft metal. It was sold by the miners of Cornwall in 1820. " * 3,
    }
    found, strangers = list(storeasked.read(row, rng)), list(storeasked.read(other, rng))
    assert found
    assert strangers
    kinds = set()
    for _ in range(40):
        messages = storeasked.conversation(found[0], found, strangers, rng)
        told = " ".join(messages[1].content.split()).lower()
        for said in messages[2::2]:
            unknown = said.content in UNSAID
            kinds.add(unknown)
            assert unknown or said.content.removeprefix(LEAD).rstrip(".").lower() in told
            assert said.trained
    assert kinds == {True, False}


def test_follow_up_is_rewritten_with_the_name_for_the_pronoun() -> None:
    rng = random.Random(2)
    told = (
        "Ada Brook was born in Selby in 1904. She opened a school in Leeds in 1950. "
        "She was elected mayor in 1961. She had three sons with Karl Stein of York."
    )
    row = {"title": "Ada Brook", "text": f"Ada Brook\n{told}"}
    read = list(storeasked.read(row, rng))
    made = [m for one in read for _ in range(20) if (m := storeasked.follow_up(one, rng))]
    assert made
    topic = read[0].topic  # Ada Brook, or whoever took her place
    for messages in made:
        last = messages[1].content.rpartition("Last question: ")[2]
        assert topic in messages[2].content
        assert topic not in last


def test_question_without_its_sentence_is_left_only_where_nothing_else_tells() -> None:
    told = ("The mill was built in 1901.", "It stands in Selby.", "A fire came in 1950.")
    passage = Passage(" ".join(told), "Mill")
    left = storeasked.without(passage, Question("When was the mill built?", "1901", told[0]))
    assert left
    assert left.text == f"{told[1]} {told[2]}"
    assert storeasked.without(passage, Question("What was built?", "I", told[0])) is None  # "it" holds it
    assert storeasked.without(Passage(told[0], "Mill"), Question("When?", "1901", told[0])) is None


def test_reworded_changes_common_words_and_keeps_names() -> None:
    rng = random.Random(4)
    asked = "When was the Film Company of Bath founded?"
    made = {reworded(asked, rng) for _ in range(40)}
    assert asked in made
    assert "When was the Film Company of Bath established?" in made
    assert all(m.startswith("When was the Film Company of Bath ") for m in made)


def test_cropped_keeps_the_told_sentence_among_its_neighbours() -> None:
    parts = [f"Sentence number {n} of this long paragraph has these few words in it." for n in range(20)]
    for seed in range(10):
        text = corpus.cropped(" ".join(parts), parts[7], random.Random(seed))
        assert parts[7] in text
        assert text in " ".join(parts)
        assert corpus.CROPPED_WORDS <= len(text.split()) < corpus.CROPPED_WORDS + 15


def test_human_question_is_dressed_as_told() -> None:
    text = "The mill was built in 1901. It stands in Selby beside the river. Nobody works there now."
    row = {
        "source": "squad_v1.1_part",
        "task": "grounded_qa",
        "context": [text],
        "messages": [
            {"role": "user", "content": "When was the mill put up?"},
            {"role": "assistant", "content": "1901 [1]"},
        ],
    }
    rng = random.Random(1)
    plain = corpus.grounded(row, rng, corpus.AS_GIVEN)
    assert plain
    assert (plain.answer, plain.system in corpus.BRIEF, plain.passages[0].text) == ("1901.", True, text)
    whole = corpus.grounded(row, rng, corpus.Dress(1.0, 0.0, 0.0, 0.0))
    assert whole
    assert (whole.answer, whole.system in corpus.BRIEF) == ("The mill was built in 1901.", False)
    less = corpus.grounded(row, rng, corpus.Dress(1.0, 0.0, 0.0, 1.0))
    assert less
    assert less.answer in UNSAID
    assert "1901" not in less.passages[0].text
