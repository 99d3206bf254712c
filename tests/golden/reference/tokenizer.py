"""Strings and the ids that Hugging Face's tokenizer.json gives for them, and the ids that a GGUF file implies."""

import json
import unicodedata

from tokenizers import Tokenizer

import export
import tokenizer_strings

VOCAB_SIZE = 1100
LEAST_STRINGS = 2000

CORPUS = """\
The patient has had a cough and fever for three days. Temperature 38.5 °C, pulse 96/min, blood pressure 130/85 mmHg.
There is no chest pain and no shortness of breath at rest. The lungs are clear on both sides.
The chest X-ray shows a small opacity in the left lower lobe. No pleural effusion. The heart is of normal size.
Start amoxicillin 500 mg three times a day for seven days, and give paracetamol 1 g every six hours if needed.
Allergies: none known. Medication: metformin 850 mg twice a day, lisinopril 10 mg in the morning.
The mother says that the child has not eaten since yesterday and has passed little urine. Give oral rehydration salts.
Subjective, objective, assessment and plan: the note has four parts, and the plan says who does what and when.
Haemoglobin 9.8 g/dL, white cells 12,400 per µL, platelets 210 × 10⁹/L, creatinine 1.1 mg/dL, sodium 138 mmol/L.
Refer to the district hospital if the oxygen saturation falls below 92 % or if breathing becomes fast.
The wound is clean and dry; the edges are close together. Change the dressing every second day and come back on Friday.
Type 2 diabetes mellitus with foot ulcer. Check the feet every day, wear soft shoes, and do not walk without them.
She is 34 years old, in the 28th week of her second pregnancy, and feels the child move. Fundal height 27 cm.
मरीज को तीन दिन से बुखार और खांसी है। पानी पीते रहें और आराम करें।
بیمار کو تین دن سے بخار ہے۔ المريض يشكو من ألم في الصدر منذ يومين.
患者发热三天，咳嗽，无胸痛。请多喝水，注意休息。
Mgonjwa ana homa na kikohozi kwa siku tatu. Anywe maji mengi na apumzike.
El paciente tiene fiebre y tos desde hace tres días. Le patient a de la fièvre et tousse depuis trois jours.
""".split("\n")

CASE = """\
name = "tokenizer"
proves = "Both tokenizers, from tokenizer.json and from GGUF metadata alone, give the ids that Hugging Face's tokenizers library gives; and no text from outside becomes a control token."
made_by = "reference/tokenizer.py, seed {seed}, tokenizers {tokenizers}, sentencepiece {sentencepiece}"

[files]
tokenizer = "tokenizer.json"
# The same vocabulary as GGUF metadata, with no tensor.
vocab = "vocab.gguf"
# One object a line: group; text; ids, of trusted text, no bos before them; untrusted, the ids where no control token
# counts, if they are others: those of the same tokenizer.json without its control tokens among the added ones. Where
# the GGUF algorithm knowingly gives other ids, differs is a name of [known_differences], with gguf_ids and gguf_untrusted.
strings = "strings.jsonl"

[groups]
# Strings in each group.
{groups}

[known_differences]
# Strings that GGUF metadata tokenise otherwise than tokenizer.json does. No others may differ, and each of these does.
# literal_space_mark: a U+2581 in the text itself, next to a space or to another U+2581. tokenizer.json takes runs of
# it for runs of spaces before it looks at real spaces; in a GGUF file the runs are written with real spaces.
{differences}

[tolerance]
ids = 0
"""


def make(folder):
    import sentencepiece
    import tokenizers

    tokens = export.build_tokenizer(iter(CORPUS), VOCAB_SIZE, folder)
    export.export_vocab(folder, folder / "vocab.gguf")
    control = tokenizer_strings.control_tokens(tokens)
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    trusted, untrusted = reference(content), reference(content, without=control)
    gguf_trusted = export.GgufTokenizer.from_gguf(folder / "vocab.gguf")
    gguf_untrusted = without_control(gguf_trusted, control)

    groups, lines, differences = tokenizer_strings.groups(tokens, CORPUS), [], {}
    for group, strings in groups.items():
        for text in strings:
            row = {"group": group, "text": text, "ids": trusted(text)}
            if (ids := untrusted(text)) != row["ids"]:
                row["untrusted"] = ids
            theirs = gguf_trusted.encode(text), gguf_untrusted.encode(text)
            if theirs != (row["ids"], ids):
                row["differs"] = name = known_difference(text)
                if name is None:
                    raise AssertionError(f"the two tokenizers differ on {text!r}")
                row["gguf_ids"], row["gguf_untrusted"] = theirs
                differences[name] = differences.get(name, 0) + 1
            lines.append(compact(row))
    if len(lines) < LEAST_STRINGS:
        raise AssertionError(f"{len(lines)} strings are fewer than {LEAST_STRINGS}")
    (folder / "strings.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "case.toml").write_text(CASE.format(
        seed=tokenizer_strings.SEED, tokenizers=tokenizers.__version__, sentencepiece=sentencepiece.__version__,
        groups=table({name: len(strings) for name, strings in groups.items()}), differences=table(differences)))


def reference(content, without=()):
    """Text to ids by Hugging Face's library, no bos before them. `without`: added tokens that do not count."""
    added = [t for t in content["added_tokens"] if t["content"] not in set(without)]
    tokenizer = Tokenizer.from_str(json.dumps({**content, "added_tokens": added}))
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def without_control(tokenizer, control):
    """The same GgufTokenizer, for which `control` are no tokens."""
    untrusted = export.GgufTokenizer([], [], [])
    untrusted.scores = tokenizer.scores
    untrusted.ids = {t: i for t, i in tokenizer.ids.items() if t not in set(control)}
    untrusted.split_on = [(t, i) for t, i in tokenizer.split_on if t not in set(control)]
    return untrusted


def known_difference(text):
    """The name of a reason for which a GGUF file may give other ids for `text` than tokenizer.json does, or None."""
    marks = ("\u2581\u2581", "\u2581 ", " \u2581")
    return "literal_space_mark" if any(mark in text for mark in marks) else None


def compact(row):
    """One line of JSON, in which whatever cannot be seen is escaped."""
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    unseen = (c for c in set(text) if c != " " and unicodedata.category(c)[0] in "CZ")
    return text.translate({ord(c): json.dumps(c)[1:-1] for c in unseen})


def table(numbers):
    return "\n".join(f"{name} = {number}" for name, number in numbers.items())
