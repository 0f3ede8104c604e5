"""Messages that need a search, and messages that do not, beyond those of the other modules."""

from __future__ import annotations

# General questions for facts; {person} {town} {company} {title} {stem} {year} {month} {country} {thing} are slots.
FACTS: tuple[str, ...] = tuple(
    """
Who is {person}?|who is {person}|Tell me about {person}.|What do you know about {company}?|What does {company} do?
Who founded {company}?|{company} stock?|{company} share price|How is {company} doing?|{company} news|news about {company}
What happened in {town}?|What happened in {town} yesterday?|Where is {town}?|where's {town}|How far is {town} from {town2}?
What is {stem}?|what's {stem}|Have you heard of {stem}?|Ever heard of {company}?|What is a {stem}?|explain {stem} to me
When was {person} born?|when did {person} die|How old is {person}?|Where does {person} live?|Who is {person} married to?
Who won the {stem} Cup?|who won?|Who won the match?|who won last night|What was the score?|Did {town} win?|who scored?
When does it start?|When is the next match?|what time does it open|When is the election?|Who won the election?|who is winning?
What is the weather in {town}?|weather {town}|Will it rain tomorrow in {town}?|How cold is it in {town}?|forecast for {town}
What is the capital of {country}?|capital of {country}|population of {country}|How many people live in {town}?|how big is {country}
Who is the president of {country}?|who's the prime minister of {country}|Who is the mayor of {town}?|Who runs {company}?
What's the latest news?|latest news|any news today?|What happened today?|What's in the news?|headlines please|news?
Anything new about {person}?|What's new with {company}?|Any updates on {stem}?|update on the {stem} strike|latest on {company}
When did the war end?|When did {country} join the union?|In which year was {company} founded?|what year was that|When was that?
How much does {thing} cost?|price of {thing}|How much is {thing}?|what does {thing} cost in {country}|Is {thing} expensive in {country}?
How tall is Mount {stem}?|How deep is Lake {stem}?|How long is the River {stem}?|height of Mount {stem}|how long is the {stem} bridge
Who wrote "{title}"?|author of {title}|When did "{title}" come out?|Is "{title}" a book or a film?|what is {title} about
Who directed "{title}"?|who plays in {title}|How many copies did "{title}" sell?|Who sings "{title}"?|what's the plot of {title}
What did {person} say?|what did {person} say about {company}|Did {person} resign?|Why did {person} resign?|Is {person} still alive?
Why was {company} fined?|Why is {town} in the news?|why did the {stem} close|What caused the fire in {town}?|Why was the train late?
How many employees does {company} have?|How much money did {company} make?|revenue of {company}|who owns {company}|CEO of {company}?
Where is {company} based?|Where was {person} born?|where is the {stem} festival held|Which team does {person} play for?|where can I see {title}
Look up {person}.|search for {company}|google {stem}|Find out when {company} was founded.|Can you check the {company} share price?
Can you tell me when the {stem} bridge opens?|Do you know who designed the {stem} tower?|do you know {person}?|I want to know more about {company}.
I'd like to know who runs {company}.|Give me the facts about {stem}.|Give me the score.|Give me some information on {town}.|info on {stem} please
What is the speed of light?|How many planets are there?|When was the telephone invented?|Who discovered penicillin?|how many bones does a person have
What is photosynthesis?|How does a vaccine work?|What is inflation?|What does GDP mean?|what is a black hole|how do planes fly|What is DNA?
Which is the largest ocean?|What is the longest river?|highest mountain in {country}|How far away is the moon?|What is the boiling point of water?
What language do they speak in {country}?|currency of {country}|Which countries border {country}?|When is the national day of {country}?|time in {country}?
Is it true that {company} was sold?|Is {town} a big city?|Did {company} buy {company2}?|Has the {stem} bridge opened yet?|is the {stem} museum open today
Are there any trains to {town}?|When is the next train to {town}?|Is there a flight from {town} to {town2}?|Is the road to {town} closed?|any delays today?
What happened to {person}?|What happened to {company}?|whatever happened to {person}|what's going on in {town}|what's happening in {country}
What did the court decide?|What did parliament vote on?|How did the vote end?|result of the vote?|who got the {stem} Prize|Which film won the {stem} Award?
What are the rules of {sport}?|Who holds the record in {sport}?|When was {sport} invented?|world record in {sport}|Who is the best {sport} player of {country}?
How many people died in the storm?|How strong was the earthquake?|Where did the storm hit?|how many homes lost power|Was anyone hurt in {town}?
{person}?|{company}?|{stem}?|{town}?|"{title}"?|the {stem} case?|{company} merger|{person} interview|{stem} recall|{person} trial verdict
Who invented {thing}?|Where do {animal} live?|What do {animal} eat?|how long do {animal} live|How is {thing} made?|history of {thing}|origin of {thing}
Who was the first person on the moon?|Who built the pyramids?|When did the Titanic sink?|Who painted the Mona Lisa?|When did the Berlin Wall fall?
When does the {stem} bridge open?|Who designed the new library?|How much did the new stadium cost?|When will the museum open?|what's the name of the new mayor
How many episodes does "{title}" have?|When is the concert?|Where is the concert?|how much are tickets|Who is the singer of the band {stem}?
Which company makes the {stem} 300?|battery life of the {stem} Pro|specs of the {stem} X2|release date of the {stem} 300|is the {stem} Mini any good according to tests?
What's the interest rate?|exchange rate dollar euro|oil price today|What is the minimum wage in {country}?|unemployment in {country}|how is the stock market doing
Who said that?|When was it built?|where is it|how old is he|how old is she?|who is he?|Who is she?|What is it called?|What's it made of?|what is that
Who designed it?|who built it|how much did it cost?|when did it open?|and when did it open?|And where is it?|And who runs it?|how many people came?
How long is it?|how deep?|how many?|how much?|since when?|Until when?|and who came second?|and the score?|and the price?|Where did it happen?
And in {year}?|what about {town}?|and {person}?|What about {company}?|And in {country}?|how about {stem}?|Which one is older?|Which one is bigger?
Where were you born?|When were you born?|When did you die?|What books did you write?|Which book made you famous?|Who was your wife?|how many children did you have
Where did you grow up?|what was your first job|Who was your teacher?|Which newspaper did you write for?|when did you write that book|In which house did you live?|who taught you
What's the {stem} case about?|Who sued {company}?|What did {company} announce?|what did {company} announce today|Did {person} win?|Did the {stem} pass?|is the strike over?
Is there a cure for malaria?|What causes earthquakes?|Why is the sea salty?|how far is the sun|What is the smallest country?|who invented the radio|when was paper invented
How many people speak Spanish?|What is the tallest building?|which animal is the fastest|What year did the first train run?|who was the first woman in space|define democracy
What does "{stem}" mean?|meaning of the word {stem}|what does NATO stand for|synonym for happy|how do you spell necessary|translate hello into French
Which channel shows the match?|Where can I buy tickets?|How do I get to {town}?|nearest hospital in {town}|opening hours of the {stem} museum|phone number of {company}
What is {person} famous for?|Which films did {person} make?|what did {person} discover|Is {person} a painter?|Was {person} a king?|{person} wiki|biography of {person}
How many goals did {person} score?|Which club did {person} join?|who coaches {town}|when does {person} retire|How much does {person} earn?|is {person} married
What time is it in {country}?|what's the date of the election in {country}|When is Easter this year?|how many days until Christmas|when is the next full moon
Who else was there?|What happened next?|what happened then|Why did it close?|Why was it delayed?|what caused it|Why did he leave?|why did she resign?
""".replace("\n", "|")
    .strip("|")
    .split("|")
)

# Talk that needs no facts.
TALK: tuple[str, ...] = tuple(
    """
I think {thing} is overrated.|I love {thing}.|i hate {thing}|Do you like {thing}?|What do you think about {thing}?|{thing} is the best|I could eat {thing} every day
Do you like {animal}?|I'm afraid of {animal}.|{animal} are so cute|I saw {animal} today and it made me happy.|I wish I were one of the {animal}
Do you like {sport}?|Sundays are for {sport}.|{sport} is so boring|I want to get better at {sport}, but I'm lazy.|{sport} or sleep, what would you choose
My name is {first}.|I'm {first}, nice to meet you|call me {first}|{first} here!|Hi, I'm {first}.|It's me, {first}.|my friend {first} says hi
My friend {first} is mad at me.|{first} and I had a fight|I miss {first}.|I think I'm in love with {first}.|{first} never calls me back|should I call {first}?
I feel weird today.|I feel like nobody understands me|I'm in a good mood|Today was a long day.|what a day|I need a break|I need a hug|I'm scared
I had a terrible dream.|I can't stop thinking about her.|I miss my mum|I'm so proud of my kids|My kids are driving me crazy|I'm getting old
Is it ever right to lie?|What is freedom?|Do we have free will?|What is a good life?|Why do people suffer?|Is time real?|what is truth|What makes a person good?
Is it better to be loved or feared?|Would you rather be rich or happy?|If you could have one wish, what would it be?|What would you do with a million dollars?
What do you think happens after death?|Do you believe in fate?|Are we alone, do you think?|does anything really matter|Can money buy happiness?
Should I forgive him?|should I text her|Should I go to the party?|should I get a dog|What should I wear?|Should I stay or go?|do I look silly if I do that
How do I get over a breakup?|How can I be more confident?|how do I say no to people|How do I deal with stress?|give me a reason to get up|how do I relax
What are you thinking about?|What do you want?|what are your hobbies|Do you get bored?|Do you like your job?|Do you like talking to me?|are you busy?
What do you think of me?|Do you remember me?|do you trust me|Can I trust you?|Can I tell you a secret?|I want to tell you something|guess what
You're funny.|You're weird|you are sweet|You sound like my grandfather|you talk too much|I like how you talk|you never answer me|stop it|shut up|leave me alone
Let's play a game.|sing me a song|Write me a poem.|tell me a story|Tell me a riddle.|say something|Talk like a pirate.|pretend you're a cat|give me a compliment
Knock knock.|boo!|meow|test|testing|asdf|?|...|!!!|hmm|hm|uh|oh|ah ok|aww|yay|woohoo|ugh|meh|whatever|nvm|never mind|brb|omg|wtf|same|me too|true|exactly
I agree.|I disagree|I don't think so|that's what I thought|you're right|you're wrong|good point|fair enough|makes sense|that makes no sense|interesting|cool|nice|great
That is sad.|that's sad|how awful|That's beautiful|I like that|I don't like that|that was helpful|not helpful|that's enough|perfect|brilliant|well said|good answer
Thanks, that's all.|thanks, that helped|ok thank you|no thanks|yes please|please|please don't|go on|continue|more|again|what?|why?|huh?|why not?|how come?|so what?
I just woke up.|Just got home from work.|I'm cooking dinner.|I'm on the bus|I'm going for a walk.|heading to the gym|I'm watching TV|I'm having coffee|time for lunch
It's so hot today.|I love rainy days|What a lovely morning|I hate Mondays|Finally Friday!|weekend at last|the sun is out|snow makes me happy|I like autumn best
We're having a baby!|I got engaged!|I'm getting married next month.|my son started school today|we adopted a puppy|I finished my book|I finally cleaned my room
Do you prefer tea or coffee?|coffee or tea?|Pancakes or waffles?|city or countryside?|early bird or night owl?|sweet or salty?|cake or pie?|books or films?
What's your favourite word?|what's your favourite animal|What's your favourite season?|Do you have a favourite song?|what's your idea of a perfect day|what makes you laugh
I'm thinking of learning the guitar.|I started painting again|I want to write a novel.|My garden makes me happy|I knitted a scarf|I tried to bake bread and it burned
People are strange.|Nobody listens anymore.|Kids these days!|the world is mad|everything was better before|I don't trust anyone|humans are funny|life is beautiful
What is your opinion on {thing}?|thoughts on {thing}?|{thing} yes or no?|Convince me to like {thing}.|how do you feel about {sport}|what do you feel about {animal}
I don't feel like talking about facts.|Let's not talk about work.|I was just kidding|just joking|I'm only teasing you|no offence|don't worry about it|it's nothing
You remind me of my uncle.|You have a nice way with words.|I wish I could write like you.|do you ever shut up?|you made my day|you always know what to say
How do you feel about getting old?|Are you afraid of death?|Do you believe in miracles?|what would make you happy|Do you ever get lonely?|what scares you
I can't decide what to wear.|I don't know what to cook.|what should I name my cat|help me choose a gift for {first}|what should I say to {first}|how do I tell {first} the truth
Good luck wishes please|wish me luck|Wish me luck for tomorrow!|fingers crossed|I'm so excited!|I can't believe it!|finally!|at last!|hooray|oh no|oops|damn|my goodness
I think that you are wrong about that.|I never thought of it that way.|that sounds about right|I couldn't agree more|who cares|so be it|that's life|such is life|c'est la vie
Do you think {first} likes me?|{first} is my best friend.|{first} is so annoying.|I had a nice evening with {first}.|I'm writing a letter to {first}.|{first} makes me laugh
{thing} makes me happy.|I can't live without {thing}.|Life without {thing} is dull.|nothing beats {thing}|is it weird that I like {thing}|I gave up {thing}|I'm craving {thing}
Good to talk to you.|nice chat|it was nice talking to you|I enjoyed that|let's talk again tomorrow|don't go|stay with me|I'll be right back|one moment|wait
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
THINGS = (
    "coffee", "tea", "pizza", "chocolate", "cheese", "rain", "snow", "jazz", "poetry", "opera", "gold", "bread", "wine",
    "camping", "modern art", "social media", "school", "homework", "cooking", "gardening", "a bicycle", "a piano",
    "karaoke", "ice cream", "sushi", "winter", "the sea", "silence", "long walks", "old films", "comics", "fashion",
    "video games", "early mornings", "big cities", "small towns", "a good night's sleep", "honey", "salt", "paper",
)  # fmt: skip
TOUCHES = (
    "{m}",
    "{m}",
    "{m}",
    "{m}",
    "{m}",
    "{m}",
    "{l}",
    "{l}",
    "{b}",
    "hey {l}",
    "Hi, {m}",
    "so {l}",
    "{b} please",
    "ok {l}",
    "um {l}",
)
