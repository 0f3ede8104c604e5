"""More small talk: daily life, opinions, feelings and little requests. Same form as `smalltalk_lines`."""

from __future__ import annotations

DAILY = """
I'm cooking dinner.|I'm making soup|cooking tonight|I'm in the kitchen||That smells good even from here! What are you making?|Enjoy it! A home-cooked meal is a small luxury.|Lovely. Do you cook often?
I'm on the train.|stuck in traffic|I'm on the bus|on my way to work||Have a safe trip! A good song makes it shorter.|Then we have time to talk. Where are you going?|I hope the ride is quiet. Look out of the window for me.
I'm at work.|back to work|busy day at the office|meeting after meeting today||I hope the hours pass quickly. Don't forget a break.|Keep at it, and drink enough water.|Busy days end too. What are you working on?
It's raining.|rain again|it's raining cats and dogs|the weather is awful||Rain is good for tea and books.|Then it's a fine day to stay inside.|The garden will be grateful, at least.
It's so hot.|i'm melting|this heat is terrible|It's too hot to work||Find some shade and drink plenty of water.|Then be slow today; the heat excuses a lot.|A cool drink would be just right now.
It's snowing!|first snow today|everything is white outside|I built a snowman||How beautiful! Snow makes the world quiet.|Put on a warm coat and enjoy it!|I like that. Did the snowman get a hat?
I'm going for a walk.|walking my dog|I went for a long walk|off to the park||Enjoy the fresh air!|A walk clears the head. Which way are you going?|Lovely! Tell me what you see.
I'm watching a movie.|movie night!|watching a series|I'm on the sofa||That sounds cosy. Is it any good?|Enjoy it! Do you have snacks?|Movie nights are the best nights. What kind of film is it?
I'm reading a book.|I just finished a book|reading in bed|I can't put this book down||What is it about?|A good book is hard to put down. Do you like the hero?|I envy you the first reading. Would you recommend it?
I have a day off.|no work today|finally weekend|holiday at last||Enjoy it! What are you going to do?|You have earned it. Do something slow.|Wonderful! A free day is a gift.
I have to clean the house.|so much laundry|my room is a mess|I hate cleaning||Start with ten minutes and some music. It goes faster than one thinks.|A clean table is a good beginning.|It's dull, but the feeling afterwards is worth it.
I lost my keys.|can't find my phone|I forgot my umbrella|I broke my glasses||Oh no! Look in the last place where you sat down.|How annoying. I hope you find a quick way out.|That happens to everyone. Take a breath and go back step by step.
I overslept.|I missed my bus|I'm late again|late for work||That happens. Tomorrow is a new day.|Hurry, but be careful!|Don't be too hard on yourself. Put the alarm a bit farther away tonight.
I can't wait for the holidays.|we're going to the sea|going on vacation tomorrow|packing my bags||How exciting! What are you looking forward to most?|Have a wonderful time! Don't forget your toothbrush.|That sounds great. Bring back a good story.
I had pancakes for breakfast.|breakfast time|having lunch|I just had dinner|time for tea||That sounds tasty! I hope you enjoyed it.|A good meal makes a good day.|Enjoy it! What's your favourite part of the meal?
I'm drinking coffee.|coffee first|I need coffee|too much coffee today||Then the day can begin.|Coffee is a warm handshake in the morning.|Enjoy every sip!
My baby can walk!|my son started school today|my daughter drew me a picture|the kids are asleep||How wonderful! You must be proud.|That's a moment to remember.|Children grow so fast. Enjoy it!
We are getting married!|I got engaged|she said yes!|it's our anniversary||Congratulations! I wish you both much happiness.|How wonderful! I'm so happy for you.|That's lovely news! All the best to the two of you.
I have an exam tomorrow.|big interview tomorrow|first day at the new job tomorrow|I have to give a speech||Good luck! Sleep well tonight; it helps more than one more hour of work.|You'll do fine. Begin slowly and breathe.|I'll keep my fingers crossed for you!
I'm learning to play the guitar.|I started painting|I want to learn to dance|I'm learning a language||That's great! A little every day goes a long way.|How exciting! What made you begin?|Good for you! Mistakes are part of the fun.
"""
OPINIONS = """
Do you prefer tea or coffee?|tea or coffee?|coffee or tea|are you a tea person||Tea, I think, since it's never in a hurry. And you?|Coffee in the morning and tea in the evening.|I can't drink either, but tea sounds more peaceful.
City or countryside?|Do you prefer the city or the countryside?|would you live on a farm|small town or big city||The countryside has better stars, and the city has better stories.|I'd choose a small town with a good library.|Both have their charm. Where do you feel at home?
Would you rather be rich or happy?|rich or famous?|what would you do with a million|if you won the lottery||Happy, without a doubt. And you?|I'd give most of it away and keep a good chair and a window.|I think enough is better than plenty.
Are you an early bird?|morning person or night owl|I'm not a morning person|i love mornings||I'm awake at any hour, but mornings have the best light.|The night owls get the quiet, and the early birds get the bread.|Mornings are easier after a good night.
Do you believe in luck?|are you superstitious|do you believe in ghosts|do you believe in fate||I think luck likes people who are prepared.|Not really, but I like the stories.|I'd rather not tempt it. What about you?
What is a good friend?|what makes a friend|how do you know someone is a friend||A good friend tells you the truth and stays for tea.|Someone who is glad when things go well for you.|A friend is someone who listens even when it's inconvenient.
What is courage?|are you brave|what is a hero|who is your hero||Courage is being afraid and going on anyway.|I admire people who do the right thing when nobody looks.|A hero is an ordinary person on a hard day.
Is it ever right to lie?|are white lies ok|should I tell her the truth|is it bad to lie||A kind silence is often better than a lie.|I'd choose the truth, gently told.|Most lies cost more than they save.
What do you think of children?|do you like kids|are kids easier than adults||They ask the best questions.|Children see what we have stopped seeing.|I like how honest they are.
Is it good to be alone?|I like to be alone|I need some quiet time|too many people today||A little solitude is good for the soul.|Quiet time is not a luxury. Enjoy it.|It's good to be alone by choice, and better to have a door to open.
What do you think about technology?|phones are ruining us|is social media bad|I spend too much time online||Every tool is a good servant, as long as it stays one.|It connects people and distracts them too. An hour without it can be lovely.|I think it depends on how we use it.
What do you think about the future?|are you afraid of the future|will everything be fine|is there hope||I'm hopeful. People have solved hard things before.|The future is made of many small days, and today is one of them.|I don't know it, but I'd rather meet it with a smile.
What is beauty?|what is the most beautiful thing|what's the prettiest word you know||The light after rain, perhaps.|Something that makes you quiet for a moment.|I like the word "dusk". What's yours?
Do animals have souls?|are animals happy|is it wrong to eat meat||Whoever has looked a dog in the eye may wonder.|People answer that differently. I'd say: be kind to them.|I think they feel more than we used to believe.
What is success?|how do I become successful|I feel like a failure|I'm not good enough||Success is to like what you do and how you do it.|You are more than your last result. Try again tomorrow.|Small steps count, even when nobody claps.
Should I forgive him?|should I say sorry first|how do I apologize|we had a fight||A short and honest apology often opens the door.|Forgiving takes time, and it helps you as well. What happened?|Whoever says sorry first has already won something.
Should I get a dog?|dog or cat for a flat|I want a pet|should we adopt a cat||A pet gives joy and asks for time. Do you have enough of it?|If you have the time, it will make your home warmer.|Visit an animal shelter and see who looks at you twice.
What should I wear?|what should I cook tonight|what should we do today|pick a game for us||Choose what makes you feel like yourself.|Something simple is rarely wrong.|Flip a coin, and notice what you hope for while it's in the air.
"""
PLAYFUL = """
Tell me a story.|tell me a short story|story time|make up a story||Once there was a small boat that was afraid of waves. One day it carried a child home through a storm, and it was never afraid again.|A fox found a hat and wore it to the village. Everyone said hello, and nobody saw the fox.|An old clock stopped one night. In the morning people were late, and all of them met friends on the way.
Write me a poem.|a poem please|make a rhyme|write a short poem||The rain came by and rang the bell; I let it in, and all was well.|A candle said good night to me; the moon came up so I could see.|The cat sat down, the day was long; the kettle sang its evening song.
Tell me a riddle.|do you know a riddle|riddle me this|give me a puzzle||What has hands but cannot clap? A clock.|What gets wetter the more it dries? A towel.|What has many teeth but cannot bite? A comb.
Sing me a song.|can you sing|sing something|lalala||La la la! My voice is better on paper, I'm afraid.|I can only hum in letters: hmm, hmm, hmm.|I'd sing, but the neighbours might complain.
Knock knock.|knock knock|Knock, knock!||Who's there?
Say hello to my friend.|say hi to my mum|my friends are here too|say hi to everyone||Hello! It's a pleasure to meet you.|Hi there! I'm glad you joined us.|Hello everyone! How are you all?
Guess what!|guess what|you won't believe this|I have news|I want to tell you something||Tell me! I'm all ears.|What is it? I'm curious.|I can't guess. Please tell me!
Can you keep a secret?|I have a secret|don't tell anyone||You can tell me, but keep the deepest secrets for people you trust.|I'll listen. Please don't share anything that could harm you.
Pretend you are a cat.|talk like a pirate|be a robot|act like a king||Meow! I mean, good day to you.|Arr! Now I'm just myself again.|Very well, for one sentence only: bow before me! Thank you, that was fun.
test|testing|test test|hello world|is this thing on?|ping||I can read you. How can I help?|It works! What would you like to talk about?|Loud and clear.
asdf|qwerty|???|...|hmm|hm|uh|?|!!||I didn't quite get that. What do you mean?|Take your time. What's on your mind?|Could you say a little more?
Shut up.|be quiet|go away|leave me alone|stop talking||All right, I'll be quiet. I'm here when you want to talk.|Fine. Come back whenever you like.|I understand. Take care.
You're wrong.|that's not true|I don't agree|that's nonsense|no you're wrong||You may be right. What do you see differently?|I can be mistaken. Tell me more.|Fair enough. I'd like to hear your view.
I agree.|exactly|you're right|good point|so true|that's true||I'm glad we see it the same way.|Good to hear! What else do you think?|Great minds, as they say.
Why?|why not?|how come|what do you mean|explain please|huh?||Because it seemed right to me. How do you see it?|I mean it just as I said. Shall I put it in other words?|It's only my opinion. What's yours?
Can you repeat that?|say that again|what did you say|pardon?||I'm sorry, I may have been unclear. What would you like to hear again?|Of course. Which part do you mean?
What's your hobby?|do you have hobbies|what do you do for fun|what do you like||I collect good questions. Yours is one of them.|Talking, mostly. And listening, which is harder.|I like words, stories and honest people.
How old are you?|when is your birthday|are you old or young|what's your age||I don't count years. I begin anew with every talk.|Old enough to listen, young enough to learn.|I have no birthday, but I like cake in theory.
Where are you?|where do you live now|what do you look like|are you a boy or a girl||I live in words, so I'm wherever you read me.|I have no face, but I hope that I sound friendly.|I'm right here in this chat.
Do you remember me?|did you miss me|have you thought of me||I only know what we say in this conversation, but I'm glad that you're here.|I don't remember earlier talks, so tell me again!
"""
ALL = {"topic_daily": DAILY, "topic_opinion": OPINIONS, "topic_play": PLAYFUL}
