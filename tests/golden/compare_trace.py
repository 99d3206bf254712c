"""Lays the output of `outpost trace` beside a run of `transformers` and names the first tensor that departs.

    outpost trace --model M.gguf --mmproj V.gguf --image a.png --prompt .. --out trace.safetensors
    python3 compare_trace.py trace.safetensors M.gguf --mmproj V.gguf --image a.png
    python3 compare_trace.py trace.safetensors HUGGING_FACE_FOLDER --image a.png

The run takes the trace's own tokens and the same pictures, in the same order, and computes in f32; it needs 8 bytes of
memory for each weight. Pictures should be PNG: JPEG decoders differ by a level or two, and that shows from the first
tensor on. For every tensor, in the order in which they are computed: the greatest absolute difference, that as part of
the scale, and the scale, which is the greatest magnitude in the reference. Ends with status 1 where the second is above
the tolerance, or where the trace lacks a tensor.
"""

import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "reference"))
sys.path.insert(0, str(HERE.parent.parent / "models" / "demo"))

import numpy as np
import transformers
from safetensors.numpy import load_file

import traced


def run(given, tokens):
    """Tensors of the reference by name, in order."""
    if given.model.is_dir():
        model = traced.from_folder(given.model)
    elif given.image and given.mmproj is None:
        sys.exit("error: a picture needs the image encoder; add --mmproj")
    else:
        model = traced.from_gguf(given.model, given.mmproj if given.image else None)
    images = None
    if given.image:
        images = traced.pixels(given.image, model.config.vision_config.image_size)
    image_token = getattr(model.config, "image_token_index", None)
    each, found = getattr(model.config, "mm_tokens_per_image", 0), tokens.count(image_token)
    if found != each * len(given.image):
        sys.exit(f"error: the trace has {found} image tokens, and {len(given.image)} pictures need {each * len(given.image)}; give each with --image")
    return traced.trace(model, tokens, images)


def departure(name, found, expected, tolerance):
    """Prints a line of the table; returns what is wrong, or None."""
    if found.shape != expected.shape:
        print(f"{name:<22} {'other shape':>13}")
        return f"is {list(found.shape)}, expected {list(expected.shape)}"
    difference = np.abs(found.astype(np.float64) - expected)
    difference[np.isnan(difference)] = np.inf
    worst, scale = difference.max(), np.abs(expected).max()
    relative = worst / scale if scale else worst
    print(f"{name:<22} {worst:>13.2e} {relative:>13.2e} {scale:>13.2e}{'  <' if relative > tolerance else ''}")
    if relative <= tolerance:
        return None
    row, column = np.unravel_index(difference.argmax(), difference.shape)
    bad = np.flatnonzero((difference > tolerance * scale).any(axis=1))
    return (f"departs by {relative:.2e}, tolerance {tolerance:.0e}: at row {row}, column {column} it is {found[row, column]:.6g}, expected "
            f"{expected[row, column]:.6g}; {len(bad)} of {len(expected)} rows depart, the first is {bad[0]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=Path, help="what `outpost trace` wrote")
    parser.add_argument("model", type=Path, help="GGUF file or Hugging Face folder")
    parser.add_argument("--mmproj", type=Path, help="GGUF file of the image encoder")
    parser.add_argument("--image", type=Path, action="append", default=[], help="picture that the trace was given; may be repeated")
    parser.add_argument("--tolerance", type=float, default=2e-3, help="greatest difference as part of the scale (default: %(default)s)")
    given = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()

    found = load_file(given.trace)
    if "tokens" not in found:
        sys.exit(f"error: {given.trace} holds no `tokens`; write it with `outpost trace`")
    if "image_features" in found and not given.image:
        sys.exit("error: the trace saw a picture; give the same with --image")
    expected = run(given, found.pop("tokens").tolist())
    print(f"{'':<22} {'max abs diff':>13} {'relative':>13} {'scale':>13}")
    missing = [name for name in expected if name not in found]
    problems = {name: departure(name, found[name], value, given.tolerance) for name, value in expected.items() if name in found}
    for what, names in (("missing in the trace", missing), ("not compared", sorted(found.keys() - expected.keys()))):
        if names:
            print(f"{what}: {', '.join(names)}")
    name, problem = next(((name, problem) for name, problem in problems.items() if problem), (None, None))
    if problem:
        print(f"\nfirst departure: {name} {problem}")
    else:
        print(f"\nno departure beyond {given.tolerance:.0e}")
    sys.exit(1 if problem or missing else 0)


if __name__ == "__main__":
    main()
