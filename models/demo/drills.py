"""Copying drills, for training only: most of what the model has to do is to copy, and a drill is nothing else.

A prompt lists invented names, numbers and words; the answer repeats them, as they stand or as a JSON list.
"""
import json

from consultations import ADVICE, COMPLAINTS, CONDITIONS, FREQUENCIES, dose, drug_name

_WORDS = CONDITIONS + COMPLAINTS + ADVICE + FREQUENCIES


def repeat(rng) -> tuple[str, str]:
    """(prompt, answer); drug names are of the training side."""
    makers = (lambda: drug_name(rng, False), lambda: drug_name(rng, False), lambda: dose(rng), lambda: rng.choice(_WORDS))
    items = [rng.choice(makers)() for _ in range(rng.randint(2, 7))]
    if rng.random() < 0.5:
        return f"Repeat: {', '.join(items)}", ", ".join(items)
    return f"List as JSON: {', '.join(items)}", json.dumps(items)
