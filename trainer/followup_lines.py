# ruff: noqa: E501  lists read better wide
"""What people ask next, of a person or a thing that was just named; `{p}` is the pronoun or the name.

`{p's}` is "his", "her", "its" or the name's genitive. `{p*}` is the object form.
"""

from __future__ import annotations

PERSON = (
    "When was {p} born?", "Where was {p} born?", "When did {p} die?", "How old is {p}?", "How old was {p}?",
    "Where does {p} live?", "Where did {p} grow up?", "Where did {p} go to school?", "What did {p} study?",
    "Is {p} married?", "Does {p} have children?", "How many children did {p} have?", "What is {p's} nationality?",
    "Which country is {p} from?", "What is {p} known for?", "Why is {p} famous?", "What else did {p} do?",
    "What else has {p} written?", "Which books did {p} write?", "Did {p} win any prizes?", "What does {p} do now?",
    "How long has {p} been in office?", "When did {p} start?", "When did {p} retire?", "Who taught {p*}?",
    "Who were {p's} parents?", "What was {p's} first job?", "What was {p's} last work?", "Which team did {p} play for?",
    "How tall is {p}?", "What happened to {p*}?", "What did people think of {p*}?", "Who worked with {p*}?",
    "Where is {p} buried?", "What did {p} say about it?", "Which party does {p} belong to?", "Is {p} still alive?",
    "How did {p} become famous?", "Did {p} ever visit America?", "What is {p's} real name?", "Has {p} said why?",
)  # fmt: skip
THING = (
    "How old is {p}?", "Where is {p}?", "How big is {p}?", "Who owns {p*}?", "Who runs {p*}?", "Who built {p*}?",
    "Who invented {p*}?", "Who founded {p*}?", "Who discovered {p*}?", "When did {p} begin?", "When did {p} end?",
    "How long is {p}?", "How high is {p}?", "How deep is {p}?", "How fast is {p}?", "How much does {p} cost?",
    "What did {p} cost?", "What is {p} made of?", "What is {p} used for?", "How does {p} work?", "Is {p} dangerous?",
    "Is {p} still there?", "How many people work there?", "How many people live there?", "What is {p's} capital?",
    "Why is {p} famous?", "Who named {p*}?", "What does {p} look like?", "What does {p} mean?", "Where can I see {p*}?",
    "When does {p} open?", "Is {p} free?", "What happened to {p*}?", "How many members does {p} have?",
    "Where are {p's} offices?", "Who leads {p*} now?", "Where does {p} come from?", "How many of them are there?",
    "Does {p} have a museum?", "Which countries use {p*}?", "How did {p} get {p's} name?", "Who wrote about {p*}?",
)  # fmt: skip
FORMS = {"he": ("he", "his", "him"), "she": ("she", "her", "her"), "it": ("it", "its", "it")}


def with_pronoun(line: str, pronoun: str) -> str:
    """The question with "he", "she" or "it" in its forms."""
    plain, genitive, objective = FORMS[pronoun]
    return line.replace("{p's}", genitive).replace("{p*}", objective).replace("{p}", plain)


def with_name(line: str, name: str) -> str:
    """The question with the name; "there" and "them" are named too."""
    first = line.replace("{p's}", f"{name}'s").replace("{p*}", name).replace("{p}", name, 1)
    first = first.replace("{p}", "it")
    return first.replace(" there?", f" in {name}?").replace("of them are", f"{name} are")
