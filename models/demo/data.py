"""The generator: instances of the seven tasks, as turns of text with an optional picture, and their prompt text.

`instance(task, seed, held)` follows from its arguments alone. Training asks with held=False and its own seeds; evaluation
asks with held=True, which draws pictures from held-out seeds and texts from the held-out side of the content hash.
"""
import random
from dataclasses import dataclass, field

import chat_texts
import consultations
import drills
import findings
import records
from pictures import HELD_OUT_SEED, KINDS, SIDES, ZONES, finding_of

TASKS = ("picture", "findings", "soap", "extract", "record", "note", "chat")  # and "repeat", in training only
IMAGE_TOKENS = 16
IMAGE_TEXT = "\n\n<start_of_image>" + "<image_soft_token>" * IMAGE_TOKENS + "<end_of_image>\n\n"
END_OF_TURN = "<end_of_turn>"

DESCRIBE = (
    "Describe this X-ray|Describe this X-ray.|Describe the picture.|What do you see?|What do you see in this picture?|"
    "What does this X-ray show?|Report this X-ray.|Describe this image.|What is on this X-ray?|What is this?|Describe the findings."
).split("|")
ASK_SIDE = "Which side is the finding on?|Which side?|On which side is it?|Is it left or right?|Which lung is affected?".split("|")
ASK_ZONE = "Which zone is the finding in?|Which zone?|In which zone is it?|Upper, middle or lower zone?|How high is the finding?".split("|")
ASK_KIND = "What kind of finding is it?|What kind of finding?|What is the finding?|What kind is it?|Which finding is there?".split("|")
ASK_NORMAL = "Is this X-ray normal?|Is this normal?|Is there a finding?|Do you see anything?|Is there anything abnormal?".split("|")
ASK_IS = "Is there a {kind}?|Do you see a {kind}?|Does this show a {kind}?|Can you see a {kind}?".split("|")
ASK_WHERE = "Where is the finding?|Where is it?|Where?".split("|")
QUESTIONS = DESCRIBE + ASK_SIDE + ASK_ZONE + ASK_KIND + ASK_NORMAL + ASK_WHERE


@dataclass
class Instance:
    """Turns of (user text, answer); the picture, if any, belongs to the first turn."""

    task: str
    turns: list[tuple[str, str]]
    system: str | None = None
    picture: int | None = None  # seed for pictures.draw
    picture_first: bool = True  # picture before the words, or after them
    form: str = ""  # what was asked: describe, side, ...; or the intent of a chat
    fields: dict = field(default_factory=dict)  # what a right answer says


def instance(task: str, seed: int, held: bool = False, variant: int = 0) -> Instance:
    """The instance of `task` that `seed` stands for; `variant` asks other questions about the same picture."""
    rng = random.Random(f"{task} {seed} {held} {variant}")
    system = rng.choice(chat_texts.SYSTEMS) if rng.random() < 0.35 else None
    if task == "picture":
        made = _picture(rng, seed + HELD_OUT_SEED if held else seed, 1 if held else rng.choice((1, 2, 3, 3)))
    elif task == "findings":
        shown = seed + HELD_OUT_SEED if held else seed
        prompt, answer, fields = findings.findings(rng, held, finding_of(shown))
        made = Instance(task, [(prompt, answer)], picture=shown, fields=fields)
    elif task == "soap":
        prompt, answer, fields = consultations.soap(rng, held)
        made = Instance(task, [(prompt, answer)], fields=fields)
    elif task == "extract":
        prompt, answer, fields = consultations.extraction(rng, held)
        made = Instance(task, [(prompt, answer)], fields=fields)
    elif task == "record":
        prompt, answer, fields = records.record(rng, held)
        made = Instance(task, [(prompt, answer)], fields=fields)
    elif task == "note":
        prompt, answer, fields = records.note(rng, held)
        made = Instance(task, [(prompt, answer)], fields=fields)
    elif task == "repeat":
        made = Instance(task, [drills.repeat(rng)])
    else:
        prompt, answer, intent = chat_texts.chat(rng, held, QUESTIONS)
        made = Instance(task, [(prompt, answer)], form=intent)
        while not held and len(made.turns) < 3 and rng.random() < 0.4:  # a page keeps its conversation
            other = rng.choices(("chat", "extract"), (4, 1))[0]
            made.turns.append(_turn(rng, other))
    made.system = None if task in ("findings", "record", "note") else system  # the application asks for these without one
    return made


def _turn(rng, task):
    if task == "extract":
        return consultations.extraction(rng, False)[:2]
    return chat_texts.chat(rng, False, QUESTIONS)[:2]


def _picture(rng, picture_seed, turns):
    finding = finding_of(picture_seed)
    forms = rng.sample(("describe", "side", "zone", "kind", "normal", "is", "where"), turns)
    if "describe" not in forms and rng.random() < 0.35:
        forms[0] = "describe"
    return Instance(
        "picture",
        [ask(rng, form, finding) for form in forms],
        picture=picture_seed,
        picture_first=rng.random() < 0.6,
        form=forms[0],
        fields={"kind": finding.kind, "side": finding.side, "zone": finding.zone},
    )


def ask(rng, form: str, finding) -> tuple[str, str]:
    """A question of `form` about `finding`, and its answer."""
    none = "There is no finding."
    place = f"{finding.side} {finding.zone} zone"
    if form == "describe":
        return rng.choice(DESCRIBE), f"There is a {finding.kind} in the {place}." if finding.kind else none
    if form == "where":
        return rng.choice(ASK_WHERE), f"The finding is in the {place}." if finding.kind else none
    if form == "side":
        return rng.choice(ASK_SIDE), f"The finding is on the patient's {finding.side}." if finding.kind else none
    if form == "zone":
        return rng.choice(ASK_ZONE), f"The finding is in the {finding.zone} zone." if finding.kind else none
    if form == "kind":
        return rng.choice(ASK_KIND), f"It is a {finding.kind}." if finding.kind else none
    if form == "normal":
        return rng.choice(ASK_NORMAL), f"There is a {finding.kind} in the {place}." if finding.kind else none
    asked = finding.kind if finding.kind and rng.random() < 0.5 else rng.choice(KINDS)
    right = f"Yes, there is a {asked} in the {place}." if asked == finding.kind else f"No, there is no {asked}."
    return rng.choice(ASK_IS).format(kind=asked), right


def described(answer: str) -> dict:
    """What an answer of form "describe" says: kind, side, zone; None where it says none."""
    pick = lambda words: next((word for word in words if f" {word} " in answer.replace(".", " ")), None)
    return {"kind": pick(KINDS), "side": pick(SIDES), "zone": pick(ZONES)}


def segments(made: Instance):
    """The conversation as [(text, is it an answer)]: Gemma's chat template, with the picture's tokens expanded.

    The text of all segments together is what the tokenizer sees as one string; an answer ends with <end_of_turn>.
    """
    out, lead = [], "<bos><start_of_turn>user\n" + (f"{made.system}\n\n" if made.system else "")
    for index, (user, answer) in enumerate(made.turns):
        words = user.strip()
        if index == 0 and made.picture is not None:
            words = IMAGE_TEXT + words if made.picture_first else words + IMAGE_TEXT
        out.append((f"{lead}{words}{END_OF_TURN}\n<start_of_turn>model\n", False))
        out.append((answer + END_OF_TURN, True))
        lead = "\n<start_of_turn>user\n"
    return out


def prompt_text(made: Instance) -> str:
    """Text up to the place where the first answer begins."""
    return segments(made)[0][0]


def corpus(count: int):
    """`count` lines of training text for the tokenizer, special tokens left out."""
    for seed in range(count):
        made = instance(TASKS[seed % len(TASKS)], seed)
        for user, answer in made.turns:
            yield user
            yield answer
        if made.system:
            yield made.system
