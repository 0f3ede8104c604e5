"""Scenarios of works of art, people and the sky."""

from __future__ import annotations

from trainer.skills.scenario import Scenario, fact, scenario
from trainer.skills.scenes_business import PRICE

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
PRAISE = "Critics liked it.|Reviews were mixed.|Readers had waited a long time."


SCENES: tuple[Scenario, ...] = (
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
)
