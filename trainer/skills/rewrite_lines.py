"""Short next questions that leave the subject out, and the same questions with it.

By the scenario's noun: `short|full`, where `{s}` is the subject. "Was the crew saved?" after talk of a
ship asks for the crew of that ship.
"""

from __future__ import annotations

ANY = (
    "Since when?|Since when is that so of {s}?", "how so|How is that so with {s}?", "Any other news?|Is there any other news about {s}?",
    "what else|What else is known about {s}?", "Why?|Why is that so of {s}?", "what do people say|What do people say about {s}?",
    "Is that true?|Is that true of {s}?", "Who says so?|Who says so about {s}?", "Can you tell me more?|Can you tell me more about {s}?",
    "what happened then|What happened then with {s}?", "Any pictures?|Are there any pictures of {s}?",
)  # fmt: skip
BUILDING = (
    "who built it|Who built {s}?", "How long did the work take?|How long did the work on {s} take?", "Is there a café?|Is there a café at {s}?",
    "Who paid for it?|Who paid for {s}?", "what did it cost|What did {s} cost?", "When can I go in?|When can I go into {s}?",
    "And the price?|What is the price of {s}?", "How many people came?|How many people came to {s}?", "Is the place free?|Is {s} free?",
    "who is the architect|Who is the architect of {s}?", "Is the building old?|Is {s} old?", "How many visitors were there?|How many visitors were there at {s}?",
    "where is the entrance|Where is the entrance of {s}?", "Did the staff get out?|Did the staff of {s} get out?", "Who is the director?|Who is the director of {s}?",
    "How do I get there?|How do I get to {s}?", "who owns the place|Who owns {s}?", "Who works there?|Who works at {s}?",
)  # fmt: skip
NATURE = (
    "how deep|How deep is {s}?", "Does it snow there?|Does it snow at {s}?", "Who lives there?|Who lives at {s}?",
    "How long is it?|How long is {s}?", "can one swim there|Can one swim at {s}?", "who owns the land|Who owns the land at {s}?",
    "Is the water clean?|Is the water of {s} clean?", "What do people eat there?|What do people eat at {s}?", "how far away is it|How far away is {s}?",
    "Which animals live there?|Which animals live at {s}?", "Is it crowded there?|Is it crowded at {s}?",
    "Can one camp there?|Can one camp at {s}?", "How many people live there?|How many people live at {s}?",
)  # fmt: skip
EVENT = (
    "who won|Who won {s}?", "By how much?|By how much was {s} won?", "With what margin?|With what margin was {s} decided?", "What was the score?|What was the score of {s}?",
    "How many people came?|How many people came to {s}?", "who was there|Who was there at {s}?",
    "Where will it be?|Where will {s} be?", "What did the tickets cost?|What did the tickets for {s} cost?", "who paid for it|Who paid for {s}?",
    "When is the next one?|When is the next one after {s}?", "Who came second?|Who came second at {s}?", "How did it end?|How did {s} end?",
    "what caused it|What caused {s}?", "Were there deaths?|Were there deaths at {s}?", "How long did it last?|How long did {s} last?",
    "Is there a prize?|Is there a prize at {s}?", "And the prize?|What is the prize of {s}?", "who was there last year|Who was there at {s} last year?",
    "Did it rain?|Did it rain at {s}?", "How many homes were damaged?|How many homes were damaged by {s}?",
)  # fmt: skip
FIRM = (
    "who sits on the board|Who sits on the board of {s}?", "Who is the boss?|Who is the boss of {s}?", "how many workers|How many workers does {s} have?",
    "Where is the head office?|Where is the head office of {s}?", "On what terms?|On what terms was that, with {s}?", "What do they make?|What does {s} make?",
    "Who owns the firm?|Who owns {s}?", "how old is the company|How old is {s}?", "Who will be let go?|Who will be let go at {s}?",
    "And the profit?|What is the profit of {s}?", "What about the shares?|What about the shares of {s}?", "Who founded it?|Who founded {s}?",
    "who can join them|Who can join {s}?", "What are they known for?|What is {s} known for?", "Where do they meet?|Where does {s} meet?",
)  # fmt: skip
SHIP = (
    "Is the cook well?|Is the cook of {s} well?", "Who is the captain?|Who is the captain of {s}?", "how many people were on board|How many people were on board of {s}?",
    "Where is it bound?|Where is {s} bound?", "When does it sail?|When does {s} sail?", "What was the cargo?|What was the cargo of {s}?",
    "Did it sink?|Did {s} sink?", "how wide is it|How wide is {s}?", "Who built the ship?|Who built {s}?", "Were there survivors?|Were there survivors of {s}?",
)  # fmt: skip
WORK = (
    "Who wrote it?|Who wrote {s}?", "What is it about?|What is {s} about?", "how long is it|How long is {s}?", "Is it any good?|Is {s} any good?",
    "How many copies were sold?|How many copies of {s} were sold?", "Who plays the lead?|Who plays the lead in {s}?", "what is the price|What is the price of {s}?",
    "Is there a sequel?|Is there a sequel to {s}?", "Who made the music?|Who made the music for {s}?", "where is it set|Where is {s} set?",
    "How did it end?|How did {s} end?", "Did it win a prize?|Did {s} win a prize?", "who has it now|Who has {s} now?",
)  # fmt: skip
THING = (
    "What does it cost?|What does {s} cost?", "how heavy is it|How heavy is {s}?", "Who makes it?|Who makes {s}?", "How long does the battery last?|How long does the battery of {s} last?",
    "Is it safe?|Is {s} safe?", "how fast|How fast is {s}?", "When is it in shops?|When is {s} in shops?", "And the colour?|What is the colour of {s}?",
    "How big is the screen?|How big is the screen of {s}?", "Does it come in red?|Does {s} come in red?", "Who sells it?|Who sells {s}?",
)  # fmt: skip
BY_NOUN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("bridge", "museum", "library", "tower", "theatre", "hospital", "school", "tunnel", "zoo", "stadium", "market", "lighthouse",
                     "castle", "airport", "park", "shop", "farm", "works"), BUILDING),
    **dict.fromkeys(("river", "lake", "mountain", "island", "town", "village"), NATURE),
    **dict.fromkeys(("festival", "race", "prize", "match", "conference", "storm", "election", "fire", "theft", "strike", "rescue", "trial"), EVENT),
    **dict.fromkeys(("company", "club"), FIRM),
    **dict.fromkeys(("ship", "flight"), SHIP),
    **dict.fromkeys(("book", "film", "album", "painting"), WORK),
    **dict.fromkeys(("gadget", "car", "comet"), THING),
}  # fmt: skip
