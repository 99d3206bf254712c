"""Trains the demo model's vocabulary on generated training text; writes tokenizer/."""
import string

import data
import export
from model import TOKENIZER

VOCAB = 1792
LINES = 20_000  # conversations


def main():
    # The template's own words become one token each; every printable character gets an id.
    lines = ["user", "model"] * LINES + [string.printable[:95]] * 8 + list(data.corpus(LINES))
    print("ids:", len(export.build_tokenizer(iter(lines), VOCAB, TOKENIZER)))


if __name__ == "__main__":
    main()
