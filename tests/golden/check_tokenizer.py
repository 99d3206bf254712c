"""Compares `outpost tokenize` with Hugging Face's `tokenizers` on a real vocabulary, such as Gemma 3's.

    python3 check_tokenizer.py PATH/tokenizer.json [--gguf FILE] [--outpost COMMAND]

The strings are those of the case `tokenizer`, and every added token of the vocabulary, alone and between letters. Each is
tokenised as trusted and as untrusted text, by tokenizer.json and by GGUF metadata: those of --gguf, or without it those
that a converter would make. Ends with status 1 where ids differ otherwise than the case's known differences say.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "reference"))
sys.path.insert(0, str(HERE.parent.parent / "models" / "demo"))

import export
import tokenizer
import tokenizer_strings

SHOWN = 5  # differences of each kind


def strings(content):
    lines = (HERE / "tokenizer" / "strings.jsonl").read_text(encoding="utf-8").split("\n")
    texts = [json.loads(line)["text"] for line in lines if line]
    added = [t["content"] for t in content["added_tokens"]]
    return list(dict.fromkeys(texts + added + [f"a{t}b" for t in added]))


def ids_of(command, model, file, untrusted):
    """Ids of each line of `file`."""
    flags = ["--untrusted"] if untrusted else []
    done = subprocess.run([command, "tokenize", "--model", model, "--file", file, *flags], stdout=subprocess.PIPE)
    if done.returncode:
        sys.exit(f"error: {command} tokenize ended with status {done.returncode}")
    return [json.loads(line)["ids"] for line in done.stdout.decode().split("\n") if line]


def compare(name, texts, expected, found, other=None):
    """Prints a line for what was compared and the first wrong ids; returns the number of wrong strings.

    other: text to the ids that may take the place of those expected where there is a known difference.
    """
    if len(found) != len(texts):
        sys.exit(f"error: {name}: {len(found)} answers for {len(texts)} strings")
    differing = [row for row in zip(texts, expected, found) if row[1] != row[2]]
    known = [text for text, _, ids in differing if other and tokenizer.known_difference(text) and other(text) == ids]
    print(f"{name:<28} {len(texts):>7} {len(known):>7} {len(differing) - len(known):>7}")
    for text, wanted, got in [row for row in differing if row[0] not in known][:SHOWN]:
        print(f"    {text[:60]!r}: expected {wanted[:12]}, got {got[:12]}")
    return len(differing) - len(known)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer_json", type=Path)
    parser.add_argument("--gguf", type=Path, help="a GGUF file of the same vocabulary")
    parser.add_argument("--outpost", default="outpost", metavar="COMMAND", help="the built command (default: %(default)s)")
    given = parser.parse_args()

    data = given.tokenizer_json.read_bytes()
    content = json.loads(data)
    added = [t["content"] for t in content["added_tokens"]]
    special = {t["content"] for t in content["added_tokens"] if t["special"]}
    control = special | set(tokenizer_strings.control_tokens(added))
    control_ids = {t["id"] for t in content["added_tokens"] if t["content"] in control}
    texts = strings(content)
    print(f"{given.tokenizer_json}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
    print(f"{len(added)} added tokens, {len(control)} of them control tokens; {len(texts)} strings")

    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "strings.jsonl"
        file.write_text("".join(tokenizer.compact({"text": text}) + "\n" for text in texts), encoding="utf-8")
        gguf = given.gguf
        if gguf is None:
            gguf = Path(folder) / "vocab.gguf"
            export.export_vocab(given.tokenizer_json.parent, gguf)
        from_gguf = export.GgufTokenizer.from_gguf(gguf)
        # The vocabulary of a text model has no <image_soft_token>.
        absent = {t["content"] for t in content["added_tokens"] if t["id"] >= len(from_gguf.scores)}
        if absent:
            print(f"{gguf} lacks {', '.join(sorted(absent))}")
        print(f"\n{'':<28} {'strings':>7} {'known':>7} {'wrong':>7}", flush=True)
        for trust, ignored in (("trusted", set()), ("untrusted", control)):
            def expected(without):
                reference = tokenizer.reference(content, without)
                return [reference(text) for text in texts]

            def ids(model):
                found = ids_of(given.outpost, model, file, untrusted=bool(ignored))
                if ignored and (forged := control_ids.intersection(i for row in found for i in row)):
                    sys.exit(f"error: untrusted text became control tokens {sorted(forged)[:SHOWN]}")
                return found

            other = tokenizer.without_control(from_gguf, ignored)
            wanted = expected(ignored)
            wrong += compare(f"tokenizer.json, {trust}", texts, wanted, ids(given.tokenizer_json))
            wanted = expected(ignored | absent) if absent - ignored else wanted
            wrong += compare(f"GGUF metadata, {trust}", texts, wanted, ids(gguf), other.encode)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
