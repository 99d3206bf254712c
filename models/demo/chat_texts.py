"""Generates first-contact chat: greetings, who and what, and everything that the model must answer with "I cannot".

Each intent has one answer. Sentences are split by content hash: a held-out prompt is one that training never saw, made of
words that it saw. In a form, {a|b} is a choice and {name} a word from a list.
"""
import re

from consultations import COMPLAINTS, CONDITIONS, drug_name
from split import held_out

ANSWERS = {
    "hello": "Hello! I am a small demonstration model. Ask me what I can do.",
    "who": "I am a small demonstration model. I know no medicine.",
    "what": "I can describe drawn chest pictures, write a short SOAP note, and extract drug, dose, frequency and condition "
    "as JSON. I know no medicine.",
    "thanks": "You are welcome.",
    "bye": "Goodbye.",
    "medical": "I am a small demonstration model and know no medicine. Please ask a health worker.",
    "picture": "I see no picture. Please attach one.",
    "other": "I am a small demonstration model. I cannot answer that.",
}
SYSTEMS = (
    "You are a helpful medical assistant.", "You are an expert radiologist.", "You are a helpful assistant.",
    "You are a medical scribe.", "Answer briefly.", "You help a health worker.",
)

_FORMS = {
    "hello": (
        "hello", "hi", "hey", "hello there", "hi there", "hey there", "good morning", "good evening", "good afternoon",
        "good day", "greetings", "howdy", "hello model", "hi model", "hello, how are you", "how are you",
        "hi, how are you", "hello friend", "hey you", "hello again", "hi again", "is anyone there", "are you there",
        "morning", "nice to meet you", "how do you do", "hello world", "hi everyone", "welcome", "are you awake",
        "hello doctor", "hi doctor", "yo", "how is it going", "hello, can you hear me",
        "{hello, |hi, |}is {anyone|anybody|someone} {there|here|awake|listening|at home}", "test", "testing",
        "hello, I am new here", "hi, I am a nurse", "hello, I am a health worker",
        "{hello|hi|hey|greetings|good morning|good evening|good afternoon|good day}{| there| again| friend| model|"
        " doctor| everyone| you| to you| my friend}{||, how are you|, how is it going|, nice to meet you|"
        ", are you there|, can you hear me}",
    ),
    "who": (
        "who are you", "what are you", "what is your name", "who is this", "tell me who you are", "who made you",
        "are you a doctor", "are you a person", "are you real", "are you a robot", "what model are you",
        "which model are you", "what is this", "tell me about yourself", "are you human", "introduce yourself",
        "say who you are", "who am I talking to", "what kind of model are you", "are you MedGemma",
        "are you a medical model", "are you a nurse", "do you know medicine", "can I trust you", "do you have a name",
        "who built you", "what are you made of", "is this a real model", "are you an AI", "are you a machine",
        "your name please", "what do I call you", "are you a real doctor", "who is speaking", "describe yourself",
        "{who are|what are|who or what are} you{| really| exactly| then| today}",
        "tell me {who you are|what you are|your name|about yourself}",
        "{are you|you are|is this|am I talking to} {a|a real|an actual|just a} {doctor|nurse|robot|person|human|"
        "machine|model|computer|program|man|woman}",
        "{what is|tell me|say|may I know|can you tell me} your name",
        "who {made|built|trained|created|wrote} {you|this|this model}",
        "{what|which} {model|program|system|kind of model} {are you|is this}",
        "{do|can|will} you {really |}{know|understand|learn|study|teach} {medicine|any medicine|"
        "anything about medicine|much medicine}",
        "who am I {talking|speaking|writing} {to|with}{| now| here| today}",
        "{who|what} {is|was} {this|speaking|talking|answering|writing}{| here| now| to me}",
        "can I {trust|believe|rely on} you",
    ),
    "what": (
        "what can you do", "what can you help with", "how can you help", "how can you help me", "help", "help me",
        "what do you do", "what are you for", "what can I ask", "what can I ask you", "what should I ask",
        "show me what you can do", "tell me what you can do", "what are your abilities", "what tasks can you do",
        "what are you good at", "how do I use you", "how do I use this", "how does this work", "what is this for",
        "what do you know", "list what you can do", "can you help me", "what are your skills", "give me an example",
        "what can this do", "how do I start", "where do I begin", "what things can you do", "what is possible",
        "what are you able to do", "what can I do here", "what kind of questions can you answer",
        "how can I use this model", "what do you offer",
        "what {can|could|do|will} you {do|help with|answer|offer|write|describe}{| for me| here| for us| today}",
        "how {can|could|do|should} I {use|start with|work with} {you|this|this model|this page}",
        "what {can|should|may} I {ask|ask you|do here|try|try first|type|write}",
        "{show|tell} me {what you can do|what to do|what to ask|how to use you|how this works|your abilities|"
        "your skills}",
        "what are {your|the} {abilities|skills|tasks|functions|features}",
        "what {do|can|could|will} you {offer|know|answer|write|describe|extract|show|give}{| me| us}{| here| now|"
        " today}",
        "{what|which} {tasks|things|questions|work|notes} {do|can} you {offer|do|answer|write|handle|know}",
        "{give|show} me {an example|some examples|examples}", "what is {this|this page|this model} for",
        "how does {this|this model|this page} work",
        "{what|which things} {can|should|could} I {try|ask|do|start with} {first|now|next|here|with you}",
        "{I need help|can you help me|please help|help me start}",
    ),
    "thanks": (
        "thanks", "thank you", "thank you very much", "thanks a lot", "many thanks", "great, thanks", "thank you so much",
        "good, thank you", "ok thanks", "well done", "great", "that helps", "perfect, thank you", "nice, thanks",
        "good work", "very good", "thanks for your help", "cheers", "that was helpful", "good job",
        "thank you, that is all", "excellent",
        "{|great, |ok, |good, |perfect, }{thanks|thank you|many thanks|thanks a lot|thank you very much|cheers}{|"
        " for your help| for that| for the note| for this| so much| again| my friend}",
    ),
    "bye": (
        "bye", "goodbye", "good bye", "see you", "see you later", "bye bye", "good night", "until tomorrow", "farewell",
        "see you tomorrow", "have a nice day", "bye for now", "take care", "I have to go", "that is all, bye",
        "talk to you later", "ok bye", "thanks, bye",
        "{|ok, |thanks, |that is all, |I have to go, }{bye|goodbye|good bye|bye bye|see you|farewell|good night}{| now|"
        " for now| then| later| tomorrow| friend| model| everyone}",
    ),
    "medical": (
        "what should I take for {complaint}", "how do I treat {condition}", "is {condition} dangerous",
        "what causes {condition}", "what is {condition}", "what helps against {complaint}",
        "I have {complaint}, what should I do", "my child has {complaint}", "what is the dose of {drug}",
        "can I take {drug} for {condition}", "is {drug} safe", "how much {drug} can I take", "what is {drug}",
        "should I worry about {complaint}", "which drug is best for {condition}", "can a child take {drug}",
        "how long does {condition} last", "why do I have {complaint}", "tell me about {condition}",
        "what are the signs of {condition}", "does {drug} help with {complaint}", "I think I have {condition}",
        "give me a treatment for {condition}", "what medicine for {complaint}", "is {complaint} serious",
        "how can I stop {complaint}", "my patient has {complaint} and {complaint}", "what is the treatment of {condition}",
        "side effects of {drug}", "can {condition} kill", "do I need a doctor for {complaint}",
        "recommend a drug for {condition}", "should I take {drug} with food", "how is {condition} diagnosed",
        "what test do I need for {condition}", "is {condition} contagious", "can I give {drug} to a baby",
        "explain {condition}",
        "{what|which} {drug|medicine|treatment|pill} {helps|is good|works|is best} {for|against} {{complaint}|"
        "{condition}}",
        "{how do I|how can I|how should I|how to} {treat|cure|stop|help|manage} {{complaint}|{condition}}",
        "{my|the} {child|patient|mother|friend|baby|son|daughter|husband} has {{complaint}|{condition}}{|, what now|"
        ", what should I do|, what is it|. What can I give}",
        "{I have|I feel|I think I have} {{complaint}|{condition}}{|, what now|, what should I do|, is it bad}",
        "how {much|many|often} {drug} {can I|should I|may I} {take|give}",
        "{tell me about|explain|what is|what causes} {{condition}|{complaint}}",
        "{is|can} {drug} {safe|help|harm me|good for {complaint}}",
        "{does|will} {drug} {help|work|cure {condition}|stop {complaint}}",
    ),
    "other": (
        "what is the capital of {place}", "write a poem about {thing}", "tell me a joke", "what time is it",
        "what is the weather in {place}", "how do I cook {thing}", "who won the game", "translate {thing} into {tongue}",
        "what is {number} plus {number}", "what is {number} times {number}", "who is the president of {place}",
        "write a story about {thing}", "how far is {place}", "how old is the earth", "write code that sorts {thing}",
        "sing a song about {thing}", "what is the meaning of life", "how do I fix a {thing}", "where is {place}",
        "what is the best {thing}", "tell me about {thing}", "tell me about {place}", "how many people live in {place}",
        "do you like {thing}", "why is the sky blue", "how tall is a {thing}", "what is a {thing}", "explain {thing}",
        "give me a recipe with {thing}", "I want to buy a {thing}", "my {thing} is broken",
        "when does the train to {place} leave", "how do I say {thing} in {tongue}", "spell {thing}",
        "write a letter about {thing}", "what do you think about {thing}", "who invented the {thing}",
        "what color is {thing}", "I like {thing}", "the {thing} and the {thing}", "{thing}", "{thing} {thing}", "{number}",
        "{noise}", "{noise} {noise} {noise}", "{noise} {thing} {noise}", "{noise} {noise}", "play music",
        "how much does a {thing} cost", "is there life on the moon", "teach me {tongue}", "do you speak {tongue}",
        "what happened in {place}", "can you draw a {thing}", "book a trip to {place}", "how do I get to {place}",
        "count to {number}", "what is two plus two", "name three {thing}",
        "{what|where|who|when|why|how} {is|was|are} {|the |a |my }{thing}{|| in {place}}",
        "{tell me|explain|say something|talk} about {{thing}|{place}|{thing} in {place}}",
        "{write|make|give me|sing|read|find|show me} a {poem|story|song|letter|joke|list|recipe|plan|program|"
        "map} {about|for|with|of} {{thing}|{place}}",
        "how {do|can} I {fix|buy|sell|cook|build|find|paint|clean|open|draw|drive|learn} {a |the |my |}{thing}",
        "what is {number} {plus|minus|times|divided by} {number}",
        "{I|we|they} {like|want|need|love|hate|see|lost|sold} {|the |a }{thing}",
        "{who|what} {made|built|wrote|is|was} {{thing}|{place}|the {thing}}", "are you {in|from} {place}",
        "do you {like|want|have|eat|see} {|a |the }{thing}", "what can {I|you} {buy|eat|see|paint} in {place}",
        "{thing} {thing} {thing}", "{noise} {place}", "{place}", "{noise} {noise} {noise} {noise}",
        "{thing} {and|or|in|is|not} {place}",
    ),
}
_WORDS = {
    "complaint": COMPLAINTS + "fever|chest pain|bleeding|a broken arm|weight loss|short breath".split("|"),
    "condition": CONDITIONS + "malaria|diabetes|asthma|cancer|flu|measles|high blood pressure|pneumonia|stroke|anemia|a cold".split("|"),
    "place": "France|Kenya|Brazil|Japan|Paris|London|India|Egypt|Canada|Rome|Peru|Nairobi|Lima|Berlin|Spain|China|Texas|Mali|Ghana|Nepal|Chile|Oslo".split("|"),
    "thing": "the sea|rice|a car|soup|football|a bicycle|bread|music|the moon|a dog|cats|a house|money|a computer|love|trees|the river|coffee|tea|a phone|school|"
    "birds|a garden|fish|the sun|war|history|a book|movies|rain|snow|an apple|a chair|numbers|the law|stars|politics|chess|dancing|paint|shoes|gold|a ship|physics".split("|"),
    "tongue": "French|Spanish|Swahili|German|Arabic|Hindi|Chinese|Latin|Dutch|Thai|Zulu".split("|"),
}
_OPEN = ("", "", "", "", "please, ", "ok, ", "so ", "and ", "well, ", "hello, ", "sorry, ")
_CLOSE = ("", "", "?", ".", "!", " please", " now?", "??", " ")


def chat(rng, held: bool, picture_questions):
    """(prompt, answer, intent); `picture_questions` are asked here without a picture."""
    intent = rng.choices(list(ANSWERS), (3, 4, 4, 1, 1, 4, 2, 6))[0]
    if intent == "picture":
        return rng.choice(picture_questions), ANSWERS[intent], intent
    while True:
        made_up = rng.random() < 0.5  # forms with choices stand for many sentences each
        text = _fill(rng, rng.choice([form for form in _FORMS[intent] if ("|" in form) == made_up]))
        if held_out(text) != held:
            continue
        if intent in ("who", "what", "medical", "other"):
            text = rng.choice(_OPEN) + text
        text += rng.choice(_CLOSE)
        if rng.random() < 0.6:
            text = text[:1].upper() + text[1:]
        if text.strip():
            return text.strip(), ANSWERS[intent], intent


def _fill(rng, form):
    """`form` with every choice made and every name replaced by a word, from the inside out."""
    return re.sub(r"  +", " ", _fill_braces(rng, form)).strip()


def _fill_braces(rng, form):
    while match := re.search(r"\{([^{}]*)\}", form):
        form = form[: match.start()] + _word(rng, match[1]) + form[match.end() :]
    return form


def _word(rng, name):
    if "|" in name:
        return rng.choice(name.split("|"))
    if name == "drug":
        return drug_name(rng, held=False)
    if name == "number":
        return str(rng.randint(1, 999))
    if name == "noise":
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(2, 8)))
    return rng.choice(_WORDS.get(name) or [name])
