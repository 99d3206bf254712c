"""Makes the golden cases in this folder again. `python3 make.py` makes all of them, `python3 make.py chat resize` some.

Every case is a folder that this script empties, but for what `KEPT` names, and writes: data from the reference
implementation and a `case.toml` that says what the case proves, which files belong together, and how far an answer may
be off. Everything is seeded; on one machine two runs give the same bytes. See README.md.
"""

import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "reference"))
sys.path.insert(0, str(HERE.parent.parent / "models" / "demo"))

import chat
import decode
import dequant
import huggingface
import mixes
import random_models
import resize
import tokenizer
import traced

# In this order: a later case may read what an earlier one wrote.
CASES = {
    "dequant": dequant.make,
    "resize": resize.make,
    "decode": decode.make,
    "tokenizer": tokenizer.make,
    "chat": chat.make,
    "random": random_models.make_random,
    "random_awkward": random_models.make_awkward,
    "trace": traced.make,
    "mixes": mixes.make,
    "huggingface": huggingface.make,
}

# Files that stay when a case is made again: others make them, since that takes long.
KEPT = {"mixes": ".gguf"}  # reference/train_mixes.py


def main(names):
    unknown = [n for n in names if n not in CASES]
    if unknown:
        sys.exit(f"error: no case {', '.join(unknown)}; the cases are {', '.join(CASES)}")
    for name in names or CASES:
        started = time.monotonic()
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            if old.suffix != KEPT.get(name):
                old.unlink()
        CASES[name](folder)
        for file in folder.iterdir():
            file.chmod(0o644)
        size = sum(f.stat().st_size for f in folder.iterdir())
        print(f"{name}: {len(list(folder.iterdir()))} files, {size / 1e3:.0f} kB, {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
