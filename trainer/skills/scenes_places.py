"""Scenarios of buildings, roads, parks and other places."""

from __future__ import annotations

from trainer.skills.scenario import Scenario, fact, scenario

OPENED = fact(
    "past",
    "{X} opened on {v}.|{X} opened to the public on {v}.|{X} was officially opened on {v}.",
    "When did {s} open?|On what date did {s} open?|What day did {s} open?|When was {s} opened?",
    "{S} opened on {v}.|It opened on {v}.",
    "when {s} opened",
)
OPENS = fact(
    "future",
    "{X} will open on {v}.|{X} is due to open on {v}.|The opening of {x} is planned for {v}.",
    "When does {s} open?|When will {s} open?|When is {s} going to open?|On which day will {s} open?",
    "{S} will open on {v}.|It will open on {v}.",
    "when {s} will open",
)
COST = fact(
    "money",
    "{X} cost {v}.|{X} cost {v} to build.|The work on {x} cost {v}.|Building {x} took {v}.",
    "How much did {s} cost?|What did {s} cost?|What was the price of {s}?",
    "{S} cost {v}.|It cost {v}.",
    "how much {s} cost",
)
ARCHITECT = fact(
    "person",
    "{X} was designed by {v}.|{v} designed {x}.|The design of {x} is by {v}.",
    "Who designed {s}?|Who was the architect of {s}?|Who is the designer of {s}?|Whose design is {s}?",
    "{S} was designed by {v}.|{v} designed {s}.",
    "who designed {s}",
)
BUILDER = fact(
    "company",
    "{X} was built by {v}.|{v} built {x}.|The builder of {x} is {v}.",
    "Who built {s}?|Which company built {s}?|Which firm built {s}?",
    "{S} was built by {v}.|{v} built {s}.",
    "who built {s}",
)
MATERIAL = fact(
    "material",
    "{X} is made of {v}.|{X} was built of {v}.|{X} is built mostly of {v}.",
    "What is {s} made of?|What was {s} built of?|Which material is {s} made of?",
    "{S} is made of {v}.|It is made of {v}.",
    "what {s} is made of",
)
PLACE = fact(
    "town",
    "{X} is in {v}.|{X} stands in {v}.|{X} lies near {v}.",
    "Where is {s}?|In which town is {s}?|Where can I find {s}?",
    "{S} is in {v}.|It is in {v}.",
    "where {s} is",
)
YEAR = fact(
    "year",
    "{X} was founded in {v}.|{X} dates from {v}.|{X} was first built in {v}.",
    "When was {s} founded?|In what year was {s} founded?|How old is {s}?",
    "{S} dates from {v}.|It dates from {v}.",
    "how old {s} is",
)
VISITORS = fact(
    "count",
    "{X} had {v} visitors in the first week.|About {v} people visited {x} in its first week.",
    "How many visitors did {s} have?|How many people visited {s}?|How many people came to {s} in the first week?",
    "{S} had {v} visitors in the first week.|About {v} people visited {s} in its first week.",
    "how many visitors {s} had",
)
TICKET = fact(
    "fee",
    "A ticket to {x} costs {v}.|Entry to {x} costs {v}.|The entrance fee of {x} is {v}.",
    "How much is a ticket to {s}?|What does it cost to visit {s}?|How much is the entrance to {s}?",
    "A ticket to {s} costs {v}.|Entry to {s} costs {v}.",
    "what a ticket to {s} costs",
)
CLOSED = fact(
    "cause",
    "{X} was closed for a day because of {v}.|{X} had to close because of {v}.|{v} forced {x} to close.",
    "Why was {s} closed?|Why did {s} close?|What was the reason for closing {s}?",
    "{S} was closed because of {v}.|It was closed because of {v}.",
    "why {s} was closed",
)
DIRECTOR = fact(
    "person",
    "{X} is run by {v}.|{v} is the director of {x}.|The director of {x} is {v}.",
    "Who runs {s}?|Who is the director of {s}?|Who is in charge of {s}?",
    "{S} is run by {v}.|The director of {s} is {v}.",
    "who runs {s}",
)
RIBBON = fact(
    "person",
    "The ribbon at {x} was cut by {v}.|{v} cut the ribbon at {x}.",
    "Who cut the ribbon at {s}?|Who was the guest who cut the ribbon at {s}?",
    "{v} cut the ribbon at {s}.",
    "who cut the ribbon at {s}",
    held=True,
)
HOURS = fact(
    "hour",
    "{X} closes at {v}.|{X} is open every day until {v}.",
    "Until when is {s} open?|What time does {s} close?|When does {s} close in the evening?",
    "{S} closes at {v}.|It closes at {v}.",
    "when {s} closes",
)
NEXT = "|Officials said that they were pleased with the result.|Many residents came to see it.|The plans had been discussed for years."

BUILDINGS = tuple(
    scenario(noun, names, "{S}|News from {s}|{S} in the news|Visitors welcome {s}", *facts, colour=NEXT[1:])
    for noun, names, facts in (
        (
            "bridge",
            "the {stem} Bridge|the {stem} Footbridge",
            (OPENED, COST, ARCHITECT, BUILDER, MATERIAL, CLOSED, RIBBON),
        ),
        (
            "museum",
            "the {stem} Museum|the {surname} Museum|the Museum of {town}",
            (OPENED, VISITORS, TICKET, DIRECTOR, ARCHITECT, HOURS, YEAR),
        ),
        (
            "library",
            "the {town} Library|the {surname} Library",
            (OPENS, COST, ARCHITECT, DIRECTOR, HOURS, YEAR),
        ),
        ("tower", "the {stem} Tower|{stem} Tower", (OPENED, COST, BUILDER, MATERIAL, TICKET, PLACE)),
        (
            "theatre",
            "the {surname} Theatre|the {town} Theatre",
            (OPENS, DIRECTOR, TICKET, CLOSED, YEAR, RIBBON),
        ),
        ("hospital", "{town} Hospital|the {surname} Clinic", (OPENED, COST, DIRECTOR, BUILDER, PLACE, YEAR)),
        ("school", "{town} School|{surname} College", (OPENS, DIRECTOR, COST, YEAR, CLOSED)),
        ("tunnel", "the {stem} Tunnel|the {town} Tunnel", (OPENED, COST, BUILDER, CLOSED, RIBBON)),
        ("zoo", "{town} Zoo|the {stem} Aquarium", (OPENED, VISITORS, TICKET, HOURS, DIRECTOR)),
        ("stadium", "the {stem} Arena|{town} Stadium", (OPENS, COST, ARCHITECT, BUILDER, PLACE)),
        ("market", "{town} Market|the {stem} Market Hall", (OPENED, VISITORS, HOURS, YEAR, CLOSED)),
        ("lighthouse", "the {stem} Lighthouse|{stem} Light", (YEAR, MATERIAL, TICKET, PLACE, CLOSED)),
        ("castle", "{stem} Castle|Castle {surname}", (YEAR, MATERIAL, TICKET, VISITORS, PLACE, DIRECTOR)),
        ("airport", "{town} Airport|the {stem} Air Terminal", (OPENED, COST, BUILDER, CLOSED, DIRECTOR)),
        ("park", "{stem} Park|the {surname} Gardens", (OPENED, COST, ARCHITECT, VISITORS, HOURS)),
    )
)

LENGTH = fact(
    "measure:km/kilometres/miles",
    "{X} is {v} long.|The length of {x} is {v}.",
    "How long is {s}?|What is the length of {s}?|What length does {s} have?",
    "{S} is {v} long.|It is {v} long.",
    "how long {s} is",
)
DEPTH = fact(
    "measure:metres/feet",
    "{X} is {v} deep.|The depth of {x} is {v}.",
    "How deep is {s}?|What is the depth of {s}?|What depth does {s} reach?",
    "{S} is {v} deep.|It is {v} deep.",
    "how deep {s} is",
)
HEIGHT = fact(
    "measure:metres/feet",
    "{X} is {v} high.|The height of {x} is {v}.|{X} rises to {v}.",
    "How high is {s}?|What is the height of {s}?|How tall is {s}?",
    "{S} is {v} high.|It is {v} high.",
    "how high {s} is",
)
WILDLIFE = fact(
    "animal",
    "{X} is known for its {v}.|Visitors come to {x} to see {v}.|{X} is home to {v}.",
    "What animals live at {s}?|Which animals is {s} known for?|What animals can one see at {s}?",
    "{S} is known for its {v}.|It is known for its {v}.",
    "which animals live at {s}",
)
COUNTRY = fact(
    "country",
    "{X} is in {v}.|{X} lies in the north of {v}.|{X} lies in the south of {v}.",
    "In which country is {s}?|What country is {s} in?|Which country does {s} belong to?",
    "{S} is in {v}.|It is in {v}.",
    "in which country {s} is",
)
CLIMBER = fact(
    "person",
    "{X} was first climbed by {v}.|{v} was the first to climb {x}.",
    "Who first climbed {s}?|Who was the first to climb {s}?|Who climbed {s} first?",
    "{S} was first climbed by {v}.|{v} was the first to climb {s}.",
    "who first climbed {s}",
)
PEOPLE = fact(
    "count",
    "{X} has {v} inhabitants.|{v} people live in {x}.|The population of {x} is {v}.",
    "How many people live in {s}?|What is the population of {s}?|How many inhabitants does {s} have?",
    "{S} has {v} inhabitants.|{v} people live in {s}.",
    "how many people live in {s}",
)
MAYOR = fact(
    "person",
    "The mayor of {x} is {v}.|{v} is the mayor of {x}.|{v} was chosen as mayor of {x}.",
    "Who is the mayor of {s}?|What is the name of {s}'s mayor?|Who was chosen as mayor of {s}?",
    "The mayor of {s} is {v}.|{v} is the mayor of {s}.",
    "who the mayor of {s} is",
)
DISH = fact(
    "food",
    "{X} is famous for its {v}.|The best known dish of {x} is {v}.",
    "Which food is {s} famous for?|What dish is {s} known for?|What do people eat in {s}?",
    "{S} is famous for its {v}.|It is famous for its {v}.",
    "which food {s} is famous for",
)
FLOWS = fact(
    "town",
    "{X} meets the sea at {v}.|{X} reaches the sea at {v}.",
    "Where does {s} reach the sea?|Where does {s} meet the sea?|At which town does {s} reach the sea?",
    "{S} reaches the sea at {v}.",
    "where {s} reaches the sea",
    held=True,
)

NATURE: tuple[Scenario, ...] = (
    scenario(
        "river",
        "the River {stem}|the {stem} River",
        "{S}|A walk along {s}|Along {s}",
        LENGTH,
        DEPTH,
        WILDLIFE,
        COUNTRY,
        FLOWS,
        colour="The water is clean again.|Anglers like the quiet banks.",
    ),
    scenario(
        "lake",
        "Lake {stem}|{stem} Lake",
        "{S}|Summer at {s}|A visit to {s}",
        DEPTH,
        LENGTH,
        WILDLIFE,
        COUNTRY,
        colour="In winter it often freezes.|Boats can be hired in summer.",
    ),
    scenario(
        "mountain",
        "Mount {stem}|{stem} Peak|the {stem} Horn",
        "{S}|Climbing {s}|The slopes of {s}",
        HEIGHT,
        COUNTRY,
        CLIMBER,
        WILDLIFE,
        colour="The path is steep near the top.|Snow stays until June.",
    ),
    scenario(
        "island",
        "{stem} Island|the Isle of {stem}",
        "{S}|Life on {s}|Summer on {s}",
        LENGTH,
        PEOPLE,
        COUNTRY,
        WILDLIFE,
        DISH,
        colour="A ferry goes there twice a day.|There are no cars.",
    ),
    scenario(
        "town",
        "{town}|the village of {stem}",
        "{S}|Town report: {s}|A day in {s}",
        PEOPLE,
        MAYOR,
        DISH,
        COUNTRY,
        colour="The market is held on Saturdays.|The old centre has narrow streets.",
    ),
)
SCENES: tuple[Scenario, ...] = BUILDINGS + NATURE
