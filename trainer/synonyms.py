"""A question in other words than its sentence's: people seldom ask in the words of the article."""

from __future__ import annotations

import random
import re

_TEXT = """
    built|constructed|put up; build|construct|put up; began|started; begin|start;
    ended|finished|stopped; end|finish|stop; bought|purchased|acquired; buy|purchase|acquire;
    died|passed away; die|pass away; killed|shot dead|murdered; founded|established|set up|started;
    found|discovered|spotted; find|discover; made|produced|created; make|produce|create;
    wrote|authored|penned; write|pen; film|movie|picture; book|novel|volume; song|track|tune;
    show|programme|series; town|city|place; village|hamlet|settlement; country|nation|state;
    company|firm|business|maker; child|kid; children|kids|sons and daughters; doctor|physician;
    teacher|instructor; lawyer|attorney; workers|employees|staff; people|persons|inhabitants;
    soldiers|troops; car|vehicle|automobile; cars|vehicles; plane|aircraft|airplane; ship|vessel|boat;
    road|street|route; house|home|building; school|college; match|game; matches|games; prize|award;
    won|gained|took; win|gain|take; lost|missed out on; beat|defeated; defeat|beat; leader|head|chief;
    leads|heads|runs; led|headed|ran; lead|head|run; director|manager; said|stated|told reporters;
    say|state; announced|made known|declared; announce|declare; increased|rose|grew; increase|rise|grow;
    decreased|fell|dropped; decrease|fall|drop; large|big; largest|biggest; small|little;
    smallest|tiniest; famous|well known; old|aged; opened|first opened its doors; open|open its doors;
    closed|shut; close|shut; moved|relocated; move|relocate; got|received|was given; get|receive;
    gave|handed; helped|assisted; help|assist; needed|required; need|require; used|employed; use|employ;
    called|named|known as; injured|hurt|wounded; arrested|detained|taken into custody; attacked|raided;
    attack|raid; destroyed|ruined; destroy|ruin; joined|became a member of; join|become a member of;
    married|wed; marry|wed; born|brought into the world; lived|resided; live|reside; worked|was
    employed; studied|was a student; visited|went to see; visit|go to see; sold|put on the market;
    sell|offer; paid|spent; pay|spend; cost|set one back; published|brought out|released; publish|bring
    out|release; chosen|selected|picked; choose|select|pick; elected|voted in; appointed|named|made;
    resigned|stepped down|quit; resign|step down|quit; agreed|consented; agree|consent;
    refused|declined; refuse|decline; showed|demonstrated; show|demonstrate; reported|told; report|tell;
    caused|led to|brought about; cause|lead to|bring about; crashed|had an accident; crash|have an
    accident; happened|took place|occurred; happen|take place|occur; located|situated|found;
    main|chief|principal; many|lots of; goal|aim; job|post|position; law|bill|act; war|conflict;
    battle|fight; flood|flooding; earthquake|quake; illness|disease|sickness; area|region|part;
    area|surface; years|yrs; minister|secretary; spokesman|representative; newspaper|paper;
    university|college; store|shop; shops|stores; autumn|fall; holiday|vacation; money|cash|funds; in
    what year|what year|in which year; on what date|on which day|what day; how many|what number of;
    where|in what place|at which place; why|for what reason|how come; who|which person
"""
GROUPS: tuple[tuple[str, ...], ...] = tuple(
    tuple(group.split("|")) for group in " ".join(_TEXT.split()).split("; ")
)
"""Words that may stand for each other in a question; a word keeps its first group."""

_OTHERS: dict[str, tuple[str, ...]] = {}
for _group in GROUPS:
    for _word in _group:
        _OTHERS.setdefault(_word, tuple(w for w in _group if w != _word))
_WORDS = re.compile(
    r"(?<!['’\w])(?:" + "|".join(sorted(map(re.escape, _OTHERS), key=len, reverse=True)) + r")(?!['’\w])"
)


def reworded(question: str, rng: random.Random, share: float = 0.5) -> str:
    """The question with each word that has a synonym replaced at `share`; names in capitals stay."""
    first = question[:1].lower() + question[1:]
    done = _WORDS.sub(lambda m: rng.choice(_OTHERS[m[0]]) if rng.random() < share else m[0], first)
    return question if done == first else done[:1].upper() + done[1:]
