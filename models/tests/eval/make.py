"""Writes questions.jsonl: held-out pictures and words of the demo model, each with sentences to choose from.

    python models/tests/eval/make.py

The demo model knows no letters of choices, so the questions are bare: which of the sentences would it say?
"""
import json
import pathlib
import random

HERE = pathlib.Path(__file__).parent
DEMO = pathlib.Path("../../demo/eval")  # as the questions name it
KINDS = ("round opacity", "fluid level", "line with a dark outer rim", "patchy shadow")
SIDES = ("left", "right")
ZONES = ("upper", "middle", "lower")


def sentence(kind, side, zone):
    return f"There is a {kind} in the {side} {zone} zone."


def picture(row, rng):
    """Four sentences that differ in side, zone or kind from the right one or from each other."""
    fields = row["fields"]
    kind, side, zone = fields["kind"], fields["side"], fields["zone"]
    wrong = [sentence(kind, SIDES[side == "left"], zone)]
    wrong.append(sentence(kind, side, rng.choice([other for other in ZONES if other != zone])))
    wrong.append(sentence(rng.choice([other for other in KINDS if other != kind]), side, zone))
    return wrong


def main():
    rows = [json.loads(line) for line in open(HERE / DEMO / "heldout.jsonl", encoding="utf-8")]
    answers = sorted({row["expected"] for row in rows if row["task"] == "chat"})
    rng, lines = random.Random(6), []
    for row in rows:
        if row["task"] == "picture" and row["form"] == "describe" and row["fields"]["kind"]:
            choices = [row["expected"], *picture(row, rng)]
        elif row["task"] == "chat":
            choices = [row["expected"], *rng.sample([answer for answer in answers if answer != row["expected"]], 3)]
        else:
            continue
        rng.shuffle(choices)
        line = {"id": row["id"], "subject": row["task"], "question": row["prompt"], "choices": choices,
                "answer": choices.index(row["expected"]), "style": "bare"}
        if row["system"]:
            line["system"] = row["system"]
        if row["image"]:
            line |= {"image": str(DEMO / row["image"]), "image_first": row["image_first"]}
        lines.append(json.dumps(line) + "\n")
    (HERE / "questions.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
