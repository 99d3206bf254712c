"""Measures the model files on held-out instances; writes eval/results.json and the table in README.md.

    python eval.py [bf16 q8_0 q4_0]

Answers are greedy and must match exactly, field by field; nothing is forgiven but for the two descriptions below.
"""
import json
import sys
from multiprocessing import Pool

import torch

import data
import files
import model as demo
from answer import answers, picture_of
from consultations import FIELDS

COUNT = 300  # instances a task
FORM_TOKENS = 640  # longest record, note or form of findings
RESULTS = demo.HERE / "eval" / "results.json"
CARD = demo.HERE / "README.md"
MARKS = ("<!-- results -->\n", "<!-- end of results -->\n")


def held_out(task: str):
    return [data.instance(task, seed, held=True) for seed in range(COUNT)]


def ask(model, tokenizer, instances, pictures=None, **limits):
    prompts = [data.prompt_text(made) for made in instances]
    return answers(model, tokenizer, prompts, pictures or [picture_of(made) for made in instances], **limits)


def as_json(reply: str):
    """The object that an answer is; None if it is none."""
    try:
        value = json.loads(reply)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def share(hits) -> float:
    """Percent, one decimal."""
    hits = list(hits)
    return round(100 * sum(hits) / len(hits), 1)


def picture_scores(model, tokenizer):
    """The picture described, scored by field; then one question a picture, of any form, exact."""
    asked = held_out("picture")
    pictures = [picture_of(made) for made in asked]
    told = [
        data.Instance("picture", [("Describe this X-ray", "")], picture=made.picture, fields=made.fields) for made in asked
    ]
    said = [data.described(answer) for answer in ask(model, tokenizer, told, pictures)]
    scores = {key: share(s[key] == made.fields[key] for s, made in zip(said, told)) for key in ("side", "zone", "kind")}
    scores["all three"] = share(s == made.fields for s, made in zip(said, told))
    replies = ask(model, tokenizer, asked, pictures)
    scores["any question, exact"] = share(reply == made.turns[0][1] for reply, made in zip(replies, asked))
    return scores


def soap_scores(model, tokenizer):
    asked = held_out("soap")
    notes = []
    for reply in ask(model, tokenizer, asked):
        notes.append(dict(line.split(": ", 1) for line in reply.split("\n") if ": " in line))
    scores = {key: share(note.get(key) == made.fields[key] for note, made in zip(notes, asked)) for key in "SOAP"}
    scores["all four"] = share(note == made.fields for note, made in zip(notes, asked))
    return scores


def extract_scores(model, tokenizer):
    asked = held_out("extract")
    found = [as_json(reply) for reply in ask(model, tokenizer, asked)]
    scores = {"valid JSON": share(value is not None for value in found)}
    found = [value or {} for value in found]
    for key in FIELDS:
        scores[key] = share(value.get(key, "") == made.fields[key] for value, made in zip(found, asked))
    scores["all four"] = share(value == made.fields for value, made in zip(found, asked))
    return scores


def form_scores(model, tokenizer, task: str):
    """Without the constraint and the repairs that the application adds; `outpost eval` measures with them."""
    asked = held_out(task)
    found = [as_json(reply) for reply in ask(model, tokenizer, asked, batch=20, limit=FORM_TOKENS)]
    scores = {"valid JSON": share(value is not None for value in found)}
    found = [value or {} for value in found]
    for key in asked[0].fields:
        scores[key] = share(value.get(key) == made.fields[key] for value, made in zip(found, asked))
    scores["all"] = share(value == made.fields for value, made in zip(found, asked))
    return scores


def chat_scores(model, tokenizer):
    asked = held_out("chat")
    right = [reply == made.turns[0][1] for reply, made in zip(ask(model, tokenizer, asked), asked)]
    scores = {"exact": share(right)}
    for intent in sorted({made.form for made in asked}):
        scores[intent] = share(hit for hit, made in zip(right, asked) if made.form == intent)
    return scores


def measure(kind: str) -> dict:
    torch.set_num_threads(1)
    model, tokenizer = files.read(kind), demo.tokenizer()
    return {
        "picture": picture_scores(model, tokenizer),
        "findings": form_scores(model, tokenizer, "findings"),
        "soap": soap_scores(model, tokenizer),
        "extract": extract_scores(model, tokenizer),
        "record": form_scores(model, tokenizer, "record"),
        "note": form_scores(model, tokenizer, "note"),
        "chat": chat_scores(model, tokenizer),
    }


def table(results: dict) -> str:
    kinds = list(results)
    lines = [f"| task | score | {' | '.join(kinds)} |", "| --- | --- |" + " ---: |" * len(kinds)]
    for task, scores in results[kinds[0]].items():
        for key in scores:
            lines.append(f"| {task} | {key} | " + " | ".join(f"{results[kind][task][key]:.1f}" for kind in kinds) + " |")
    return "\n".join(lines) + "\n"


def main():
    kinds = sys.argv[1:] or list(files.TYPES)
    with Pool(2) as pool:
        results = dict(zip(kinds, pool.map(measure, kinds)))
    print(table(results))
    if kinds == list(files.TYPES):
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({"instances_per_task": COUNT, "percent": results}, indent=1) + "\n")
        before, rest = CARD.read_text().split(MARKS[0])
        CARD.write_text(before + MARKS[0] + table(results) + MARKS[1] + rest.split(MARKS[1])[1])


if __name__ == "__main__":
    main()
