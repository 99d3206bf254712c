"""Generates short consultations with what they say as a record and as a SOAP note, in the forms that the application asks for.

The prompts are the application's own (clinic/src/extract/instruction.txt, clinic/src/soap/instruction.txt), the answers its
forms: compact JSON, members in the form's order, what was not said left out. All of it is fiction, as in consultations.py.
"""
import json
from pathlib import Path

from consultations import CONDITIONS, COMPLAINTS, FREQUENCIES, _cap, _days, _person, _article, drug_name
from split import held_out

_CLINIC = Path(__file__).parents[2] / "clinic/src"
INSTRUCTION = (_CLINIC / "extract/instruction.txt").read_text(encoding="utf-8").strip()
NOTE_INSTRUCTION = (_CLINIC / "soap/instruction.txt").read_text(encoding="utf-8").strip()
SECTIONS = ("subjective", "objective", "assessment", "plan")

_RELATIVES = "mother father brother sister grandmother".split()
_REACTIONS = "rash|swelling|itching|sickness".split("|")
_ENDINGS = (("Come back in {}", True), ("Review in {}", True), ("Drink more water", True), ("Thank you", False))
_ROUTES = "by mouth|under the tongue|on the skin|as an injection".split("|")


class _Consultation:
    """Sentences, and the record of what they say; each fact quotes the words that it comes from."""

    def __init__(self):
        self.sentences = []
        self.record = {"medications": [], "conditions": [], "allergies": [], "vitals": []}
        self.note = {section: [] for section in SECTIONS}

    def say(self, sentence: str):
        self.sentences.append(sentence)

    def fact(self, kind: str, quote: str, **fields):
        self.record[kind].append({"quote": quote, **{key: value for key, value in fields.items() if value is not None}})

    def write(self, section: str, quote: str, text: str):
        self.note[section].append({"quote": quote, "text": _cap(text) + "."})


def record(rng, held: bool):
    """(prompt, answer, fields): the fields are the record itself."""
    prompt, made = _asked(rng, held, INSTRUCTION)
    return prompt, _compact(made.record), made.record


def note(rng, held: bool):
    """(prompt, answer, fields): the fields are the note itself. It knows no medicine, so everything is routine."""
    prompt, made = _asked(rng, held, NOTE_INSTRUCTION)
    fields = {**made.note, "urgency": "routine"}
    return prompt, _compact(fields), fields


def _asked(rng, held, instruction):
    while True:
        made = _make(rng, held)
        said = " ".join(made.sentences)
        if held_out(said) == held:
            return f"{instruction}\n===\n{said}\n===", made


def _compact(value) -> str:
    return json.dumps(value, separators=(",", ":"))


def transcript(prompt: str) -> str:
    """The consultation in a prompt."""
    return prompt.split("\n===\n")[1].removesuffix("\n===")


def facts(made: dict) -> list[dict]:
    """A record as the facts that `outpost eval` expects: without quotes, and without what goes without saying."""
    kinds = {"medications": "medication", "conditions": "condition", "allergies": "allergy", "vitals": "vital-sign"}
    names = {"allergies": "substance", "vitals": "sign"}
    out = []
    for kind, items in made.items():
        for item in items:
            fields = {key: value for key, value in item.items() if key != "quote" and (key, value) != ("subject", "patient")}
            out.append({"kind": kinds[kind], "name": fields.pop(names.get(kind, "name")), **fields})
    return out


def _make(rng, held):
    made = _Consultation()
    person = _person(rng)
    he = "he" if person.endswith(("man", "boy")) and not person.endswith("woman") else "she"
    complaints = rng.sample(COMPLAINTS, 3)
    _opening(rng, made, person, he, complaints[0])
    parts = [
        (0.45, lambda: _denied(rng, made, he, complaints[1])),
        (0.3, lambda: _family(rng, made, he)),
        (0.35, lambda: _allergy(rng, made, he, drug_name(rng, held))),
        (0.35, lambda: _taken(rng, made, he, drug_name(rng, held))),
        (0.85, lambda: _measured(rng, made)),
    ]
    rng.shuffle(parts)
    for chance, part in parts:
        if rng.random() < chance:
            part()
    if rng.random() < 0.8:
        _judged(rng, made, rng.choice(CONDITIONS))
    if rng.random() < 0.8:
        _prescribed(rng, made, he, drug_name(rng, held))
    if rng.random() < 0.3:
        quote, text = rng.choice(_ENDINGS)
        quote = quote.format(_days(rng))
        made.say(f"{quote}.")
        if text:
            made.write("plan", quote, quote)
    return made


def _opening(rng, made, person, he, complaint):
    days, a = _days(rng), _article(person)
    quote = rng.choice((f"{complaint} for {days}", f"has had {complaint} for {days}", f"{complaint} since {days}"))
    made.say(rng.choice((f"{_cap(a)} {person} came with {{}}.", f"{_cap(person)}, {{}}.", f"{_cap(a)} {person}. {_cap(he)} {{}}.")).format(
        quote if not quote.startswith("has") else quote).replace(f"came with has had", "has had").replace(f"{person}, has", f"{person}, who has")
        .replace(f". {_cap(he)} {complaint}", f". {_cap(he)} has {complaint}"))
    made.fact("conditions", quote, name=complaint, clinical_status="active", verification="confirmed", onset=days, subject="patient")
    made.write("subjective", quote, f"{complaint} for {days}")


def _denied(rng, made, he, complaint):
    quote = rng.choice((f"no {complaint}", f"denies {complaint}", f"without {complaint}"))
    if quote.startswith("no"):
        sentence = rng.choice((f"{_cap(he)} has {quote}.", f"There is {quote}.", f"{_cap(quote)}."))
        quote = quote if quote in sentence else _cap(quote)
    elif quote.startswith("denies"):
        sentence = f"{_cap(he)} {quote}."
    else:
        sentence = f"This is {quote}."
    made.say(sentence)
    made.fact("conditions", quote, name=complaint, verification="refuted", subject="patient")
    made.write("subjective", quote, f"no {complaint}")


def _family(rng, made, he):
    relative, condition = rng.choice(_RELATIVES), rng.choice(CONDITIONS)
    his = "his" if he == "he" else "her"
    quote = rng.choice((f"{relative} has {condition}", f"{relative} had {condition}"))
    made.say(rng.choice((f"{_cap(his)} {quote}.", f"The {quote}.", f"My {quote}.")))
    made.fact("conditions", quote, name=condition, verification="confirmed", subject="family")
    made.write("subjective", quote, quote)


def _allergy(rng, made, he, name):
    reaction = rng.choice(_REACTIONS) if rng.random() < 0.4 else None
    if rng.random() < 0.2:
        quote = rng.choice((f"not allergic to {name}", f"no allergy to {name}"))
        made.say(f"{_cap(he)} {'is' if quote.startswith('not') else 'has'} {quote}.")
        made.fact("allergies", quote, substance=name, verification="refuted")
        made.write("subjective", quote, f"no allergy to {name}")
        return
    quote = rng.choice((f"allergic to {name}", f"allergy to {name}"))
    ending = f", with {reaction}" if reaction else ""
    made.say(f"{_cap(he)} {'is' if quote.startswith('allergic') else 'has an'} {quote}{ending}.")
    made.fact("allergies", quote + ending, substance=name, reaction=reaction, verification="confirmed")
    made.write("subjective", quote + ending, f"allergy to {name}{ending}")


def _amount(rng):
    """(words, field): a strength where it is a mass, a dose where it is counted or poured."""
    if rng.random() < 0.7:
        return f"{rng.choice((rng.randint(1, 99), rng.randint(2, 99) * 5))} {rng.choice(('mg', 'mg', 'micrograms', 'g'))}", "strength"
    return f"{rng.randint(2, 30)} {rng.choice(('ml', 'drops', 'tablets'))}", "dose"


def _medication(rng, made, verb, name, status, after="", duration=None):
    words, field = _amount(rng)
    often = rng.choice(FREQUENCIES)
    route = rng.choice(_ROUTES) if rng.random() < 0.2 else None
    comma = rng.choice((",", ""))
    quote = f"{verb} {name} {words}" + (f" {route}" if route else "") + f"{comma} {often}"
    fields = {"name": name, field: words, "route": route, "frequency": often}
    if duration:
        quote += f" for {duration}"
    ordered = {key: fields.get(key) for key in ("name", "strength", "dose", "route", "frequency")}
    made.fact("medications", quote, **ordered, duration=duration, status=status)
    text = f"takes {quote.removeprefix(verb).strip()}" if status == "active" else quote.removeprefix(verb).strip()
    made.write("subjective" if status == "active" else "plan", quote, text)
    return quote + after


def _taken(rng, made, he, name):
    if rng.random() < 0.15:
        quote = f"stopped {name}"
        made.say(f"{_cap(he)} {quote}.")
        made.fact("medications", quote, name=name, status="stopped")
        made.write("subjective", quote, quote)
        return
    made.say(f"{_cap(he)} {_medication(rng, made, rng.choice(('takes', 'is taking')), name, 'active')}.")


def _prescribed(rng, made, he, name):
    verb = rng.choice(("give", "start", "prescribe", "prescribed"))
    duration = _days(rng) if rng.random() < 0.5 else None
    made.say(f"I {_medication(rng, made, verb, name, 'intended', duration=duration)}.")


def _measured(rng, made):
    for _, part in rng.sample(list(enumerate((_temperature, _pulse, _pressure, _saturation))), rng.randint(1, 2)):
        part(rng, made)


def _temperature(rng, made):
    value = round(rng.uniform(35, 40), 1)
    value = int(value) if value == int(value) else value
    quote = rng.choice((f"temperature {value} C", f"temperature is {value} C", f"temperature was {value} degrees Celsius"))
    made.say(f"The {quote}." if " is " in quote or " was " in quote else f"{_cap(quote)}.")
    said = quote if quote in made.sentences[-1] else _cap(quote)
    made.fact("vitals", said, sign="body-temperature", value=value, unit="Cel")
    made.write("objective", said, f"temperature {value} C")


def _pulse(rng, made):
    value = rng.randint(50, 140)
    quote = rng.choice((f"pulse {value}", f"pulse is {value}", f"heart rate {value}"))
    made.say(f"The {quote}." if " is " in quote else f"{_cap(quote)}.")
    said = quote if quote in made.sentences[-1] else _cap(quote)
    made.fact("vitals", said, sign="heart-rate", value=value, unit="/min")
    made.write("objective", said, f"pulse {value}")


def _pressure(rng, made):
    upper, lower = rng.randint(85, 190), rng.randint(45, 115)
    quote = rng.choice((f"blood pressure {upper}/{lower}", f"blood pressure is {upper}/{lower}"))
    made.say(f"The {quote}." if " is " in quote else f"{_cap(quote)}.")
    said = quote if quote in made.sentences[-1] else _cap(quote)
    made.fact("vitals", said, sign="systolic-blood-pressure", value=upper, unit="mm[Hg]")
    made.fact("vitals", said, sign="diastolic-blood-pressure", value=lower, unit="mm[Hg]")
    made.write("objective", said, f"blood pressure {upper}/{lower}")


def _saturation(rng, made):
    value = rng.randint(82, 100)
    quote = rng.choice((f"oxygen saturation {value} %", f"oxygen saturation is {value} %"))
    made.say(f"The {quote}." if " is " in quote else f"{_cap(quote)}.")
    said = quote if quote in made.sentences[-1] else _cap(quote)
    made.fact("vitals", said, sign="oxygen-saturation", value=value, unit="%")
    made.write("objective", said, f"oxygen saturation {value} %")


def _judged(rng, made, condition):
    quote = rng.choice((f"It is {condition}", f"I think it is {condition}", f"This is {condition}", f"Diagnosis: {condition}"))
    made.say(f"{quote}.")
    made.fact("conditions", quote, name=condition, clinical_status="active", verification="confirmed", subject="patient")
    made.write("assessment", quote, condition)
