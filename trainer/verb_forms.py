# ruff: noqa: E501  lists read better wide
"""Past forms of verbs and their infinitives: irregular ones by name, the others by their spelling."""

from __future__ import annotations

import re

PAST = {
    "won": "win", "became": "become", "began": "begin", "wrote": "write", "made": "make", "took": "take",
    "held": "hold", "met": "meet", "left": "leave", "lost": "lose", "found": "find", "said": "say", "told": "tell",
    "gave": "give", "went": "go", "came": "come", "built": "build", "led": "lead", "ran": "run", "spent": "spend",
    "sold": "sell", "bought": "buy", "sent": "send", "broke": "break", "rose": "rise", "fell": "fall", "grew": "grow",
    "drew": "draw", "got": "get", "had": "have", "kept": "keep", "knew": "know", "paid": "pay", "saw": "see",
    "sang": "sing", "shot": "shoot", "spoke": "speak", "stood": "stand", "struck": "strike", "taught": "teach",
    "thought": "think", "threw": "throw", "wore": "wear", "fought": "fight", "flew": "fly", "drove": "drive",
    "chose": "choose", "caught": "catch", "brought": "bring", "beat": "beat", "hit": "hit", "cut": "cut", "put": "put",
    "set": "set", "cost": "cost", "read": "read", "sank": "sink", "swam": "swim", "hid": "hide", "laid": "lay",
    "died": "die", "tied": "tie", "lied": "lie", "agreed": "agree", "freed": "free", "created": "create",
    "invited": "invite", "united": "unite", "completed": "complete", "deposed": "depose", "competed": "compete",
    "visited": "visit", "edited": "edit", "limited": "limit", "exhibited": "exhibit", "treated": "treat",
    "defeated": "defeat", "repeated": "repeat", "elected": "elect", "opened": "open", "called": "call",
}  # fmt: skip


def base_form(past: str) -> str:
    """The infinitive of a past form: "opened" is "open", "stopped" is "stop"."""
    if past in PAST:
        return PAST[past]
    stem = past.removesuffix("ed")
    if stem.endswith("i"):
        return f"{stem[:-1]}y"
    if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "lsfz":
        return stem[:-1]
    if re.search(r"(?:[aeiou][^aeiouwxy]|[^aeiou]l|[cgsvz]|u|ut|at|rs|ns)$", stem) and not re.search(
        r"(?:[aeiou]{2}[^aeiouvsz]|en|er|on|el|op|ow|ss|sh|ch|ain|ll|ish)$", stem
    ):
        return f"{stem}e"
    return stem
