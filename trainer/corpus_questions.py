# ruff: noqa: E501  patterns are read whole
"""Questions made from real sentences, by the shape of the sentence: who, what, when, where, how many.

"The bridge was opened in 1932 by the mayor." gives "When was the bridge opened?" with the answer
"1932". Each rule is a pattern over one sentence; what fits no rule gives no question. This module
knows nothing of files, prompts or tokens.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from trainer.verb_forms import PAST, base_form

MIN_WORDS, MAX_WORDS = 6, 32
MAX_SUBJECT = 7  # words

_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_DAY = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
TIME = rf"(?:(?:{_DAY}), )?(?:\d{{1,2}} (?:{_MONTH})(?: \d{{4}})?|(?:{_MONTH})(?: \d{{1,2}})?(?:, \d{{4}}| \d{{4}})?|\d{{4}}|{_DAY}(?: (?:morning|afternoon|evening|night))?)"
_AUX = "was|were|is|are|will be|has been|have been|had been"
_PART = (
    r"(?:\w+ly )?(?:\w+ed|born|built|held|made|won|found|founded|written|sold|shot|taken|given|known|bought|sent|shown|seen"
    r"|told|led|left|lost|drawn|broken|chosen|hit|cut|put|set|begun|brought|caught|driven|fought|paid|run|spent|struck)"
)
_VERB = rf"(?:{'|'.join(PAST)}|\w{{3,}}ed)"
NUMBER = (
    r"(?:\d[\d,.]*(?: (?:million|billion|thousand|hundred))?|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|fifteen|twenty|thirty|forty|fifty|a dozen|hundreds of|thousands of)"
)
ROUGHLY = r"(?:(?:at least|about|more than|over|some|around|nearly|almost|only|up to|fewer than|less than) )?"
NAME = r"(?:[A-Z][\w’'.-]+)(?: (?:[A-Z][\w’'.-]+|of|the|de|von|van|and))*(?<! of)(?<! the)(?<! and)"
_PLACE = r"(?:the )?(?:(?:north|south|east|west|northern|southern|eastern|western|central)\w* )?[A-Z][\w’'-]+(?:,? (?:[A-Z][\w’'-]+|of|the))*(?<! of)(?<! the)"
_SUBJECT = r"(?P<s>[A-Z][^,;:]*?)"
_PRONOUN = re.compile(r"^(He|She|It|They)\b")
_LEADING = re.compile(
    r"^(?:In|On|At|After|Before|During|From|By|For|With|However|When|While|As|Since|Also|But|And|There|This|That|These"
    r"|Those|His|Her|Their|Its|If|Although|Though|Under|Most|Many|Some|Such|What|Who|I|We|You|Another|Other|Both|One)\b"
)
_UNFIT = re.compile(
    r"\b(?:who|which|that|was|were|is|are|be|been|has|have|had|will|would|could|can|may|might|must|did|not|it|he|she|they)\b"
    r"|\b(?:also|then|now|later|first|soon|only|still|often|never|\w+ly)$"
)
_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*[)\]]")
_SENTENCE = re.compile(r"(?<=[a-z0-9\"%’])[.] (?=[A-Z\"“])")


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answer in two lengths.

    `subject` is what the question is about, empty where it names nothing; `lead` is what stands for
    it in a follow-up ("it", "he", "she", "they").
    """

    text: str
    span: str
    sentence: str
    subject: str = ""
    lead: str = "it"


def clean(text: str) -> str:
    """A paragraph on one line without what stands in brackets."""
    return " ".join(_BRACKETS.sub("", text).replace(" ,", ",").replace(" .", ".").split())


def sentences(paragraph: str) -> list[str]:
    """A cleaned paragraph's sentences, each with its full stop."""
    parts = _SENTENCE.split(paragraph)
    return [p if p[-1:] in '.?!"' else f"{p}." for p in parts if p]


def questions(sentence: str, title: str, rng: random.Random) -> list[Question]:
    """All that the rules ask of one sentence.

    Args:
        sentence: with its full stop.
        title: what "he", "she" or "it" at the start stands for; empty where that is not known.
        rng: draws among wordings.
    """
    if not MIN_WORDS <= len(sentence.split()) <= MAX_WORDS or not sentence.endswith("."):
        return []
    named = named_subject(sentence[:-1], title)
    if named is None:
        return []
    lead, text = named
    found_all: list[Question] = []
    for rule in RULES:
        for question, span, subject in rule(text, rng):
            if _fits(question, span):
                asked = question[0].upper() + " ".join(question.split())[1:]
                found_all.append(Question(asked, span.strip(" ,"), sentence, subject, lead))
    return found_all


def named_subject(text: str, title: str) -> tuple[str, str] | None:
    """The pronoun at the start ("it" where there is none) and the text with `title` in its place.

    None where the pronoun stands for something that is not known.
    """
    found = _PRONOUN.match(text)
    if not found:
        return "it", text
    if not title or found[1] == "They":
        return None
    return found[1].lower(), title + text[found.end() :]


# --- rules: each yields (question, span, subject) -----------------------------------------------

Made = Iterator[tuple[str, str, str]]


def _passive_when(text: str, rng: random.Random) -> Made:
    m = re.match(
        rf"^{_SUBJECT} (?P<a>{_AUX}) (?P<p>{_PART})(?P<m>(?: [\w’'-]+){{0,6}}?) (?P<i>in|on|during|since) (?P<t>{TIME})\b",
        text,
    )
    if m and _subject(m["s"]):
        when = "When" if rng.random() < 0.7 or not re.fullmatch(r"\d{4}", m["t"]) else "In what year"
        yield f"{when} {_turned(m['a'], m['s'])} {m['p']}{m['m']}?", m["t"], m["s"]


def _passive_by(text: str, rng: random.Random) -> Made:
    m = re.match(
        rf"^{_SUBJECT} (?P<a>{_AUX}) (?P<p>{_PART})(?P<m>(?: [\w’'-]+){{0,4}}?) by (?P<n>(?:the )?{NAME})",
        text,
    )
    if m and _subject(m["s"]):
        if m["a"] in ("was", "were") and m["p"].endswith("ed") and rng.random() < 0.7:
            yield f"Who {m['p']} {in_midsentence(m['s'])}{m['m']}?", m["n"], m["s"]
        else:
            yield f"Who {_turned(m['a'], m['s'])} {m['p']}{m['m']} by?", m["n"], m["s"]


def _where(text: str, rng: random.Random) -> Made:
    m = re.match(
        rf"^{_SUBJECT} (?P<a>{_AUX}) (?P<p>(?:{_PART} )?)(?P<i>in|at|near|on|from) (?P<n>{_PLACE})", text
    )
    if m and _subject(m["s"]) and not re.match(rf"(?:{TIME})\b", m["n"]):
        yield f"Where {_turned(m['a'], m['s'])} {m['p']}?".replace(" ?", "?"), f"{m['i']} {m['n']}", m["s"]
    m = re.match(
        rf"^{_SUBJECT} (?P<v>{_VERB})(?P<m>(?: [\w’'-]+){{0,4}}?) (?P<i>in|at|near) (?P<n>{_PLACE})", text
    )
    if m and _subject(m["s"]) and not re.match(rf"(?:{TIME})\b", m["n"]):
        yield f"Where did {in_midsentence(m['s'])} {base_form(m['v'])}{m['m']}?", f"{m['i']} {m['n']}", m["s"]


def _active_when(text: str, rng: random.Random) -> Made:
    m = re.match(rf"^{_SUBJECT} (?P<v>{_VERB})(?P<m>(?: [\w’'-]+){{0,8}}?) (?:in|on) (?P<t>{TIME})\b", text)
    if m and _subject(m["s"]):
        when = rng.choice(
            ("When", "When", "On what date" if re.match(r"\d{1,2} |[A-Z]", m["t"]) else "In what year")
        )
        yield f"{when} did {in_midsentence(m['s'])} {base_form(m['v'])}{m['m']}?", m["t"], m["s"]


def _who_did(text: str, rng: random.Random) -> Made:
    m = re.match(
        rf"^(?P<s>(?:The )?{NAME}(?: [a-z]+){{0,2}}?) (?P<v>(?:{_VERB}|is|was|has|will|plans|said))(?P<r>(?: [^\s,;:]+){{2,11}})$",
        text,
    )
    if not m or not _subject(m["s"]):
        return
    person = not m["s"].startswith("The ") and 2 <= len(m["s"].split()) <= 3
    ask = "Who" if person else rng.choice(("What", "What", "Who"))
    yield f"{ask} {m['v']}{m['r']}?", m["s"], ""


def _count_subject(text: str, rng: random.Random) -> Made:
    m = re.match(
        rf"^(?P<q>{ROUGHLY}{NUMBER}) (?P<n>(?:[a-z-]+ ){{0,2}}?[a-z]+s|people|men|women|children)(?: of [A-Za-z]+)? (?P<a>were|are|have|had|will|{_VERB})(?P<r>(?: [^\s,;:]+){{1,10}})",
        text, re.IGNORECASE,
    )  # fmt: skip
    if m:
        yield f"How many {m['n']} {m['a']}{m['r']}?", f"{m['q']} {m['n']}", ""


def _count_object(text: str, rng: random.Random) -> Made:
    m = re.match(
        rf"^{_SUBJECT} (?P<v>has|have|{_VERB}) (?P<q>{ROUGHLY}{NUMBER}) (?P<n>(?:[a-z-]+ )?[a-z]+s|people|men|women|children)(?P<r>(?: (?:in|at|on|for|of) [\w’'-]+(?: [\w’'-]+)?)?)",
        text,
    )
    if m and _subject(m["s"]):
        v = m["v"]
        do, verb = (
            ("does", "have") if v == "has" else ("do", "have") if v == "have" else ("did", base_form(v))
        )
        yield f"How many {m['n']} {do} {in_midsentence(m['s'])} {verb}{m['r']}?", f"{m['q']} {m['n']}", m["s"]


def _definition(text: str, rng: random.Random) -> Made:
    m = re.match(
        r"^(?P<s>[A-Z][\w’'. -]{2,50}?) (?P<a>is|was|are|were) (?P<d>(?:an?|the) [^,;:]{8,90})", text
    )
    if m and _subject(m["s"]):
        who = (
            "Who"
            if re.search(
                r"\b(?:\w+(?:er|or|ist|ian|ess)|actress|king|queen|man|woman|poet|judge|chef|coach|president|general)\b",
                m["d"][:45],
            )
            else "What"
        )
        yield f"{who} {m['a']} {in_midsentence(m['s'])}?", m["d"], m["s"]


def _object(text: str, rng: random.Random) -> Made:
    m = re.match(
        rf"^{_SUBJECT} (?P<v>{_VERB}) (?P<o>(?:(?:the|an?|his|her|its|their) )[\w’' -]{{4,50}}?)(?P<r>(?: (?:in|at|on|with|for|from|to|after|during) .*)?)$",
        text,
    )
    if m and _subject(m["s"]) and len(m["r"].split()) <= 9:
        yield f"What did {in_midsentence(m['s'])} {base_form(m['v'])}{m['r']}?", m["o"], m["s"]


def _role(text: str, rng: random.Random) -> Made:
    for said in re.finditer(
        rf"\b(?P<d>[Tt]he|[Hh]is|[Hh]er|[Ii]ts|[Tt]heir) (?P<r>(?:[a-z-]+ ){{0,3}}?[a-z-]{{4,}}), (?P<n>{NAME}),",
        text,
    ):
        tense = rng.choice(("is", "was"))
        yield f"Who {tense} the {said['r']}?", said["n"], ""
    m = re.match(
        rf"^The (?P<r>(?:[a-z-]+ ){{0,3}}?[a-z-]{{4,}})(?P<o>(?: of [\w’' -]{{3,40}})?) (?P<a>is|was) (?P<n>{NAME})\b",
        text,
    )
    if m:
        yield f"Who {m['a']} the {m['r']}{m['o']}?", m["n"], ""
    m = re.search(
        r"\b(?P<r>[Cc]aptain|[Pp]resident|[Mm]inister|[Dd]irector|[Cc]hairman|[Ss]pokesman|[Ss]pokeswoman|[Mm]ayor|[Gg]overnor|[Cc]oach|[Aa]uthor|[Cc]omposer) (?P<n>[A-Z][\w’'-]+ [A-Z][\w’'-]+)\b",
        text,
    )
    if m:
        yield f"Who is the {m['r'].lower()}?", m["n"], ""


def _said(text: str, rng: random.Random) -> Made:
    m = re.match(
        rf"^(?P<s>(?:The )?{NAME}(?: [a-z]+)?) (?P<v>said|says|believes|hopes|announced|confirmed|added) (?:that )?(?P<r>[^,;:]{{15,110}})$",
        text,
    )
    if m and _subject(m["s"]):
        do, verb = (
            ("does", m["v"].removesuffix("s"))
            if m["v"].endswith("s")
            else ("did", "say" if m["v"] == "said" else base_form(m["v"]))
        )
        yield f"What {do} {in_midsentence(m['s'])} {verb}?", m["r"], m["s"]


def _why(text: str, rng: random.Random) -> Made:
    m = re.match(
        rf"^{_SUBJECT} (?P<a>{_AUX}) (?P<p>[^,;:]{{4,60}}?) (?P<r>(?:because|due to|after) [^;:]{{8,80}})$",
        text,
    )
    if m and _subject(m["s"]):
        yield f"Why {_turned(m['a'], m['s'])} {m['p']}?", m["r"], m["s"]


def _in_place(text: str, rng: random.Random) -> Made:
    """The sentence itself, its number, date or name asked for where it stands."""
    if len(text.split()) > 20 or _LEADING.match(text):
        return
    when = re.search(rf"(?<= )(?:in|on) (?P<t>{TIME})$", text)
    if when:
        yield f"{text[: when.start()]}when?", when["t"], ""
        return
    m = re.search(rf"(?<= )(?P<q>{NUMBER}) (?P<n>[a-z]+s)\b", text)
    if m:
        yield f"{text[: m.start()]}how many {m['n']}{text[m.end() :]}?", f"{m['q']} {m['n']}", ""


RULES: tuple[Callable[[str, random.Random], Made], ...] = (
    _passive_when, _passive_by, _where, _active_when, _who_did, _count_subject, _count_object, _definition, _object,
    _role, _said, _why, _in_place,
)  # fmt: skip


def _subject(name: str) -> bool:
    """Whether this can be named in a question as it stands."""
    return len(name.split()) <= MAX_SUBJECT and not _LEADING.match(name) and not _UNFIT.search(name)


def in_midsentence(name: str) -> str:
    """A subject inside a sentence: "The bridge" is "the bridge"."""
    return (
        name[0].lower() + name[1:]
        if re.match(r"(?:The|An?|Two|Three|Police|Officials|Scientists|People)\b", name)
        else name
    )


def _turned(aux: str, subject: str) -> str:
    """ "has been" and "the bridge": "has the bridge been"."""
    first, _, rest = aux.partition(" ")
    return f"{first} {in_midsentence(subject)} {rest}".rstrip()


def _fits(question: str, span: str) -> bool:
    return (
        4 <= len(question.split()) <= 20
        and 0 < len(span.split()) <= 16
        and '"' not in question.replace('"', "", 2)
    )
