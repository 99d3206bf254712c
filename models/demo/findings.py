"""Describes drawn pictures in the form that the application asks for (clinic/src/findings/instruction.txt).

The question is empty, a complaint, or a whole consultation, as a page may send it; what is answered is in the picture alone.
"""
import json
from pathlib import Path

import records
from consultations import COMPLAINTS, _cap, _days

INSTRUCTION = (Path(__file__).parents[2] / "clinic/src/findings/instruction.txt").read_text(encoding="utf-8").strip()
SHOWN_BY = {
    "round opacity": "a bright round area",
    "fluid level": "a straight border, dark above and bright below",
    "line with a dark outer rim": "a fine bright line, dark and even outside it",
    "patchy shadow": "bright patches without a border",
}
LIMITATIONS = "One drawn picture from the front. Nothing else can be judged."


def findings(rng, held: bool, finding):
    """(prompt, answer, fields) about a picture that shows `finding`; the fields are what the answer says."""
    question = _question(rng, held)
    fields = described(finding)
    return f"{INSTRUCTION}\n{question}".rstrip(), json.dumps(fields, separators=(",", ":")), fields


def _question(rng, held):
    kind = rng.random()
    if kind < 0.25:
        return ""
    if kind < 0.5:
        return f"{_cap(rng.choice(COMPLAINTS))} for {_days(rng)}"
    return records.transcript(records.record(rng, held)[0])


def described(finding) -> dict:
    """The form, filled in. It knows no medicine, so everything is routine."""
    found = []
    if finding.kind:
        where = {"what": finding.kind, "side": finding.side, "zone": f"{finding.zone} zone", "certainty": "present"}
        found.append({"evidence": SHOWN_BY[finding.kind], **where})
    place = f"{_cap(finding.kind)} in the {finding.side} {finding.zone} zone." if finding.kind else "No finding."
    return {"modality": "x-ray", "view": "frontal", "findings": found, "impression": place, "urgency": "routine",
            "limitations": LIMITATIONS}
