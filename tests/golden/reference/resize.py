"""Pillow's bilinear resize, which the model's image processor stands for, on pictures that a formula gives."""

import hashlib
import json

import numpy as np
from PIL import Image

# (in_w, in_h, out_w, out_h)
SMALL = [
    (1, 1, 3, 3), (3, 7, 5, 4), (7, 3, 2, 2), (16, 16, 5, 9), (5, 5, 5, 3), (5, 5, 2, 5), (10, 10, 10, 10),
    (31, 2, 3, 8), (2, 31, 8, 3), (13, 11, 1, 1), (12, 8, 18, 12),
]
LARGE = [
    (1, 1, 112, 112), (3, 7, 112, 112), (640, 480, 112, 112), (1000, 333, 112, 112), (97, 1201, 112, 112),
    (224, 224, 112, 112), (113, 111, 112, 112), (1, 1, 896, 896), (3, 7, 896, 896), (640, 480, 896, 896),
    (1000, 333, 896, 896), (97, 1201, 896, 896), (224, 224, 896, 896), (1792, 1792, 896, 896), (897, 895, 896, 896),
]

CASE = """\
name = "resize"
proves = "Resizing gives byte for byte what Pillow's Image.resize((w, h), Image.BILINEAR) gives: antialiased, horizontal pass first, u8 after each pass."
made_by = "reference/resize.py, Pillow {version}"

[files]
# [{{name, in_w, in_h, out_w, out_h, sha256, rgb_hex}}]: sha256 of the RGB bytes, row-major; rgb_hex, the bytes themselves, for small results only.
cases = "cases.json"

[input]
# Pixel (x, y) of every input, in whole numbers.
r = "(x * 7 + y * 13) & 255"
g = "(x * x + 3 * y) & 255"
b = "(x ^ y) & 255"

[tolerance]
levels = 0
"""


def pattern(width, height):
    """The input picture of case.toml. [height, width, 3] u8"""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([(x * 7 + y * 13) & 255, (x * x + 3 * y) & 255, (x ^ y) & 255], axis=-1).astype(np.uint8)


def make(folder):
    import PIL

    rows = []
    for size in SMALL + LARGE:
        in_w, in_h, out_w, out_h = size
        out = Image.fromarray(pattern(in_w, in_h), "RGB").resize((out_w, out_h), Image.BILINEAR).tobytes()
        row = {"name": f"{in_w}x{in_h}_to_{out_w}x{out_h}", "in_w": in_w, "in_h": in_h, "out_w": out_w, "out_h": out_h,
               "sha256": hashlib.sha256(out).hexdigest()}
        if size in SMALL:
            row["rgb_hex"] = out.hex()
        rows.append(json.dumps(row))
    (folder / "cases.json").write_text("[\n" + ",\n".join(rows) + "\n]\n")
    (folder / "case.toml").write_text(CASE.format(version=PIL.__version__))
