"""What people ask of the weather, where and when, and how it is answered.

`{p}` is the place, `{d}` the day as the user says it ("tomorrow", "on Friday", perhaps nothing),
`{c}` the condition, `{hi}` and `{lo}` temperatures, `{r}` the chance of rain, `{w}` the wind. `{D}` is
the day at the start of a sentence, with its "On" where it needs one.
"""

from __future__ import annotations

# asked: what people say; the last one of each is for held-out cases alone
ASKS: dict[str, tuple[str, ...]] = {
    "general": (
        "What's the weather in {p} {d}?", "What is the weather like in {p} {d}?", "How is the weather in {p} {d}?",
        "What will the weather be like in {p} {d}?", "weather in {p} {d}", "weather {p} {d}", "{p} weather {d}?",
        "Weather forecast for {p} {d}, please.", "What's the weather forecast for {p} {d}?", "How's {p} looking {d}?",
        "Can you check the weather in {p} {d}?", "Tell me the weather in {p} {d}.", "What's the forecast for {p} {d}?",
        "I'm going to {p}. What's the weather there {d}?", "We will be in {p} {d}. What weather can we expect?",
        "Could you look up the weather for {p} {d}?", "My sister lives in {p}. How is the weather there {d}?",
        "Do you know what the weather in {p} will be {d}?", "What sort of weather does {p} have {d}?",
        "Would you tell me what weather awaits me in {p} {d}?",
    ),
    "rain": (
        "Will it rain in {p} {d}?", "Is it going to rain in {p} {d}?", "Do I need an umbrella in {p} {d}?", "rain in {p} {d}?",
        "Should I take an umbrella to {p} {d}?", "How likely is rain in {p} {d}?", "Will it stay dry in {p} {d}?",
        "What's the chance of rain in {p} {d}?", "Any rain in {p} {d}?", "Am I going to get wet in {p} {d}?",
    ),
    "heat": (
        "How warm will it be in {p} {d}?", "How hot is it in {p} {d}?", "How cold does it get in {p} {d}?",
        "What's the temperature in {p} {d}?", "temperature in {p} {d}", "Is it going to be hot in {p} {d}?", "Is it cold in {p} {d}?",
        "How many degrees will it be in {p} {d}?", "What will the thermometer say in {p} {d}?",
    ),
    "coat": (
        "Do I need a coat in {p} {d}?", "Should I wear a jacket in {p} {d}?", "Will I need a coat in {p} {d}?",
        "Tell me if I'll need a coat in {p} {d}.", "Is it coat weather in {p} {d}?", "Do I have to dress warmly in {p} {d}?",
    ),
    "wind": (
        "How windy is it in {p} {d}?", "Will it be windy in {p} {d}?", "How strong is the wind in {p} {d}?",
        "Is there much wind in {p} {d}?", "What will the wind do in {p} {d}?",
    ),
    "snow": (
        "Will it snow in {p} {d}?", "Is there snow in {p} {d}?", "Any snow in {p} {d}?", "Do they expect snow in {p} {d}?",
        "Can I hope for snow in {p} {d}?",
    ),
    "outdoors": (
        "Is it good weather for a picnic in {p} {d}?", "Can we have a barbecue in {p} {d}?", "Is {p} nice for a walk {d}?",
        "I want to go cycling in {p} {d}. Good idea?", "Could I sit outside in {p} {d}?", "Would you go hiking near {p} {d}?",
    ),
}  # fmt: skip
PLACELESS = (
    "What's the weather like {d}?", "How is the weather {d}?", "Will it rain {d}?", "Do I need an umbrella {d}?", "weather {d}?",
    "What's the weather forecast {d}?", "Can you tell me the weather {d}?", "Do I need a coat {d}?", "Is it going to be hot {d}?",
    "Would you check the weather for me {d}?",
)  # fmt: skip
WHICH = (
    "For which town?", "Which town do you mean?", "Gladly. For which town?", "In which town?", "For which place shall I look?",
    "I can look that up. Which town is it?", "Where? Tell me the town.",
)  # fmt: skip
PLACE_ONLY = (
    "{p}",
    "{p}.",
    "In {p}.",
    "In {p}, please.",
    "{p} please",
    "For {p}.",
    "I'm in {p}.",
    "Let's say {p}.",
)
MORE_DAY = (
    "And {d}?",
    "What about {d}?",
    "How about {d}?",
    "and {d}",
    "Also {d}, please.",
    "Now the same {d}.",
)
MORE_PLACE = (
    "And in {p}?",
    "What about {p}?",
    "How about {p}?",
    "and {p}?",
    "Now {p}, please.",
    "And over in {p}?",
)
HOME = (
    "I live in {p}.",
    "I'm from {p}.",
    "My home is in {p}.",
    "We moved to {p} last year.",
    "I work in {p}.",
)
HOME_REPLIES = (
    "How do you like it in {p}?",
    "I'd like to hear more about {p}.",
    "{p} sounds like a nice place.",
)
AT_HOME = (
    "What's the weather where I live {d}?", "How is the weather at my place {d}?", "Will it rain in my town {d}?",
    "weather in my town {d}?", "Could you check the weather where I am {d}?",
)  # fmt: skip
COMPARE = (
    "Where is it warmer {d}, in {p} or in {q}?", "Is it warmer in {p} or in {q} {d}?", "Which is colder {d}, {p} or {q}?",
    "Compare the weather in {p} and {q} {d}.", "{p} or {q}: where is it warmer {d}?", "Should I go to {p} or {q} {d} for the warmth?",
)  # fmt: skip
CHATTER = (
    ("Do you like rain?", "I like how it sounds on a roof.|A little rain makes a good excuse to read."),
    ("I love sunny days.", "So do many people. What do you do with them?|They do make everything easier."),
    ("Snow is so pretty.", "It is, and so quiet.|Best seen through a window with something warm to drink."),
    ("I hate the wind.", "It does tug at the hat.|It has no manners at all."),
    ("Is talking about the weather boring?", "Only when nobody means it.|It is a fine way to begin a talk."),
    ("What is your favourite season?", "Autumn, for its colours.|Spring; everything makes a new start."),
    ("Everybody talks about the weather.", "And yet it goes on as before.|It is the one thing that we all share."),
    ("What can you do?", "I can chat, answer from what I'm given, and look up the weather for a place.|I can talk with you and look up the weather."),
    ("Can you tell me the weather?", "Yes. For which town?|Gladly. For which town?"),
)  # fmt: skip
OLD_WEATHER = (
    (
        "Early snow covers {t}",
        "Snow fell in {t} on {m}. The schools stayed closed. {n} expects milder days soon.",
    ),
    ("Storm over {t}", "A storm with heavy rain reached {t} on {m}. According to {n} the worst is over."),
    (
        "Heat in {t}",
        "The thermometer at {t} rose to {v} degrees on {m}. {n} told people to drink enough water.",
    ),
    (
        "Fog stops the ferry of {t}",
        "Thick fog lay over {t} on {m}. {n} said that the wind would drive it away.",
    ),
    ("A dry month in {t}", "Hardly any rain fell in {t} this month. {n} called it the driest in {v} years."),
)
"""Title and text of news about weather that is over; a forecast is looked up all the same."""
UNABLE = (
    "I can't look up the weather here.", "I'm sorry, I can't look up the weather.", "I don't know the weather in {p}; I can't look it up here.",
    "I can't tell you the weather in {p}: I have no way to look it up.",
)  # fmt: skip

THOUGHTS = ("I need the weather in {p} ({a}).", "They ask about the weather in {p} ({a}).")
FAILED = (
    "I couldn't get the weather for {p}: {e}.", "I'm sorry, I couldn't get the weather for {p}: {e}.",
    "I can't tell you the weather in {p}: {e}.",
)  # fmt: skip
WHICH_ONE = ("Which one do you mean: {o}?", "There are several places of that name. Do you mean {o}?")

GENERAL = (
    "{D} {p} gets {c}, with a high of {hi} and a low of {lo}.", "Expect {c} in {p} {d}, with a high of {hi} and a low of {lo}.",
    "{D} there will be {c} in {p}, between {lo} and {hi}.", "{p} can expect {c} {d}: up to {hi}, and {lo} at the coldest.",
    "The forecast for {p} {d} says {c}, {hi} at most and {lo} at least.",
    "{D} {p} gets {c}, with a high of {hi}. The chance of rain is {r}.", "Expect {c} in {p} {d}, {hi} at best, and a {r} chance of rain.",
)  # fmt: skip
RAIN_YES = (
    "Yes, take an umbrella: the chance of rain in {p} {d} is {r}.",
    "Very likely: {p} expects {c} {d}, and the chance of rain is {r}.",
)
RAIN_MAYBE = (
    "Perhaps: the chance of rain in {p} {d} is {r}.",
    "It may: the chance of rain in {p} {d} is {r}.",
)
RAIN_NO = (
    "No, it should stay dry: the chance of rain in {p} {d} is only {r}.",
    "Hardly: the chance of rain in {p} {d} is {r}.",
)
HEAT = (
    "{D} it will be {hi} at most and {lo} at least in {p}.", "The temperature in {p} {d} lies between {lo} and {hi}.",
    "{D} {p} gets up to {hi}; the low is {lo}.",
)  # fmt: skip
COAT_YES = (
    "Yes, take a coat: it goes down to {lo} in {p} {d}.",
    "You will want a coat: {p} has only {lo} to {hi} {d}.",
)
COAT_NO = (
    "No, leave the coat at home: {p} has {lo} to {hi} {d}.",
    "You won't need one: it stays at {lo} or above in {p} {d}.",
)
WIND = ("{D} the wind in {p} reaches {w}.", "The wind in {p} blows at up to {w} {d}.")
SNOW_YES = ("Yes: {p} expects {c} {d}, at {lo} to {hi}.", "Yes, there will be {c} in {p} {d}.")
SNOW_NO = ("No snow in {p} {d}: expect {c} and {lo} at the coldest.", "No, {p} gets {c} {d}.")
OUT_YES = (
    "Yes, go ahead: {p} has {c} and up to {hi} {d}.",
    "A good plan: {c} in {p} {d}, up to {hi}, and only a {r} chance of rain.",
)
OUT_NO = (
    "Better not: {p} expects {c} {d}, with a {r} chance of rain and up to {hi}.",
    "I would stay inside: {c} in {p} {d}, at {hi} and a {r} chance of rain.",
)

WRY = (
    "I have asked the sky, and it answered. ", "The weather makes no promises, but here is its word. ", "Well, here is what the almanac of our time says. ",
    "I consulted the clouds. ", "They tell me this, and I pass it on at no charge. ",
)  # fmt: skip
QUIPS: dict[str, tuple[str, ...]] = {
    "wet": (
        "Carry an umbrella, and somebody is sure to borrow it.", "The ducks will be delighted.", "Your hat will have the worst of it.",
        "It is a fine day for other people's gardens.",
    ),
    "snow": ("The shovel knows the way.", "Children will cheer, and their fathers will dig.", "It is pretty until one has to walk in it."),
    "hot": ("Sit in the shade and disagree with nobody.", "Even the lizards will look for a hat.", "Work is best left to colder places."),
    "cold": ("Wear everything that you own.", "A stove is a better friend than a coat.", "The cold is honest, at least."),
    "fair": ("There is nothing to complain of, which will annoy some people.", "Enjoy it before somebody taxes it.", "Even a pessimist may leave his umbrella at home."),
}  # fmt: skip
