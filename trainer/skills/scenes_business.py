"""Scenarios of companies, clubs and their products."""

from __future__ import annotations

from trainer.skills.scenario import Scenario, fact, scenario

BOSS = fact(
    "person",
    "The head of {x} is {v}.|{v} leads {x}.|{X} is led by {v}.|{X} named {v} as its new head.",
    "Who leads {s}?|Who is the head of {s}?|Who is the boss of {s}?|Who is in charge of {s}?",
    "{v} leads {s}.|{S} is led by {v}.",
    "who leads {s}",
)
STAFF = fact(
    "count",
    "{X} employs {v} people.|{X} has {v} employees.",
    "How many people work for {s}?|How many employees does {s} have?|How many people does {s} employ?",
    "{S} employs {v} people.|{S} has {v} employees.",
    "how many people {s} employs",
)
PROFIT = fact(
    "money",
    "{X} made a profit of {v}.|The profit of {x} was {v}.",
    "How much profit did {s} make?|What was the profit of {s}?|How much did {s} earn?",
    "{S} made a profit of {v}.|It made a profit of {v}.",
    "how much profit {s} made",
)
BASE = fact(
    "town",
    "{X} is based in {v}.|The main office of {x} is in {v}.",
    "Where is {s} based?|In which town is {s} based?|Where is the main office of {s}?",
    "{S} is based in {v}.|It is based in {v}.",
    "where {s} is based",
)
FOUNDED = fact(
    "year",
    "{X} was founded in {v}.|The firm {x} was started in {v}.",
    "When was {s} founded?|In what year was {s} founded?|When did {s} start?",
    "{S} was founded in {v}.|It was founded in {v}.",
    "when {s} was founded",
)
BOUGHT = fact(
    "company",
    "{X} bought {v}.|{X} agreed to buy {v}.|{X} has taken over {v}.",
    "Which company did {s} buy?|What did {s} buy?|Which firm did {s} take over?",
    "{S} bought {v}.|It bought {v}.",
    "which company {s} bought",
)
JOBSCUT = fact(
    "count",
    "{X} will cut {v} jobs.|{X} plans to cut {v} jobs.",
    "How many jobs will {s} cut?|How many jobs does {s} plan to cut?|How many people will lose their jobs at {s}?",
    "{S} will cut {v} jobs.|It will cut {v} jobs.",
    "how many jobs {s} will cut",
)
SHAREPRICE = fact(
    "percent",
    "The shares of {x} rose by {v}.|Shares in {x} went up by {v}.",
    "By how much did the shares of {s} rise?|How much did shares in {s} go up?|How far did {s} shares rise?",
    "The shares of {s} rose by {v}.",
    "how much the shares of {s} rose",
)
PLANT = fact(
    "town",
    "{X} will open a factory in {v}.|{X} is building a factory in {v}.",
    "Where will {s} open a factory?|Where is {s} building a factory?|In which town is the new factory of {s}?",
    "{S} will open a factory in {v}.",
    "where {s} will open a factory",
    held=True,
)
MAKER = fact(
    "company",
    "{X} is made by {v}.|{v} makes {x}.|The maker of {x} is {v}.",
    "Who makes {s}?|Which company makes {s}?|Who is the maker of {s}?",
    "{S} is made by {v}.|{v} makes {s}.",
    "who makes {s}",
)
PRICE = fact(
    "fee",
    "{X} costs {v}.|The price of {x} is {v}.|{X} sells for {v}.",
    "How much does {s} cost?|What is the price of {s}?|How much is {s}?|What does {s} cost?",
    "{S} costs {v}.|It costs {v}.",
    "how much {s} costs",
)
ONSALE = fact(
    "future",
    "{X} goes on sale on {v}.|{X} will be in shops from {v}.",
    "When does {s} go on sale?|When will {s} be in shops?|When can people buy {s}?",
    "{S} goes on sale on {v}.|It goes on sale on {v}.",
    "when {s} goes on sale",
)
WEIGHT = fact(
    "measure:kg/grams/pounds",
    "{X} weighs {v}.|The weight of {x} is {v}.",
    "How much does {s} weigh?|What is the weight of {s}?|How heavy is {s}?",
    "{S} weighs {v}.|It weighs {v}.",
    "how much {s} weighs",
)
BATTERY = fact(
    "measure:hours/days",
    "The battery of {x} lasts {v}.|{X} runs for {v} on one charge.",
    "How long does the battery of {s} last?|How long does {s} run on one charge?|What is the battery life of {s}?",
    "The battery of {s} lasts {v}.",
    "how long the battery of {s} lasts",
)
COLOUR = fact(
    "colour",
    "{X} comes in {v}.|{X} is sold only in {v}.",
    "What colour is {s}?|In which colour is {s} sold?|What colour does {s} come in?",
    "{S} comes in {v}.|It comes in {v}.",
    "what colour {s} is",
)
RECALL = fact(
    "cause",
    "{X} was recalled because of {v}.|Sales of {x} were stopped because of {v}.",
    "Why was {s} recalled?|Why were sales of {s} stopped?|What was the reason for the recall of {s}?",
    "{S} was recalled because of {v}.",
    "why {s} was recalled",
)
TALK = "Analysts had expected less.|A spokesman gave no further details.|The news surprised many."

SCENES: tuple[Scenario, ...] = (
    scenario(
        "company",
        "{company}",
        "{S}|{S} reports|News from {s}|{S} makes changes",
        BOSS,
        STAFF,
        PROFIT,
        BASE,
        FOUNDED,
        BOUGHT,
        JOBSCUT,
        SHAREPRICE,
        PLANT,
        colour=TALK,
    ),
    scenario(
        "gadget",
        "the {stem} 300|the {surname} Mini|the {stem} Pro|the {stem} X2",
        "{S}|Test: {s}|{S} arrives",
        MAKER,
        PRICE,
        ONSALE,
        WEIGHT,
        BATTERY,
        COLOUR,
        RECALL,
        colour=TALK,
    ),
    scenario(
        "car",
        "the {surname} Roadster|the {stem} Electric|the {stem} Truck",
        "{S}|On the road: {s}|{S} shown",
        MAKER,
        PRICE,
        ONSALE,
        WEIGHT,
        COLOUR,
        RECALL,
        colour=TALK,
    ),
    scenario(
        "club",
        "the {town} Chess Club|{town} United|the {stem} Choir",
        "{S}|Club news: {s}|{S} meets",
        BOSS,
        FOUNDED,
        BASE,
        colour="New members are welcome.",
    ),
)
