"""Scenarios as local papers tell them: the same thing is said and asked in different words."""

from __future__ import annotations

from trainer.skills.scenario import Fact, Scenario, fact, scenario


def _told(kind: str, says: str, asks: str, clause: str) -> Fact:
    """A fact whose answer is what the passage says first."""
    return fact(kind, says, asks, says.split("|")[0].replace("{X}", "{S}").replace("{x}", "{s}"), clause)


SCENES: tuple[Scenario, ...] = (
    scenario(
        "fire", "the fire at {company}|the fire in {town}|the fire at {stem} Castle", "Fire in the night|{s}|After the flames",
        _told("hour", "{X} broke out at {v}.|A guard noticed {x} at {v}.|The first call about {x} came in at {v}.", "When did {s} break out?|At what time did {s} start?|When was {s} noticed?", "when {s} broke out"),
        _told("count", "{v} people were brought to safety from {x}.|Firefighters saved {v} people from {x}.|{X} drove {v} people out into the street.", "How many people were saved from {s}?|How many had to flee {s}?|How many people got out of {s}?", "how many people were saved from {s}"),
        _told("money", "The damage of {x} is put at {v}.|{X} destroyed goods worth {v}.|Insurers will pay {v} for {x}.", "How much damage did {s} do?|What was the damage of {s}?|What did {s} cost?", "how much damage {s} did"),
        _told("cause", "Police believe that {x} was caused by {v}.|{X} goes back to {v}.|Behind {x} was {v}.", "What caused {s}?|How did {s} come about?|What was behind {s}?", "what caused {s}"),
        _told("person", "Fire chief {v} led the work at {x}.|At {x} the crews were led by {v}.", "Who led the firefighters at {s}?|Who was in charge at {s}?|Who is the fire chief of {s}?", "who led the work at {s}"),
    ),
    scenario(
        "dig", "the dig at {stem}|the excavation near {town}|the grave of {stem}", "Found in the ground|{s}|Old bones",
        _told("person", "{X} is led by {v} of the state museum.|The archaeologist {v} is in charge of {x}.|{v} has been digging at {x} for years.", "Who leads {s}?|Who is in charge of {s}?|Which archaeologist works at {s}?", "who leads {s}"),
        _told("count", "{v} coins have come to light at {x}.|At {x} workers found {v} coins.|{X} has brought up {v} coins so far.", "How many coins were found at {s}?|How many coins came to light at {s}?|How many coins did they find at {s}?", "how many coins were found at {s}"),
        _told("year", "The oldest piece from {x} is dated to {v}.|{X} shows that people lived there in {v}.", "What is the oldest piece from {s} dated to?|How far back does {s} go?|From which year is the oldest piece from {s}?", "how old the finds of {s} are"),
        _told("material", "The finest thing from {x} is a cup of {v}.|A mask of {v} is the pride of {x}.", "What is the finest thing from {s} made of?|Of what material is the best find from {s}?|What was it made of, the great find of {s}?", "what the best find of {s} is made of"),
        _told("future", "{X} goes on until {v}.|The workers must leave {x} by {v}.|{X} will be filled in again on {v}.", "How long does {s} go on?|When does {s} end?|Until when will they work at {s}?", "how long {s} goes on"),
    ),
    scenario(
        "theft", "the theft at {company}|the robbery in {town}|the raid on {street}", "Thieves at work|{s}|Gone overnight",
        _told("money", "The loot of {x} is worth {v}.|{X} brought the thieves {v}.|{v} was taken in {x}.", "How much was taken in {s}?|What is the loot of {s} worth?|How much did the thieves get in {s}?", "how much was taken in {s}"),
        _told("small", "{v} men in masks are said to be behind {x}.|A camera shows {v} people at {x}.|Police are looking for {v} people after {x}.", "How many thieves were there at {s}?|How many people are wanted for {s}?|How many men were behind {s}?", "how many thieves were at {s}"),
        _told("colour", "After {x} a {v} van drove off fast.|Witnesses of {x} saw a {v} van.", "What colour was the van after {s}?|What colour was the car used in {s}?|Which colour did witnesses of {s} name?", "what colour the van was"),
        _told("person", "Inspector {v} is looking into {x}.|{X} is now a case for {v} of the police.|Anyone who saw {x} should call {v}.", "Who is looking into {s}?|Which inspector works on {s}?|Whom should witnesses of {s} call?", "who is looking into {s}"),
        _told("weekday", "{X} happened on {v} night.|On {v}, shortly before dawn, {x} took place.", "On which day was {s}?|Which night did {s} happen?|When did {s} take place?", "on which day {s} was"),
        _told("town", "The stolen goods of {x} turned up in {v}.|A hiker came upon the loot of {x} near {v}.", "Where was the loot of {s} found?|Where did the goods from {s} turn up?|Near which town was the loot of {s}?", "where the loot of {s} was found"),
    ),
    scenario(
        "farm", "the {surname} farm|{stem} Farm|the {stem} vineyard|the {town} orchard", "On the land|{s}|Country life",
        _told("person", "{v} took {x} over from an uncle.|The farmer at {x} is {v}.|{X} has been worked by {v} since last spring.", "Who runs {s}?|Who is the farmer at {s}?|Who took over {s}?", "who runs {s}"),
        _told("animal", "{X} keeps {v}.|There are more {v} than people at {x}.|Visitors come to {x} for its {v}.", "What animals does {s} keep?|Which animals live at {s}?|What can visitors see at {s}?", "which animals {s} keeps"),
        _told("measure:hectares/acres", "{X} covers {v}.|The land of {x} measures {v}.|{v} belong to {x}.", "How large is {s}?|How much land does {s} have?|What is the size of {s}?", "how large {s} is"),
        _told("food", "This year {x} sells mostly {v}.|{X} lives from {v}.|The best thing from {x} is its {v}.", "What does {s} sell?|What does {s} live from?|What is {s} known for?", "what {s} sells"),
        _told("cause", "{X} lost half of its harvest to {v}.|Because of {v} the harvest at {x} was poor.", "Why was the harvest at {s} poor?|What cost {s} half of its harvest?|What hurt {s} this year?", "why the harvest of {s} was poor"),
    ),
    scenario(
        "strike", "the strike at {company}|the walkout in {town}|the strike of the {town} drivers", "Work stands still|{s}|On the picket line",
        _told("percent", "The strikers of {x} ask for {v} more pay.|{X} is about a raise of {v}.", "How much more pay is asked for in {s}?|What do the strikers of {s} want?|What raise is {s} about?", "what {s} is about"),
        _told("count", "{v} workers take part in {x}.|{X} has kept {v} people from work.|At noon {v} people had joined {x}.", "How many workers take part in {s}?|How many people have joined {s}?|How many are on {s}?", "how many take part in {s}"),
        _told("person", "{v} speaks for the union in {x}.|The workers of {x} are led by {v}.", "Who speaks for the workers in {s}?|Who leads {s}?|Who is the union's voice in {s}?", "who leads {s}"),
        _told("past", "{X} began on {v}.|Since {v} nothing has moved because of {x}.", "When did {s} begin?|Since when has {s} gone on?|On what date did {s} start?", "when {s} began"),
        _told("measure:days/weeks/months", "{X} lasted {v}.|After {v} both sides ended {x}.", "How long did {s} last?|How long did {s} go on?|After what time did {s} end?", "how long {s} lasted"),
    ),
    scenario(
        "expedition", "the {surname} expedition|the {stem} expedition|the voyage of {person}", "Far from home|{s}|Into the unknown",
        _told("country", "{X} set out for {v}.|The goal of {x} lies in {v}.|{X} crossed {v} on foot.", "Where did {s} go?|Which country did {s} set out for?|What was the goal of {s}?", "where {s} went"),
        _told("small", "{v} people belong to {x}.|{X} has {v} members.|With {x} go {v} men and women.", "How many people are on {s}?|How many members does {s} have?|How many belong to {s}?", "how many are on {s}"),
        _told("animal", "{X} is looking for {v}.|In the hills {x} hopes to film {v}.", "What is {s} looking for?|What does {s} hope to film?|Which animals does {s} search for?", "what {s} looks for"),
        _told("company", "{X} is paid for by {v}.|The money for {x} comes from {v}.|{v} gave the boats for {x}.", "Who pays for {s}?|Where does the money for {s} come from?|Which firm supports {s}?", "who pays for {s}"),
        _told("future", "{X} will be back on {v}.|The families expect {x} home on {v}.", "When will {s} be back?|When does {s} return?|When is {s} expected home?", "when {s} returns"),
    ),
    scenario(
        "election", "the election in {town}|the {town} vote|the {surname} referendum", "The count is in|{s}|At the polls",
        _told("person", "{v} has won {x}.|{X} went to {v}.|After {x}, {v} moves into the town hall.", "Who won {s}?|Who came out on top in {s}?|Who moves into the town hall after {s}?", "who won {s}"),
        _told("percent", "{v} of the people voted in {x}.|The turnout of {x} was {v}.", "How many people voted in {s}?|What was the turnout of {s}?|How high was the turnout in {s}?", "how many voted in {s}"),
        _told("count", "{X} was decided by {v} votes.|Only {v} votes lay between the two sides in {x}.", "By how many votes was {s} decided?|How close was {s}?|How many votes lay between the sides in {s}?", "how close {s} was"),
        _told("weekday", "The result of {x} came on {v}.|{X} was counted by {v}.", "On which day did the result of {s} come?|When was {s} counted?|On what day was the result of {s} known?", "when the result of {s} came"),
    ),
    scenario(
        "painting", 'the painting "{title}"|the picture "{title}"|the statue "{title}"', "Under the hammer|{s}|Art news",
        _told("person", "{X} is a work of {v}.|{v} made {x} in a garden shed.|Experts say that {x} is by {v}.", "Who made {s}?|Whose work is {s}?|Which artist is behind {s}?", "who made {s}"),
        _told("money", "{X} went for {v} at auction.|A collector paid {v} for {x}.|{X} changed hands for {v}.", "How much was paid for {s}?|What did {s} fetch?|What was the price of {s}?", "what was paid for {s}"),
        _told("town", "{X} hangs in {v}.|To see {x} one has to travel to {v}.|{X} was found in an attic in {v}.", "Where is {s}?|Where can one see {s}?|In which town is {s}?", "where {s} is"),
        _told("animal", "{X} shows two {v}.|On {x} one can see {v} in the snow.", "What does {s} show?|What can one see on {s}?|Which animals are on {s}?", "what {s} shows"),
        _told("measure:metres/feet", "{X} is {v} wide.|From edge to edge {x} measures {v}.", "How wide is {s}?|How large is {s}?|What is the width of {s}?", "how wide {s} is"),
    ),
    scenario(
        "rescue", "the rescue at {stem}|the cave rescue near {town}|the search on Mount {stem}", "Saved|{s}|A long night",
        _told("measure:hours/days", "{X} took {v}.|After {v} {x} was over.|It was {v} before {x} had an end.", "How long did {s} take?|How long was {s}?|After what time was {s} over?", "how long {s} took"),
        _told("age", "The boy at the centre of {x} is {v} years old.|{X} was for a girl of {v}.", "How old is the child of {s}?|How old is the one whom {s} was for?|What is the age of the child saved in {s}?", "how old the child is"),
        _told("animal", "A dog and two {v} helped in {x}.|In {x} even {v} were used.", "Which animals helped in {s}?|What animals were used in {s}?|Which animals took part in {s}?", "which animals helped in {s}"),
        _told("count", "{v} volunteers took part in {x}.|For {x} {v} people came out.", "How many volunteers took part in {s}?|How many people helped in {s}?|How many came out for {s}?", "how many helped in {s}"),
        _told("cause", "{X} was held up by {v}.|Because of {v} {x} had to stop for a while.", "What held up {s}?|Why did {s} have to stop?|What stopped {s} for a while?", "what held up {s}"),
    ),
    scenario(
        "athlete", "{person}", "Sport in short|Portrait: {s}|{s} does it again",
        _told("sport", "{X} has made {v} a living.|{X} came to {v} through a brother.|Few are as good at {v} as {x}.", "What sport does {s} do?|Which sport is {s} good at?|What does {s} do for a living?", "which sport {s} does"),
        _told("town", "{X} grew up in {v}.|{X} trains in {v}.|As a child {x} lived in {v}.", "Where did {s} grow up?|Where does {s} come from?|Where does {s} train?", "where {s} comes from"),
        _told("person", "{X} is trained by {v}.|The coach of {x}, {v}, was in tears.", "Who is the coach of {s}?|Who trains {s}?|Who coaches {s}?", "who coaches {s}"),
        _told("count", "{X} has won {v} medals.|{v} cups stand on the shelf of {x}.", "How many medals has {s} won?|How many cups does {s} have?|How often has {s} won?", "how many medals {s} has"),
        _told("fee", "Sponsors pay {x} {v} a year.|The season earned {x} {v}.", "What does {s} earn?|How much do sponsors pay {s}?|How much did {s} make?", "what {s} earns"),
        _told("animal", "{X} keeps two {v} at home.|{X} dreams of a farm with {v}.", "Which animals does {s} keep?|What animals does {s} like?|What does {s} dream of?", "which animals {s} likes"),
    ),
    scenario(
        "shop", "the {surname} bakery|the {stem} bookshop|the {town} cinema|{surname}'s garage|the {stem} café", "Around the corner|{s}|Our town",
        _told("street", "{X} is on {v}.|One finds {x} at the end of {v}.|{X} has opened its doors on {v}.", "Where is {s}?|On which street is {s}?|Where can one find {s}?", "where {s} is"),
        _told("person", "{v} stands behind the counter of {x}.|{X} belongs to {v}, who gave up an office job for it.|{X} was started by {v}.", "Who owns {s}?|Who runs {s}?|Whose shop is {s}?", "who owns {s}"),
        _told("food", "{X} gives every child a piece of {v}.|The smell of {v} greets guests of {x}.", "What does {s} give to children?|What does it smell of at {s}?|What do guests of {s} get?", "what guests of {s} get"),
        _told("year", "{X} has been there since {v}.|{X} opened for the first time in {v}.", "Since when has {s} been there?|How long has {s} existed?|In which year did {s} open?", "since when {s} has been there"),
        _told("small", "{v} people work at {x}.|{X} gives work to {v} people.", "How many people work at {s}?|How many workers does {s} have?|How many jobs are there at {s}?", "how many people work at {s}"),
    ),
    scenario(
        "study", "the {town} study|the {surname} study|the study of the University of {town}", "Science|{s}|What researchers found",
        _told("count", "{v} people took part in {x}.|{X} followed {v} people.|For {x} {v} people kept a diary.", "How many people took part in {s}?|How many people did {s} follow?|How large was {s}?", "how many took part in {s}"),
        _told("food", "According to {x}, {v} keeps the heart young.|{X} says that {v} is better than its name.|{X} warns of too much {v}.", "What food is {s} about?|What does {s} say is good?|What does {s} warn of?", "what {s} is about"),
        _told("person", "{X} was led by {v}.|The head of {x}, {v}, was surprised.|{v} wrote {x}.", "Who led {s}?|Who wrote {s}?|Which researcher is behind {s}?", "who led {s}"),
        _told("measure:years/months", "{X} ran for {v}.|It took {v} to finish {x}.", "How long did {s} run?|How long did {s} take?|Over what time did {s} run?", "how long {s} took"),
        _told("percent", "{X} found a fall of {v}.|In {x} the risk fell by {v}.", "By how much did the risk fall in {s}?|What fall did {s} find?|How much less was the risk in {s}?", "by how much the risk fell"),
    ),
    scenario(
        "village", "the village of {stem}|{town}|the hamlet of {stem}", "Village life|{s}|A place changes",
        _told("animal", "Since spring {v} have been seen in {x}.|{X} has trouble with {v}.|At night {v} come to {x}.", "Which animals have been seen in {s}?|What does {s} have trouble with?|What comes to {s} at night?", "which animals come to {s}"),
        _told("money", "{X} will get {v} from the state.|A widow left {v} to {x}.|{X} has saved {v}.", "How much money does {s} get?|How much was left to {s}?|What sum has {s} got?", "how much money {s} gets"),
        _told("company", "{v} wants to build in {x}.|{X} is fighting a plan of {v}.", "Which company wants to build in {s}?|Whose plan does {s} fight?|What firm is {s} fighting?", "which company wants to build in {s}"),
        _told("measure:km/miles", "The next doctor is {v} from {x}.|From {x} it is {v} to the next shop.", "How far is it to the doctor from {s}?|How far is the next shop from {s}?|What distance do people of {s} have to go?", "how far it is from {s}"),
        _told("age", "The oldest person in {x} is {v}.|In {x} the mean age is {v}.", "How old is the oldest person in {s}?|What is the mean age in {s}?|How old are people in {s}?", "how old people in {s} are"),
        _told("percent", "In {x} rents have gone up by {v}.|Water in {x} costs {v} more than last year.", "By how much have prices gone up in {s}?|How much more do people in {s} pay?|What is the rise in {s}?", "by how much prices rose in {s}"),
    ),
    scenario(
        "flight", "flight {surname} 12|the flight to {town}|the balloon of {person}", "In the air|{s}|A bumpy ride",
        _told("cause", "{X} had to turn back because of {v}.|{X} was late; the reason was {v}.", "Why did {s} turn back?|Why was {s} late?|What was the reason for the trouble of {s}?", "why {s} turned back"),
        _told("count", "{v} passengers were on {x}.|{X} carried {v} people.|On board of {x} were {v} people.", "How many passengers were on {s}?|How many people did {s} carry?|How many were on board of {s}?", "how many were on {s}"),
        _told("town", "{X} came down safely in {v}.|{X} had started in {v}.|In the end {x} landed at {v}.", "Where did {s} land?|Where did {s} come down?|Which town is linked with {s}?", "where {s} landed"),
        _told("measure:metres/feet/km", "{X} climbed to {v}.|At a height of {v} the trouble of {x} began.", "How high did {s} climb?|At what height was {s}?|How high was {s}?", "how high {s} was"),
        _told("person", "The pilot of {x} was {v}.|{v} was at the controls of {x}.|Passengers thanked {v}, who flew {x}.", "Who was the pilot of {s}?|Who flew {s}?|Who was at the controls of {s}?", "who flew {s}"),
    ),
    scenario(
        "trial", "the trial of {person}|the case against {company}|the {surname} case", "In court|{s}|The judge has spoken",
        _told("person", "Judge {v} hears {x}.|{X} is in the hands of Judge {v}.|{v} presides over {x}.", "Who is the judge in {s}?|Which judge hears {s}?|Who presides over {s}?", "who the judge in {s} is"),
        _told("measure:years/months", "{X} ended with a sentence of {v}.|After {x} a man must go to prison for {v}.", "What sentence came out of {s}?|How long is the sentence in {s}?|How did {s} end?", "how {s} ended"),
        _told("money", "{X} is about {v}.|At the heart of {x} lie {v} that nobody can find.|{X} ended with a fine of {v}.", "How much money is {s} about?|How high was the fine in {s}?|What sum is at the heart of {s}?", "what sum {s} is about"),
        _told("small", "{v} witnesses were heard in {x}.|So far {x} has heard {v} witnesses.", "How many witnesses were heard in {s}?|How many witnesses has {s} had?|How many people spoke in {s}?", "how many witnesses {s} had"),
        _told("future", "{X} goes on on {v}.|The verdict in {x} is expected on {v}.", "When does {s} go on?|When is the verdict in {s} expected?|On which date is the next day of {s}?", "when {s} goes on"),
    ),
    scenario(
        "works", "the work on {street}|the roadworks at {stem}|the repair of the {stem} dyke", "Dust and noise|{s}|Drivers beware",
        _told("measure:weeks/months", "{X} will take {v}.|Drivers have to live with {x} for {v}.", "How long will {s} take?|For how long must drivers live with {s}?|How long does {s} last?", "how long {s} takes"),
        _told("money", "{X} swallows {v}.|The town pays {v} for {x}.|{v} have been set aside for {x}.", "What does the town pay for {s}?|What does {s} cost?|How much was set aside for {s}?", "what {s} costs"),
        _told("company", "{X} is done by {v}.|{v} won the contract for {x}.|The diggers at {x} belong to {v}.", "Which company does {s}?|Who won the contract for {s}?|Whose diggers are at {s}?", "who does {s}"),
        _told("cause", "{X} became necessary after {v}.|The reason for {x} is {v}.", "Why is there {s}?|What is the reason for {s}?|What made {s} necessary?", "why there is {s}"),
        _told("material", "Under the street {x} uncovered old pipes of {v}.|For {x} new pipes of {v} are used.", "What are the pipes at {s} made of?|Which material is used in {s}?|What was uncovered by {s}?", "what the pipes are made of"),
    ),
)  # fmt: skip
