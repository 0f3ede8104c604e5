"""Scenarios of events: festivals, matches, storms, votes, voyages."""

from __future__ import annotations

from trainer.skills.scenario import Scenario, fact, scenario

BEGINS = fact(
    "future",
    "{X} begins on {v}.|{X} will start on {v}.|{X} opens on {v}.",
    "When does {s} begin?|When does {s} start?|When will {s} start?|On which day does {s} begin?",
    "{S} begins on {v}.|It begins on {v}.",
    "when {s} begins",
)
HELD = fact(
    "past",
    "{X} took place on {v}.|{X} was held on {v}.",
    "When was {s} held?|When did {s} take place?|On what date was {s}?",
    "{S} took place on {v}.|It took place on {v}.",
    "when {s} took place",
)
WHERE = fact(
    "town",
    "{X} takes place in {v}.|{X} is held in {v}.|The venue of {x} is in {v}.",
    "Where does {s} take place?|Where is {s} held?|In which town is {s}?",
    "{S} takes place in {v}.|It takes place in {v}.",
    "where {s} takes place",
)
TICKETS = fact(
    "fee",
    "Tickets for {x} cost {v}.|A ticket for {x} costs {v}.|Entry to {x} is {v}.",
    "How much are tickets for {s}?|What do tickets for {s} cost?|How much is a ticket for {s}?",
    "Tickets for {s} cost {v}.",
    "what tickets for {s} cost",
)
CROWD = fact(
    "count",
    "About {v} people came to {x}.|{X} drew {v} people.|{v} guests attended {x}.",
    "How many people came to {s}?|How many people attended {s}?|How many guests did {s} have?",
    "About {v} people came to {s}.|{v} people came to {s}.",
    "how many people came to {s}",
)
WINNER = fact(
    "person",
    "{X} was won by {v}.|{v} won {x}.|The winner of {x} is {v}.",
    "Who won {s}?|Who is the winner of {s}?|Who was the winner of {s}?|Who came first in {s}?",
    "{v} won {s}.|{S} was won by {v}.",
    "who won {s}",
)
SECOND = fact(
    "person",
    "Second place in {x} went to {v}.|{v} came second in {x}.",
    "Who came second in {s}?|Who finished second in {s}?|Who was the runner-up in {s}?",
    "{v} came second in {s}.",
    "who came second in {s}",
)
PRIZE = fact(
    "money",
    "The prize of {x} is {v}.|The winner of {x} receives {v}.",
    "How much is the prize of {s}?|What does the winner of {s} receive?|What is the prize money of {s}?",
    "The prize of {s} is {v}.|The winner of {s} receives {v}.",
    "how much the prize of {s} is",
)
SPONSOR = fact(
    "company",
    "{X} is sponsored by {v}.|The sponsor of {x} is {v}.|{v} pays for {x}.",
    "Who sponsors {s}?|Which company sponsors {s}?|Who pays for {s}?",
    "{S} is sponsored by {v}.|The sponsor of {s} is {v}.",
    "who sponsors {s}",
)
STAR = fact(
    "person",
    "The main guest of {x} is {v}.|{v} will give the opening speech at {x}.",
    "Who is the main guest of {s}?|Who gives the opening speech at {s}?|Who will speak at {s}?",
    "The main guest of {s} is {v}.|{v} is the main guest of {s}.",
    "who the main guest of {s} is",
)
DELAY = fact(
    "cause",
    "{X} started late because of {v}.|{X} was delayed by {v}.",
    "Why was {s} delayed?|Why did {s} start late?|What delayed {s}?",
    "{S} was delayed by {v}.|It was delayed by {v}.",
    "why {s} was delayed",
)
RULES = fact(
    "small",
    "Each team at {x} has {v} members.|Teams of {v} take part in {x}.",
    "How many members does a team at {s} have?|How big are the teams at {s}?",
    "Each team at {s} has {v} members.",
    "how big the teams at {s} are",
    held=True,
)
SCORE = fact(
    "score",
    "{X} ended {v}.|The final score of {x} was {v}.",
    "What was the score of {s}?|How did {s} end?|What was the result of {s}?",
    "{S} ended {v}.|The final score of {s} was {v}.",
    "what the score of {s} was",
)
SCORER = fact(
    "person",
    "The first goal of {x} came from {v}.|{v} scored the first goal of {x}.",
    "Who scored the first goal of {s}?|Who scored first in {s}?|Whose goal opened {s}?",
    "{v} scored the first goal of {s}.",
    "who scored first in {s}",
)
REFEREE = fact(
    "person",
    "The referee of {x} was {v}.|{v} was the referee of {x}.",
    "Who was the referee of {s}?|Who refereed {s}?|What was the name of the referee of {s}?",
    "The referee of {s} was {v}.|{v} was the referee of {s}.",
    "who the referee of {s} was",
)
WIND = fact(
    "measure:km/h/miles per hour",
    "{X} brought winds of {v}.|The winds of {x} reached {v}.",
    "How strong were the winds of {s}?|How fast were the winds of {s}?|What wind speed did {s} reach?",
    "The winds of {s} reached {v}.|{S} brought winds of {v}.",
    "how strong the winds of {s} were",
)
HOMES = fact(
    "count",
    "{X} left {v} homes without power.|{v} homes lost power during {x}.",
    "How many homes lost power during {s}?|How many homes did {s} leave without power?|How many homes were cut off by {s}?",
    "{v} homes lost power during {s}.|{S} left {v} homes without power.",
    "how many homes lost power during {s}",
)
DAMAGE = fact(
    "money",
    "{X} caused damage of {v}.|The damage of {x} is put at {v}.",
    "How much damage did {s} cause?|How big is the damage of {s}?|What did the damage of {s} come to?",
    "{S} caused damage of {v}.|It caused damage of {v}.",
    "how much damage {s} caused",
)
LANDFALL = fact(
    "town",
    "{X} reached the coast at {v}.|{X} first hit {v}.",
    "Where did {s} reach the coast?|Which town did {s} hit first?|Where did {s} hit first?",
    "{S} reached the coast at {v}.|{S} first hit {v}.",
    "where {s} reached the coast",
)
STRUCK = fact(
    "past",
    "{X} struck on {v}.|{X} arrived on {v}.",
    "When did {s} strike?|When did {s} arrive?|On which day did {s} strike?",
    "{S} struck on {v}.|It struck on {v}.",
    "when {s} struck",
)
SHARE = fact(
    "percent",
    "{v} of voters supported {x}.|{X} was backed by {v} of voters.",
    "How many voters supported {s}?|What share of voters backed {s}?|What percentage supported {s}?",
    "{v} of voters supported {s}.|{S} was backed by {v} of voters.",
    "how many voters supported {s}",
)
AUTHOR = fact(
    "person",
    "{X} was proposed by {v}.|{v} proposed {x}.",
    "Who proposed {s}?|Whose idea was {s}?|Who put forward {s}?",
    "{S} was proposed by {v}.|{v} proposed {s}.",
    "who proposed {s}",
)
FORCE = fact(
    "future",
    "{X} takes effect on {v}.|{X} will apply from {v}.",
    "When does {s} take effect?|From when will {s} apply?|When does {s} come into force?",
    "{S} takes effect on {v}.|It takes effect on {v}.",
    "when {s} takes effect",
)
FINE = fact(
    "fee",
    "Breaking {x} costs {v}.|The fine under {x} is {v}.",
    "What is the fine under {s}?|How high is the fine under {s}?|What does it cost to break {s}?",
    "The fine under {s} is {v}.",
    "what the fine under {s} is",
)
SAILS = fact(
    "future",
    "{X} sails on {v}.|{X} will leave port on {v}.",
    "When does {s} sail?|When will {s} leave port?|On which day does {s} leave?",
    "{S} sails on {v}.|It sails on {v}.",
    "when {s} sails",
)
CAPTAIN = fact(
    "person",
    "The captain of {x} is {v}.|{X} is commanded by {v}.",
    "Who is the captain of {s}?|Who commands {s}?|What is the name of {s}'s captain?",
    "The captain of {s} is {v}.|{v} is the captain of {s}.",
    "who the captain of {s} is",
)
CARGO = fact(
    "food",
    "{X} carries {v}.|The cargo of {x} is {v}.",
    "What does {s} carry?|What is the cargo of {s}?|What is on board {s}?",
    "{S} carries {v}.|It carries {v}.",
    "what {s} carries",
)
CREW = fact(
    "count",
    "{X} has a crew of {v}.|The crew of {x} numbers {v}.",
    "How big is the crew of {s}?|How many people are in the crew of {s}?|How many crew members does {s} have?",
    "{S} has a crew of {v}.|It has a crew of {v}.",
    "how big the crew of {s} is",
)
HARBOUR = fact(
    "town",
    "{X} is bound for {v}.|{X} sails to {v}.",
    "Where is {s} bound?|Where does {s} sail to?|What is the destination of {s}?",
    "{S} is bound for {v}.|It is bound for {v}.",
    "where {s} is bound",
)
TALK = "The organisers hope for good weather.|Local shops expect a busy week.|It has become a tradition.|Volunteers helped with the work."

SCENES: tuple[Scenario, ...] = (
    scenario(
        "festival",
        "the {stem} Festival|the {town} Jazz Festival|the {town} Food Fair|the {stem} Lantern Festival",
        "{S}|Programme of {s}|{S}: what to know",
        BEGINS,
        WHERE,
        TICKETS,
        CROWD,
        SPONSOR,
        STAR,
        DELAY,
        RULES,
        colour=TALK,
    ),
    scenario(
        "race",
        "the {stem} Marathon|the {town} Regatta|the {stem} Cup|the {town} Ski Race",
        "{S}|Results of {s}|{S} decided",
        HELD,
        WINNER,
        SECOND,
        PRIZE,
        SPONSOR,
        CROWD,
        DELAY,
        RULES,
        colour=TALK,
    ),
    scenario(
        "prize",
        "the {surname} Prize|the {stem} Book Award|the {surname} Medal",
        "{S}|The night of {s}|{S} awarded",
        HELD,
        WINNER,
        PRIZE,
        SPONSOR,
        WHERE,
        STAR,
    ),
    scenario(
        "match",
        "the match at {town}|the {stem} derby|the game in {town}",
        "{S}|Match report: {s}|After {s}",
        HELD,
        SCORE,
        SCORER,
        REFEREE,
        CROWD,
        DELAY,
        colour="The fans sang all evening.|The second half was calm.",
    ),
    scenario(
        "conference",
        "the {town} Conference|the {stem} Summit|the {town} Trade Fair",
        "{S}|Opening of {s}|{S}: the details",
        BEGINS,
        WHERE,
        CROWD,
        SPONSOR,
        STAR,
        TICKETS,
        colour=TALK,
    ),
    scenario(
        "storm",
        "Storm {surname}|Hurricane {surname}",
        "{S}|After {s}|{S}: the damage",
        STRUCK,
        WIND,
        HOMES,
        DAMAGE,
        LANDFALL,
        colour="Schools stayed shut.|Nobody was badly hurt.|Crews worked through the night.",
    ),
    scenario(
        "law",
        "the {surname} Act|the {town} Water Law|the {stem} Traffic Rule",
        "{S}|What {s} changes|Vote on {s}",
        FORCE,
        AUTHOR,
        SHARE,
        FINE,
        HELD,
        colour="Critics say that it goes too far.|Supporters call it overdue.",
    ),
    scenario(
        "ship",
        'the ship "{title}"|the ferry "{title}"|the {stem} Star',
        "{S}|In port: {s}|{S} ready",
        SAILS,
        CAPTAIN,
        CARGO,
        CREW,
        HARBOUR,
        colour="The hull was painted in spring.|The crew spent the week in port.",
    ),
)
