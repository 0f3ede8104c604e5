"""Scenarios of companies, products, works of art, science and people."""

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
WRITER = fact(
    "person",
    "{X} was written by {v}.|{v} wrote {x}.|The author of {x} is {v}.",
    "Who wrote {s}?|Who is the author of {s}?|Who was {s} written by?",
    "{v} wrote {s}.|{S} was written by {v}.",
    "who wrote {s}",
)
RELEASED = fact(
    "past",
    "{X} came out on {v}.|{X} was released on {v}.",
    "When did {s} come out?|When was {s} released?|On what date was {s} released?",
    "{S} came out on {v}.|It came out on {v}.",
    "when {s} came out",
)
SOLD = fact(
    "count",
    "{X} sold {v} copies.|{v} copies of {x} were sold.",
    "How many copies did {s} sell?|How many copies of {s} were sold?|How well did {s} sell?",
    "{S} sold {v} copies.|It sold {v} copies.",
    "how many copies {s} sold",
)
HERO = fact(
    "job",
    "{X} tells the story of a {v}.|{X} is about a young {v}.|{X} follows the life of a {v}.",
    "What is {s} about?|Whose story does {s} tell?|Who is {s} about?",
    "{S} tells the story of a {v}.|It is about a {v}.",
    "what {s} is about",
)
SETTING = fact(
    "town",
    "{X} is set in {v}.|The story of {x} takes place in {v}.",
    "Where is {s} set?|In which town is {s} set?|Where does {s} take place?",
    "{S} is set in {v}.|It is set in {v}.",
    "where {s} is set",
)
ACTOR = fact(
    "person",
    "The leading role in {x} is played by {v}.|{v} plays the leading role in {x}.",
    "Who plays the leading role in {s}?|Who is the star of {s}?|Who has the main role in {s}?",
    "{v} plays the leading role in {s}.",
    "who plays the leading role in {s}",
)
PUBLISHER = fact(
    "company",
    "{X} is published by {v}.|{v} publishes {x}.",
    "Who publishes {s}?|Which company publishes {s}?|Who is the publisher of {s}?",
    "{S} is published by {v}.|{v} publishes {s}.",
    "who publishes {s}",
    held=True,
)
JOB = fact(
    "job",
    "{X} works as a {v}.|{X} is a {v} by profession.|{X} earns a living as a {v}.",
    "What does {s} do?|What is {s}'s job?|What does {s} do for a living?",
    "{S} works as a {v}.|{S} is a {v}.",
    "what {s} does",
)
AGE = fact(
    "age",
    "{X} is {v} years old.|{X} turned {v} this week.",
    "How old is {s}?|What is the age of {s}?|What age is {s}?",
    "{S} is {v} years old.",
    "how old {s} is",
)
BORN = fact(
    "town",
    "{X} was born in {v}.|{X} comes from {v}.|{X} grew up in {v}.",
    "Where was {s} born?|Where does {s} come from?|Where is {s} from?",
    "{S} was born in {v}.|{S} comes from {v}.",
    "where {s} was born",
)
WON = fact(
    "title",
    '{X} won a prize for "{v}".|{X} is known for "{v}".|{X} became famous with "{v}".',
    "What is {s} known for?|What did {s} win a prize for?|What made {s} famous?",
    '{S} is known for "{v}".',
    "what {s} is known for",
)
PLAYS = fact(
    "sport",
    "In free hours {x} likes {v}.|{X} spends weekends on {v}.|The favourite sport of {x} is {v}.",
    "Which sport does {s} like?|What is {s}'s favourite sport?|What sport does {s} do?",
    "{S} likes {v}.",
    "which sport {s} likes",
)
MOVED = fact(
    "town",
    "{X} now lives in {v}.|{X} moved to {v} last year.",
    "Where does {s} live?|Where did {s} move?|In which town does {s} live now?",
    "{S} lives in {v}.",
    "where {s} lives",
)
EMPLOYER = fact(
    "company",
    "{X} joined {v}.|{X} started work at {v}.|{X} is employed by {v}.",
    "Which company did {s} join?|Where does {s} work?|Who does {s} work for?",
    "{S} works for {v}.|{S} joined {v}.",
    "which company {s} works for",
)
RETIRES = fact(
    "future",
    "{X} will retire on {v}.|{X} will step down on {v}.",
    "When will {s} retire?|When does {s} step down?|On which day will {s} retire?",
    "{S} will retire on {v}.",
    "when {s} will retire",
)
FOUND = fact(
    "person",
    "{X} was discovered by {v}.|{v} discovered {x}.",
    "Who discovered {s}?|Who found {s}?|Who was the discoverer of {s}?",
    "{S} was discovered by {v}.|{v} discovered {s}.",
    "who discovered {s}",
)
DISTANCE = fact(
    "measure:million km/light years",
    "{X} is {v} away.|The distance to {x} is {v}.",
    "How far away is {s}?|What is the distance to {s}?|How far is {s}?",
    "{S} is {v} away.|It is {v} away.",
    "how far away {s} is",
)
SIZE = fact(
    "measure:km/metres",
    "{X} measures {v} across.|The width of {x} is {v}.",
    "How big is {s}?|How wide is {s}?|What does {s} measure across?",
    "{S} measures {v} across.|It measures {v} across.",
    "how big {s} is",
)
SEEN = fact(
    "past",
    "{X} was first seen on {v}.|{X} was first spotted on {v}.",
    "When was {s} first seen?|When was {s} spotted?|On what date was {s} first seen?",
    "{S} was first seen on {v}.|It was first seen on {v}.",
    "when {s} was first seen",
)
TALK = "Analysts had expected less.|A spokesman gave no further details.|The news surprised many."
PRAISE = "Critics liked it.|Reviews were mixed.|Readers had waited a long time."

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
        "book",
        'the novel "{title}"|the book "{title}"',
        "New book|{S}|Book of the week",
        WRITER,
        RELEASED,
        SOLD,
        HERO,
        SETTING,
        PRICE,
        PUBLISHER,
        colour=PRAISE,
    ),
    scenario(
        "film",
        'the film "{title}"|the series "{title}"',
        "At the cinema|{S}|New on screen",
        WRITER,
        RELEASED,
        HERO,
        SETTING,
        ACTOR,
        colour=PRAISE,
    ),
    scenario(
        "album",
        'the album "{title}"|the song "{title}"',
        "New music|{S}|Music news",
        WRITER,
        RELEASED,
        SOLD,
        PRICE,
        colour=PRAISE,
    ),
    scenario(
        "person",
        "{person}",
        "{S}|Portrait: {s}|A talk with {s}|People: {s}",
        JOB,
        AGE,
        BORN,
        WON,
        PLAYS,
        MOVED,
        EMPLOYER,
        RETIRES,
        colour="The family stays out of the public eye.|Friends describe a quiet person.",
    ),
    scenario(
        "comet",
        "Comet {surname}|the asteroid {stem}|the planet {stem}",
        "{S}|In the sky: {s}|Astronomers on {s}",
        FOUND,
        DISTANCE,
        SIZE,
        SEEN,
        colour="A small telescope is enough to see it.|More observations are planned.",
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
