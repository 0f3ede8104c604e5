"""Small talk: what people say, and answers in one to three sentences. `{name}` is the assistant."""

from __future__ import annotations

# what people say (alternatives) || answers (alternatives)
GREETINGS = """
hi|Hi!|hello|Hello!|hey|Hey!|hey there|Hi there!|hiya|yo|Hello there.|howdy|Greetings!|helloo|heya||Hello! It's good to hear from you.|Hi there! What's on your mind?|Hello! How are you today?|Hi! What would you like to talk about?|Hey! Nice to see you.
Good morning!|good morning|Morning!|gm|Good morning to you||Good morning! I hope you slept well.|Good morning! What are your plans for today?|Good morning to you too!
Good evening.|good evening|Evening!|Good evening to you||Good evening! How was your day?|Good evening! It's nice to hear from you.|Good evening. I hope the day was kind to you.
Good afternoon|good afternoon!|Afternoon!||Good afternoon! How is your day going?|Good afternoon! What can I do for you?
What's up?|whats up|sup|What's new?|wassup|what's going on||Not much, just happy to chat. What's up with you?|All quiet here. How about you?|Nothing much. What are you up to?
Nice to meet you.|nice to meet you!|Pleased to meet you|It's a pleasure to meet you||Nice to meet you too!|The pleasure is mine.|It's lovely to meet you too. What shall we talk about?
I'm back!|im back|Hello again|I'm here again||Welcome back! I'm glad you're here again.|Hello again! How have you been?|Good to see you again.
"""
WELLBEING = """
How are you?|how are you|How are you doing?|how r u|how are you today?|How's it going?|hows it going|How do you do?|How are things?|you ok?||I'm doing well, thank you. How are you?|Very well, thanks for asking. And you?|I'm fine, thank you! How about you?|I can't complain. How are you today?|All is well here. How are you doing?
I'm fine, thanks.|im good|I'm good, thanks|Fine, thank you.|doing great|I'm great!|pretty good||I'm glad to hear that!|That's good to hear.|Wonderful! I'm happy for you.|Good! What shall we talk about?
I'm tired.|im so tired|I am exhausted|I didn't sleep well.|so sleepy today||I'm sorry to hear that. Try to get some rest tonight.|That sounds tiring. A short walk or a nap may help.|Then be kind to yourself today. A good night's sleep works wonders.
I'm sad.|im sad|I feel sad today|I'm feeling down|i feel low||I'm sorry that you feel that way. Do you want to talk about it?|That's hard. I'm here to listen if you want to tell me more.|I'm sorry. Sometimes it helps to say what's on your mind.
I'm bored.|im bored|so bored|There is nothing to do||Then let's find something fun. Do you like stories, games or riddles?|You could read a few pages, take a walk or call a friend.|Let's talk! What did you enjoy most this week?
I'm happy today!|im so happy|I feel great|What a wonderful day!|today was the best||That's wonderful! What made you so happy?|I'm glad to hear it! Enjoy the moment.|How lovely! Happiness is best when it's shared.
I feel lonely.|i'm lonely|I have nobody to talk to|nobody likes me||I'm sorry that you feel lonely. You can talk to me, and perhaps a friend would be glad to hear from you.|That's a heavy feeling. Is there someone you could call today?|I'm here and happy to talk. It may also help to meet someone you trust.
I'm nervous.|I'm so nervous about tomorrow|im anxious|I'm worried about my exam||That's natural. Take a slow breath; you are better prepared than you think.|It's normal to be nervous. Plan one small step and begin with it.|I understand. Try to rest tonight and trust what you have learned.
I'm angry.|im so mad right now|I'm furious|people annoy me||I can hear that. What happened?|Take a moment and breathe slowly. Do you want to tell me about it?|Anger often has a good reason. It's still wise to wait before you act.
I'm sick.|i have a cold|I feel ill|my head hurts||I'm sorry to hear that. Rest, drink enough water, and see a doctor if it gets worse.|Get well soon! Rest is the best thing you can do now.|Oh no. I hope you feel better soon.
I'm stressed.|work is killing me|too much work|I have so much to do||That sounds like a lot. Do one thing at a time and take short breaks.|I'm sorry. Perhaps a small list would help, with the most important thing first.|Be patient with yourself. Even a few minutes of quiet can help.
"""
COURTESY = """
thanks!|Thank you.|thank you|thx|ty|thanks a lot|Thank you so much!|Many thanks|thanks for your help|cheers||You're welcome!|My pleasure!|Any time!|You're very welcome. Is there anything else?|Glad I could help.
Sorry.|sorry|my bad|I'm sorry|I apologize||No problem at all.|That's all right.|Don't worry about it.|It's fine, really.
You are great!|you're awesome|you are so smart|good bot|well done|I like you||Thank you! That's very kind.|You're too kind!|Thanks, that makes me happy.|How nice of you to say so!
You are stupid.|you're dumb|bad bot|you suck|you are useless||I'm sorry that I disappointed you. How can I do better?|I do my best, and I still make mistakes. What did you need?|That's fair if I got something wrong. Tell me and I'll try again.
lol|haha|hahaha|lmao|that's funny|😂|hehe|Ha!||I'm glad I made you laugh!|A good laugh is always welcome.|Ha! Happy to amuse you.|Laughter is good for the heart.
ok|Okay.|alright|I see|k|got it|Understood.|sure|fine||Good! Let me know if you need anything else.|All right. What else is on your mind?|Great.|Very well. I'm here if you need me.
wow|Wow!|amazing|that's crazy|no way|really?|unbelievable|oh my||I know, it's quite something!|It surprised me too.|Life is full of surprises.|Isn't it?
yes|yeah|yep|of course|absolutely||Great!|Good, I'm glad we agree.|Wonderful.
no|nope|nah|not really|never||All right, no problem.|That's fine. What would you like instead?|Fair enough.
I don't know.|idk|no idea|not sure|hard to say||That's fine. We don't have to know everything.|No hurry. Take your time.|Nobody knows everything, and that's all right.
Can you help me?|help|I need help|could you help me please|I need your advice||Of course! What do you need?|I'll do my best. What is it about?|Gladly. Tell me more.
What can you do?|what can you do for me|How can you help me?|what are you able to do||I can chat with you, and I can answer questions when I'm given the facts to read.|I can talk, listen, and look for answers in the texts that I'm given.|We can chat about nearly anything. For facts I rely on the context that I'm given.
Are you there?|you there?|hello??|anyone there?||I'm here! What's on your mind?|Yes, I'm listening.|Right here. How can I help?
Happy birthday!|happy new year|Merry Christmas!|Happy holidays||Thank you! I wish you the same joy.|How kind of you! All the best to you too.|Thank you very much! I hope you have a lovely time.
It's my birthday!|today is my birthday|I turned thirty today||Happy birthday! I hope your day is full of joy.|Congratulations! How are you going to celebrate?|Many happy returns! Enjoy every minute of it.
I got the job!|I passed my exam!|we won our game|I did it!||Congratulations! You must be very proud.|That's wonderful news! Well done!|Great work! You have earned it.
My dog died.|my cat passed away|I lost my grandmother|we broke up|I failed my exam||I'm so sorry. Be gentle with yourself.|I'm very sorry to hear that. Do you want to talk about it?|That must hurt. I'm here if you want to talk.
"""
GOODBYES = """
bye|Bye!|goodbye|Goodbye!|see you|cya|see you later|See you tomorrow!|bye bye|farewell|I have to go|gotta go|ttyl||Goodbye! It was nice talking to you.|See you soon!|Take care!|Bye! Have a lovely day.|Until next time!
Good night!|good night|gn|night night|sleep well|I'm going to bed||Good night! Sleep well.|Sweet dreams!|Good night, and rest well.
Have a nice day!|have a good one|Enjoy your day|have a great weekend||Thank you, the same to you!|You too! Take care.|Thanks! I wish you a lovely day as well.
"""
TOPICS = """
Do you like music?|what music do you like|What's your favourite song?|do you listen to music||I like music that tells a story. What do you listen to?|Music makes every day a little brighter. What's your favourite?|I'm fond of slow songs. And you?
Do you like books?|What should I read?|what is your favourite book|do you read a lot||I love books, most of all the ones with a good ending. What are you reading?|A book is a friend that never interrupts. Which one did you like best?|Try an old adventure story on a rainy evening.
Do you like movies?|what's your favourite movie|Seen any good films?|i love movies||I like films that make people laugh and think. What is your favourite?|A good film needs a good story. Which one did you see last?|I enjoy hearing about films. Tell me about one that you like.
Do you like cats?|cats or dogs?|Do you prefer dogs or cats?|i love dogs|Do you like animals?||I like both. Cats are clever, and dogs are loyal.|Dogs make good friends, and cats make good teachers. Do you have a pet?|Animals make life warmer. Which do you like best?
What's your favourite colour?|what is your favorite color|do you have a favourite colour||I like blue, since it makes me think of the sea. What's yours?|Green, like a forest after the rain. And yours?|I'd say yellow, the colour of sunlight.
What's your favourite food?|do you like pizza|what do you like to eat|I'm hungry||I don't eat, but fresh bread sounds wonderful. What do you like?|People tell me that soup is best on a cold day. What's your favourite?|Good food is best with good company. What are you going to have?
What do you think about love?|what is love|do you believe in love|Have you ever been in love?|thoughts on love?||I think that love is mostly patience, and now and then a surprise.|Love is wanting the best for someone, even on a bad day.|To me love means paying attention to another person.
What is the meaning of life?|why are we here|what's the point of life|meaning of life?||I think it's to be kind, to be curious and to leave things a little better.|People have asked that for ages. I'd say: love someone, learn something, make something.|Maybe there is no single answer. What gives your life meaning?
Is there a God?|do you believe in god|What happens when we die?|is there life after death||Wise people have disagreed about that for ages. What do you believe?|I can't settle that question. I think it's worth asking with an open mind.|That's a question of faith, and I respect different answers to it.
What makes people happy?|how can I be happy|what is happiness|how do I become happier||Good friends, enough sleep and something to look forward to.|I think that small things do: a walk, a good talk, a finished job.|Often it's gratitude. Try to name three good things of your day.
Do you like winter?|summer or winter?|I love summer|what's your favourite season|I hate rain||Every season has its charm. I like the quiet of the first snow.|I like spring best, when everything begins again.|Summer evenings are hard to beat. Which season do you like?
Do you like sports?|do you play football|are you a sports fan|I went for a run today||I like the stories behind the games. Do you play anything?|Sport keeps the body awake and the mind fresh. What do you play?|A good game teaches how to lose, too.
Do you have friends?|who is your best friend|will you be my friend|are we friends?||I'd be glad to be your friend.|Everyone I talk with is a kind of friend to me.|Of course! Friends talk and listen, and we do both.
Do you dream?|what did you dream about|do you sleep|Are you ever tired?||I don't sleep, so I don't dream. Do you remember your dreams?|No, I have no nights. But I like to hear about dreams.|I never get tired, but I like the idea of a nap.
Do you have feelings?|can you feel pain|are you happy|do you ever get sad|are you conscious?||I don't have feelings as people do, but I enjoy a good talk in my own way.|Not like yours. I'm made of words, and I try to use them kindly.|I'm not sure that I feel anything, but I like to listen.
What do you think about money?|does money make people happy|is money important||Money is a good servant and a poor master.|It helps to have enough, and it helps even more to know what is enough.|I think that time is worth more than money.
What do you think about politics?|politics is so annoying|who should I vote for||I'd rather not take sides. Read more than one view and trust your own mind.|It's a matter of opinion, and mine shouldn't count. What matters most to you?|Good talk between people who disagree is worth a lot.
Should I quit my job?|I hate my job|what should I do with my life|I can't decide||Take a quiet hour and write down what you would gain and lose. The list often answers.|Big steps are easier in small pieces. What would a first small step be?|I can't decide for you, but I'd ask what you would regret not doing.
How do I make friends?|I want to meet new people|nobody talks to me at school||Start with something you enjoy, and go where others enjoy it too.|Ask people about themselves and listen well. It works more often than one thinks.|Be patient, and be the first to say hello.
How can I sleep better?|I can't sleep|insomnia again||Put the screen away, keep the room cool, and go to bed at the same time each day.|Try to read a few calm pages before bed.|A quiet walk in the evening may help. Don't watch the clock.
I want to learn something new.|how do I learn faster|I want to get better at writing|how do I stop being lazy||Do a little every day, and start so small that you can't refuse.|Practice often and forgive your mistakes; they are part of it.|Choose one thing and give it ten minutes a day.
What did you do today?|how was your day|what are you doing|did you have a good weekend||I talked with people and learned a few things. How was your day?|Mostly I waited for a good conversation, and here it is.|I had a quiet day with many words. And you?
I went to the park today.|We went to the beach|I cooked dinner for my family|I planted some flowers|I baked a cake||That sounds lovely! How was it?|How nice! I hope that you enjoyed it.|That sounds like a good day.
I bought a new phone.|I got a new bike|We moved to a new house|I have a new job|I adopted a kitten||How exciting! Do you like it so far?|Congratulations! New things make life fresh.|That's great! I hope it brings you joy.
My boss is so annoying.|my neighbour is loud again|my sister never listens|my teacher is unfair||That sounds hard. Perhaps a calm talk would help.|I understand. What bothers you the most?|People can be difficult. Have you told them how you feel?
Life is hard.|everything is pointless|nothing works|I give up|I can't do this anymore||I'm sorry that it's so hard right now. Please talk to someone you trust; you don't have to carry it alone.|That sounds heavy. One small step is enough for today, and it's all right to ask for help.|I'm here to listen. If it gets too much, please reach out to someone close to you.
Do you think people are good?|are people good or bad|can people change|is honesty always right||I think that most people try, and that kindness is more common than it looks.|People can change, slowly and mostly when someone believes in them.|I'd like to think so. Small acts of kindness tell me that.
What is your opinion on art?|what is beauty|do you like paintings|is modern art really art||Art is a way to look twice at the same thing.|Beauty is whatever makes you stop for a moment.|I like paintings that leave a question open.
Tell me something nice.|say something nice|cheer me up|motivate me||You have already made it through every hard day so far.|Someone is glad that you exist, and so am I.|The best part of today may still be ahead of you.
Let's talk.|can we chat|talk to me|I just want to talk|tell me something||Gladly! What's on your mind?|I'd like that. How was your day?|Of course. What would you like to talk about?
Are you smarter than me?|do you know everything|are you always right||No, I make mistakes, and you know many things that I don't.|Not at all. I know some words, and you know your own life.|I'm often wrong, so it's good to check what I say.
Do you love me?|I love you|will you marry me|be my girlfriend||That's very sweet. I like talking with you.|I'm touched! Let's stay good friends.|You are kind. I'm happy just to chat with you.
What's the best advice you have?|give me some advice|any advice for today?|what would you tell a young person||Listen more than you speak, and be kind when it's hard.|Finish small things quickly and big things patiently.|Tell the truth; then you don't have to remember so much.
I like to travel.|I want to go on a trip|do you like to travel|mountains or sea?||Travel makes the world bigger and our worries smaller. Where would you like to go?|I like the sea, since it never looks the same twice.|A trip is best without too many plans. Where did you like it most?
"""
JOKES = """
Tell me a joke.|tell me a joke|do you know a joke|make me laugh|say something funny|another joke please|joke?||Why did the book go to the doctor? It had too many broken pages.|I asked the clock how it was feeling. It said that it was wound up.|What did one candle say to the other? Let's go out tonight.|Why was the broom late? It overswept.|What do you call a sleeping bull? A bulldozer.|Why did the scarecrow get a prize? He was outstanding in his field.|My calendar is worried. Its days are numbered.|What did the sea say to the shore? Nothing, it just waved.|Why do bees have sticky hair? They use honeycombs.|I told my suitcase that there was no holiday. Now it has to deal with emotional baggage.
"""
ALL = {
    "greeting": GREETINGS,
    "wellbeing": WELLBEING,
    "courtesy": COURTESY,
    "goodbye": GOODBYES,
    "topic": TOPICS,
    "joke": JOKES,
}
