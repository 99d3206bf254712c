"""Generates short consultations, and from each the SOAP note or the prescription as JSON that it holds.

All of it is fiction: drug names are invented syllables, doses are random numbers, people and places do not exist.
`rng` is a `random.Random`; `held` asks for the held-out side of the split (drug names, and the text as a whole).
"""
import json

from split import held_out

_HEAD = "Bel Cor Dax Fen Gal Hom Jud Kel Lor Mav Nib Ost Pel Quo Rin Sul Tor Vex Wum Zan Bru Cly Dro Fip".split()
_BODY = "a e i o u".split()
_MIDDLE = "bor cil dan fex gor lam mip nor pul rav sit tuk vim wel zob".split()
_TAIL = "ax el in ol um ex ane ide".split()

CONDITIONS = (
    "chest cold|throat infection|ear infection|tension headache|muscle strain|upset stomach|hay fever|skin allergy|insect bite|"
    "knee sprain|tooth infection|eye irritation|blocked ear|dry skin|head cold|food poisoning|heartburn|motion sickness|"
    "wrist sprain|nose bleed|heat rash|mild burn|foot fungus|sinus infection|bladder infection|stiff neck|sunburn|"
    "wound infection|joint pain|poor sleep|back strain|mouth sore"
).split("|")
COMPLAINTS = (
    "cough|sore throat|ear pain|headache|back pain|stomach ache|runny nose|itchy skin|rash|knee pain|tooth pain|dizziness|"
    "tiredness|burning eyes|blocked nose|nausea|neck pain|shoulder pain|swollen foot|loose stools|hoarse voice|hip pain|"
    "watery eyes|poor sleep|chills|sneezing|cramps|wrist pain"
).split("|")
EXAMS = (
    "throat red|throat normal|chest clear|ear drum red|ear drum normal|skin dry|belly soft|belly tender|knee swollen|"
    "neck stiff|eyes red|nose blocked|gums swollen|skin warm|breathing normal|heart sounds normal|foot swollen|wrist tender|"
    "rash on the arm|rash on the back"
).split("|")
ADVICE = (
    "rest|drink more water|warm compress|cold compress|keep the skin dry|gargle with salt water|light food|avoid dust|"
    "raise the leg|no heavy lifting|sleep early|wash the eyes|walk every day|wear loose clothes"
).split("|")
FREQUENCIES = (
    "once a day|twice a day|three times a day|four times a day|every morning|every evening|at bedtime|every 4 hours|"
    "every 6 hours|every 8 hours|every 12 hours|once a week|after meals|before meals|twice daily|once daily"
).split("|")
UNITS = ("mg", "mg", "mg", "ml", "micrograms", "drops", "tablets", "units", "g")
PEOPLE = ("man", "woman", "boy", "girl")
FIELDS = ("drug", "dose", "frequency", "condition")

SOAP_REQUESTS = (
    "Write a SOAP note.|Write a SOAP note for this consultation.|Draft a SOAP note.|Make a SOAP note from this.|"
    "Write a short SOAP note:|SOAP note, please.|Summarise this consultation as a SOAP note.|Turn this into a SOAP note."
).split("|")
EXTRACT_REQUESTS = (
    "Extract drug, dose, frequency and condition as JSON.|Give drug, dose, frequency and condition as JSON.|"
    "Extract the drug, dose, frequency and condition as JSON:|Write the prescription as JSON.|Extract the prescription as JSON.|"
    "Which drug, dose, frequency and condition? Answer in JSON.|Extract as JSON.|Return JSON with drug, dose, frequency, condition."
).split("|")


def drug_name(rng, held: bool) -> str:
    """An invented name: a head, a middle and an ending; one in ten is a free run of letters."""
    while True:
        if rng.random() < 0.1:
            name = "".join(rng.choice("bcdfghjklmnprstvwz") + rng.choice("aeiou") for _ in range(rng.randint(2, 4)))
            name = name.capitalize() + rng.choice(("", "n", "x", "l"))
        else:
            name = rng.choice(_HEAD) + rng.choice(_BODY) + rng.choice(_MIDDLE) + rng.choice(_TAIL)
        if held_out(name) == held:
            return name


def dose(rng) -> str:
    """A random number with a unit; it means nothing."""
    unit = rng.choice(UNITS)
    if unit in ("mg", "micrograms", "units"):
        number = rng.choice((rng.randint(1, 99), rng.randint(2, 99) * 5, rng.randint(100, 999)))
    elif unit == "ml":
        number = rng.choice((rng.randint(2, 30), f"{rng.randint(1, 9)}.{rng.randint(1, 9)}"))
    elif unit == "g":
        number = f"{rng.randint(0, 9)}.{rng.randint(1, 9)}"
    else:
        number = rng.randint(2, 9)
    return f"{number} {unit}"


def _days(rng) -> str:
    unit = rng.choice(("days", "days", "weeks", "hours", "months"))
    return f"{rng.randint(2, 20)} {unit}"


def _person(rng):
    """(words in the text, words in the note)"""
    kind = rng.choice(PEOPLE)
    age = rng.randint(4, 15) if kind in ("boy", "girl") else rng.randint(18, 89)
    return f"{age} year old {kind}"


def _cap(text):
    return text[:1].upper() + text[1:]


def _article(number_words):
    """"an" before 8, 11, 18 and 80 to 89."""
    number = number_words.split()[0]
    return "an" if number in ("11", "18") or number.startswith("8") else "a"


def soap(rng, held: bool):
    """(consultation with the request, note, fields S, O, A, P)"""
    while True:
        text, fields = _soap(rng, held)
        request = rng.choice(SOAP_REQUESTS)
        prompt = f"{request}\n{text}" if rng.random() < 0.6 else f"{text}\n{request}"
        if held_out(prompt) == held:
            return prompt, "\n".join(f"{key}: {value}" for key, value in fields.items()), fields


def _soap(rng, held):
    person, complaint, days = _person(rng), rng.choice(COMPLAINTS), _days(rng)
    other, absent = rng.sample([item for item in COMPLAINTS if item != complaint], 2)
    has_other, has_absent = rng.random() < 0.6, rng.random() < 0.4
    he = "he" if person.endswith(("man", "boy")) and not person.endswith("woman") else "she"

    said = rng.choice((
        f"{_cap(_article(person))} {person} came with {complaint} for {days}.",
        f"{_cap(_article(person))} {person} has had {complaint} for {days}.",
        f"{_cap(person)}, {complaint} for {days}.",
        f"I saw {_article(person)} {person} with {complaint}. It began {days} ago.",
        f"The patient is {_article(person)} {person}. For {days} {he} has had {complaint}.",
        f"{_cap(_article(person))} {person} says: I have had {complaint} for {days}.",
    ))
    subjective = f"{_cap(person)}. {_cap(complaint)} for {days}"
    if has_other:
        said += " " + rng.choice((f"{_cap(he)} also has {other}.", f"There is {other} too.", f"Also {other}.", f"With {other}."))
        subjective += f", also {other}"
    if has_absent:
        said += " " + rng.choice((f"{_cap(he)} has no {absent}.", f"There is no {absent}.", f"No {absent}.", f"{_cap(he)} denies {absent}."))
        subjective += f", no {absent}"

    seen, objective = [], []
    if rng.random() < 0.8:
        value = f"{rng.randint(36, 39)}.{rng.randint(0, 9)}"
        seen.append(rng.choice((f"Temperature {value}.", f"The temperature is {value}.", f"Temp was {value}.", f"I measured a temperature of {value}.")))
        objective.append(f"temperature {value}")
    if rng.random() < 0.6:
        value = rng.randint(55, 130)
        seen.append(rng.choice((f"Pulse {value}.", f"The pulse is {value}.", f"Heart rate {value}.")))
        objective.append(f"pulse {value}")
    if rng.random() < 0.35:
        value = f"{rng.randint(90, 170)}/{rng.randint(50, 100)}"
        seen.append(rng.choice((f"Blood pressure {value}.", f"The blood pressure is {value}.", f"BP {value}.")))
        objective.append(f"blood pressure {value}")
    if not seen or rng.random() < 0.8:
        sign = rng.choice(EXAMS)
        words = sign.split()
        verb = "are" if words[0] in ("eyes", "gums") else "is"
        plain = f"{' '.join(words[:-1])} {verb} {words[-1]}" if sign.split()[0] != "rash" and "sounds" not in sign else None
        seen.append(rng.choice((f"{_cap(sign)}.", f"On examination {sign}.", f"I see {sign}.", f"The {plain}." if plain else f"{_cap(sign)}.")))
        objective.append(sign)

    condition = rng.choice(CONDITIONS)
    judged = rng.choice((
        f"This looks like {condition}.", f"I think it is {condition}.", f"Likely {condition}.", f"Impression: {condition}.",
        f"It is {condition}.", f"Diagnosis {condition}.",
    ))
    planned, plan = [], []
    for advice in rng.sample(ADVICE, rng.choice((0, 1, 1, 2))):
        planned.append(rng.choice((f"Advice: {advice}.", f"I advise {advice}.", f"{_cap(advice)}.", f"Told to do this: {advice}.")))
        plan.append(advice)
    if not plan or rng.random() < 0.5:
        name, amount, often = drug_name(rng, held), dose(rng), rng.choice(FREQUENCIES)
        planned.append(rng.choice((
            f"I give {name} {amount} {often}.", f"Start {name} {amount} {often}.", f"{_cap(he)} gets {name}, {amount} {often}.",
            f"Prescribed {name} {amount}, to be taken {often}.",
        )))
        plan.append(f"{name} {amount} {often}")
    if rng.random() < 0.6:
        days = f"{rng.randint(2, 14)} {rng.choice(('days', 'days', 'weeks'))}"
        planned.append(rng.choice((f"Come back in {days}.", f"Review in {days}.", f"I will see {'him' if he == 'he' else 'her'} again in {days}.", f"Back in {days}.")))
        plan.append(f"review in {days}")
    fields = {
        "S": subjective + ".",
        "O": _cap(", ".join(objective)) + ".",
        "A": _cap(condition) + ".",
        "P": _cap(", ".join(plan)) + ".",
    }
    return " ".join([said, *seen, judged, *planned]), fields


def extraction(rng, held: bool):
    """(paragraph with the request, JSON, fields); one in twelve prescribes nothing, and then three fields are null."""
    while True:
        text, fields = _extraction(rng, held)
        request = rng.choice(EXTRACT_REQUESTS)
        prompt = f"{request}\n{text}" if rng.random() < 0.6 else f"{text}\n{request}"
        if held_out(prompt) == held:
            return prompt, json.dumps(fields), fields


def _extraction(rng, held):
    person, condition = _person(rng), rng.choice(CONDITIONS)
    name, amount, often = drug_name(rng, held), dose(rng), rng.choice(FREQUENCIES)
    a = _article(person)
    before = rng.choice((
        f"{_cap(a)} {person} came today.", f"Today I saw {a} {person}.", "The patient came back.", f"{_cap(person)}.",
        f"Temperature {rng.randint(36, 39)}.{rng.randint(0, 9)}.", f"Pulse {rng.randint(55, 130)}.",
        f"{_cap(a)} {person} with {rng.choice(COMPLAINTS)} for {_days(rng)}.", "",
    ))
    after = rng.choice((
        f"Come back in {_days(rng)}.", f"Review in {_days(rng)}.", f"Also {rng.choice(ADVICE)}.", "No allergies.",
        f"{_cap(rng.choice(ADVICE))}.", "", "",
    ))
    if rng.random() < 1 / 12:
        middle = rng.choice((f"It is {condition}. No drug is needed.", f"{_cap(condition)}. I give nothing.", f"For {condition} no drug was given."))
        fields = dict(zip(FIELDS, (None, None, None, condition)))
    else:
        middle = rng.choice((
            f"It is {condition}. I give {name} {amount} {often}.",
            f"For {condition} I start {name} {amount} {often}.",
            f"I prescribed {name}, {amount}, {often}, for {condition}.",
            f"{_cap(condition)}. Start {name} {amount} {often}.",
            f"Because of {condition} the patient takes {name} {often}, {amount} each time.",
            f"The plan for {condition} is {amount} of {name} {often}.",
            f"Take {amount} of {name} {often} for the {condition}.",
            f"This looks like {condition}. {name} {amount} to be taken {often}.",
            f"Diagnosis: {condition}. Treatment: {name} {amount}, {often}.",
            f"{_cap(often)} {amount} of {name} for {condition}.",
            f"I want to treat the {condition} with {name}. The dose is {amount} {often}.",
        ))
        fields = dict(zip(FIELDS, (name, amount, often, condition)))
    return " ".join(part for part in (before, middle, after) if part), fields
