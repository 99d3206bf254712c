"""Writes held-out samples for other engines: eval/heldout.jsonl with eval/images/, eval/transcripts.jsonl, and examples/ for
the web page.

    python samples.py

A line of heldout.jsonl: id, task, form, system (or null), prompt (user text), image (file, or null), image_first, expected,
fields. A line of transcripts.jsonl: id, transcript, expected (facts), as `outpost eval` reads it.
"""
import json

import data
import model as demo
import records
from pictures import HELD_OUT_SEED, draw, finding_of

EACH = 20  # instances a text task
TRANSCRIPTS = 60
PICTURES = 24
LARGEST = 40_000  # bytes of a picture file; a noisier one is passed over
SIZES = ((256, 256), (256, 304), (288, 256), (272, 320), (320, 256))  # (width, height), pixels
EXAMPLES = {"round-opacity.png": ("round opacity", "right", "upper"), "fluid-level.png": ("fluid level", "left", "lower")}
FIRST_EXAMPLE = HELD_OUT_SEED + 500_000


def save(picture, path) -> int:
    """Writes a PNG and returns its size in bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, optimize=True)
    return path.stat().st_size


def main():
    folder = demo.HERE / "eval"
    lines, seed, pictures = [], 100_000, 0
    while pictures < PICTURES:
        made = data.instance("picture", seed, held=True)
        path = folder / "images" / f"{made.picture}.png"
        if save(draw(made.picture, SIZES[seed % len(SIZES)]), path) > LARGEST:
            path.unlink()
        else:
            lines.append((made, seed, f"images/{path.name}"))
            described = data.Instance("picture", [("Describe this X-ray", "")], picture=made.picture, form="describe", fields=made.fields)
            described.turns = [("Describe this X-ray", answer_to_describe(made))]
            if made.form != "describe":
                lines.append((described, f"{seed}-describe", f"images/{path.name}"))
            pictures += 1
        seed += 1
    for task in ("soap", "extract", "chat"):
        lines += [(data.instance(task, n, held=True), n, None) for n in range(100_000, 100_000 + EACH)]
    with open(folder / "heldout.jsonl", "w", encoding="utf-8") as out:
        for made, number, image in lines:
            prompt, expected = made.turns[0]
            row = {"id": f"{made.task}-{number}", "task": made.task, "form": made.form or made.task, "system": made.system,
                   "prompt": prompt, "image": image, "image_first": made.picture_first if image else None,
                   "expected": expected, "fields": made.fields}
            out.write(json.dumps(row) + "\n")
    with open(folder / "transcripts.jsonl", "w", encoding="utf-8") as out:
        for n in range(100_000, 100_000 + TRANSCRIPTS):
            made = data.instance("record", n, held=True)
            row = {"id": f"record-{n}", "transcript": records.transcript(made.turns[0][0]), "expected": records.facts(made.fields)}
            out.write(json.dumps(row) + "\n")
    for name, (kind, side, zone) in EXAMPLES.items():
        seed, wanted = FIRST_EXAMPLE, (kind, side, zone)
        while True:
            finding = finding_of(seed)
            if (finding.kind, finding.side, finding.zone) == wanted and save(draw(seed, (400, 480)), demo.HERE / "examples" / name) < 60_000:
                break
            seed += 1


def answer_to_describe(made) -> str:
    fields = made.fields
    return f"There is a {fields['kind']} in the {fields['side']} {fields['zone']} zone." if fields["kind"] else "There is no finding."


if __name__ == "__main__":
    main()
