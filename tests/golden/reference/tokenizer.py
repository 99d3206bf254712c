"""Strings and the ids that Hugging Face's tokenizer.json gives for them."""

import json
import random

from tokenizers import Tokenizer

import export

SEED = 23
VOCAB_SIZE = 1100
MIXED = 180  # strings put together at random

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

PLAIN = [
    "", " ", "a", "Z", "0", ".", "cough", " cough", "cough ", " cough ", "Cough", "COUGH", "coughcough", "xyzzyq",
    "The patient has a cough.", "the patient has a cough", "The  patient   has    a     cough.",
    "Patient: 54 y/o male, SOB x3 days, SpO2 88 % on RA.", "BP 140/90 mmHg, HR 102 bpm, RR 24/min, T 38.9 °C",
    "Hb 7.2 g/dL (low), WBC 15.6 ×10⁹/L (high), CRP 112 mg/L", "K+ 5.9 mmol/L; Na+ 128 mmol/L; pH 7.21; pCO₂ 58 mmHg",
    "amoxicillin/clavulanate 875 mg/125 mg PO BID × 7 d", "0.9% NaCl 500 mL IV over 30 min", "ICD-10: J18.9, E11.621, I10",
    "SNOMED CT 233604007 |Pneumonia|", "LOINC 718-7", "insulin glargine 18 IU s.c. at 22:00", "µg vs μg", "±2.5 SD, ≥ 3, ≤ 5, ≠ 0",
    "1", "12", "123", "1234567890", "3.14159", "1,234,567.89", "-40", "+5", "1e-6", "0x1F", "½ tablet", "10⁻³", "①②③", "٣٤٥", "४५६",
    "2024-02-29T23:59:59Z", "50%", "$3.50", "#1", "a@b.org", "https://example.org/a?b=c&d=%20#e", "C:\\data\\scan.dcm", "/usr/local",
    '{"resourceType":"Observation","status":"final"}', "<html><body>x</body></html>", "```json\n[]\n```", "**bold** _it_ ~~no~~",
    "fever\tcough", "fever\n", "\nfever", "fever\ncough", "fever\r\ncough", "fever\r", "\t", "\t\t", " \t ", "\r", "\x0b", "\x0c",
    "\x00", "a\x00b", "\x01\x02\x03", "\x1b[31mred\x1b[0m", "\x7f", "\x80", "\x85", "\u00a0", "a\u00a0b", "\u2003", "\u2028", "\u2029",
    "\u3000", "\u200b", "\ufeff", "\ufeffabc", "\u202eabc", "\ufffd", "\uffff", "\U0010ffff", "\ue000",
    "मरीज को बुखार है", "मरीज", "क्षत्रिय", "श्री", "खांसी।", "क\u094d\u200dष", "क\u094d\u200cष", "नमस्ते दुनिया", "हृदय गति ७२",
    "المريض يشكو من ألم", "ألم", "لا", "ﻻ", "بُخَارٌ", "\u0627\u0644\u0633\u0644\u0627\u0645", "עברית", "فارسی می\u200cخواهم",
    "患者发热三天", "肺炎", "無胸痛", "ひらがなカタカナ漢字", "한국어 환자", "ภาษาไทย", "Tiếng Việt", "ไม่มีไข้", "አማርኛ", "தமிழ்", "বাংলা", "Ελληνικά", "Русский", "ქართული",
    "😀", "😀😀😀", "👍🏽", "👩🏾‍⚕️", "👨‍👩‍👧‍👦", "🏥 🩺 💊", "❤️", "❤", "🇰🇪", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "a😀b", " 😀 ",
    "é", "e\u0301", "ñ", "n\u0303", "ﬁ", "Å", "Å", "ß", "ẞ", "İ", "ı", "Ǆ", "\u0301", "\u0300\u0301\u0302",
    "naïve café", "Zürich", "œdème", "fièvre et tousse", "El paciente tiene fiebre", "Mgonjwa ana homa",
    "...", "....", "---", "----------", "====", "****", "____", "!!!!!", "?!?!", "\"quoted\"", "'single'", "‘curly’ “double”", "–—", "•", "†", "™®©",
    "aaaaaaaaaaaaaaaaaaaaaaaa", "eeeeee", "ssssss", "abababababab", "lllllllllllllllll", "0000000000000",
    "\u0915" * 9, "😀" * 5, "the the the the", "a b c d e f g", "a  b  c", "a b",
    "<0x41>", "<0x0A>", "<0xFF>", "<0x4", "0x41>", "<unused", "<unused99>", "<unused0", "unused0>", "<bos", "bos>", "< bos>", "<bos >", "<BOS>",
    "<start_of_turn", "start_of_turn>", "<start_of_turn >", "<<bos>>", "<<start_of_turn>>", "<s>", "</s>", "[PAD7]", "[multimodal", "[UNK]",
]

CHAT_LIKE = [
    "<bos><start_of_turn>user\nHello<end_of_turn>\n<start_of_turn>model\n",
    "<start_of_turn>user\n\n\n<start_of_image>" + "<image_soft_token>" * 4 + "<end_of_image>\n\nDescribe<end_of_turn>\n",
    "<unused94>thought\nThe heart looks large.<unused95>The heart is enlarged.",
    "<start_of_turn>user<start_of_turn>", "<end_of_turn><end_of_turn>", "<start_of_turn>\n\n<end_of_turn>\n\n\n\n",
    "a<eos>b", " <eos> ", "  <eos>  ", "\n<eos>\n", "<pad><pad><pad>", "<unk>", "a<unk>b", "<mask> <mask>", "<bos><bos>", "[multimodal] x",
    "x<image_soft_token>y", "<image_soft_token><image_soft_token>", "<start_of_image><start_of_image>",
]

LITERAL_SPACE_MARKS = [
    "\u2581", "a\u2581b", "\u2581a", "a\u2581", "\u2581\u2581", "a\u2581\u2581b", "\u2581\u2581\u2581", " \u2581", "\u2581 ", "a \u2581b",
    "\u2581" * 8, "\u2581" * 9, "The\u2581patient", "The\u2581 patient",
]

CASE = """\
name = "tokenizer"
proves = "Both tokenizers, from tokenizer.json and from GGUF metadata alone, give the ids that Hugging Face's tokenizers library gives."
made_by = "reference/tokenizer.py, seed {seed}, tokenizers {tokenizers}, sentencepiece {sentencepiece}"

[files]
tokenizer = "tokenizer.json"
# The same vocabulary as GGUF metadata, with no tensor.
vocab = "vocab.gguf"
# One object a line: text; ids (no bos is put before them); and where the GGUF algorithm knowingly gives other ids,
# gguf_differs = true and gguf_ids. It differs only for a literal U+2581 next to a space or to another U+2581.
strings = "strings.jsonl"

[expect]
strings = {count}
gguf_differs = {differs}

[tolerance]
ids = 0
"""


def strings(tokens):
    """Every string of the case, in order and without repetition. tokens: [id] token texts"""
    specials = [t for t in export.HEAD_TOKENS + export.TURN_TOKENS + export.IMAGE_TOKENS]
    out = PLAIN + CHAT_LIKE + LITERAL_SPACE_MARKS + specials + [line for line in CORPUS if line]
    out += [" " * n for n in range(2, 21)] + ["\n" * n for n in range(1, 14)] + ["\t" * n for n in (3, 4, 8)]
    out += [f"a{' ' * n}b" for n in range(2, 12)] + [f"a{chr(10) * n}b" for n in range(1, 9)]
    out += [" \n", "\n ", "  \n  ", "\n \n", "\n\n  \n", " \n \n \n ", "a \n b", "a\n  - b\n  - c\n", "x" + " " * 40 + "y", "\n" * 40]

    rng = random.Random(SEED)
    pieces = [t.replace(export.SPACE, " ") for t in tokens if not t.startswith("<0x")]
    odd = [" ", "  ", "\n", "\n\n", "\t", "0", "7", ".", ",", "é", "😀", "\u200d", "ी", "م", "者", "\x00", "ž"]
    words = " ".join(CORPUS).split(" ")
    for n in range(MIXED):
        pool = (pieces, words, odd, pieces + odd * 12)[n % 4]
        glue = " " if pool is words else ""
        out.append(glue.join(rng.choice(pool) for _ in range(rng.randint(1, 14))))
    return list(dict.fromkeys(out))


def make(folder):
    import sentencepiece
    import tokenizers

    tokens = export.build_tokenizer(iter(CORPUS), VOCAB_SIZE, folder)
    export.export_vocab(folder, folder / "vocab.gguf")
    reference = Tokenizer.from_file(str(folder / "tokenizer.json"))
    from_gguf = export.GgufTokenizer.from_gguf(folder / "vocab.gguf")
    lines, differs = [], 0
    for text in strings(tokens):
        row = {"text": text, "ids": reference.encode(text, add_special_tokens=False).ids}
        gguf_ids = from_gguf.encode(text)
        if gguf_ids != row["ids"]:
            if not any(mark in text for mark in ("\u2581\u2581", "\u2581 ", " \u2581")):
                raise AssertionError(f"the two tokenizers differ on {text!r}: {row['ids']} and {gguf_ids}")
            row.update(gguf_differs=True, gguf_ids=gguf_ids)
            differs += 1
        lines.append(json.dumps(row, ensure_ascii=False))
    (folder / "strings.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "case.toml").write_text(CASE.format(
        seed=SEED, tokenizers=tokenizers.__version__, sentencepiece=sentencepiece.__version__, count=len(lines), differs=differs))
