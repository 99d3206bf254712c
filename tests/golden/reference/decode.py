"""Tiny encoded pictures and the RGB pixels that Pillow gives for them after turning them upright."""

import hashlib
import json

import numpy as np
from PIL import Image, ImageOps

WIDTH, HEIGHT = 16, 8
EXIF_ORIENTATION = 0x0112

CASE = """\
name = "decode"
proves = "Encoded pictures become upright RGB pixels: EXIF orientation is applied, alpha is dropped and not blended, grey and palette become RGB."
made_by = "reference/decode.py, Pillow {version}"

[files]
# [{{file, width, height, sha256, rgb_hex, levels}}]: size and RGB bytes, row-major, of ImageOps.exif_transpose(image).convert("RGB").
# levels: how far a channel may be off. JPEG decoders differ in their inverse transform and in how they widen chroma.
# scaled_rgb_hex: only for 16-bit grey, which Pillow makes 8 bits of by min(value, 255): nearly everything is white.
# An X-ray is of no use then, so a reader that scales instead, round(value / 257), is right too; within 1 level.
cases = "cases.json"
"""


def picture():
    """A smooth picture without symmetry, so that JPEG keeps it and every orientation looks different. [8, 16, 3] u8"""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([20 + 13 * x, 30 + 25 * y, 200 - 6 * x - 9 * y], axis=-1).clip(0, 255).astype(np.uint8)


def make(folder):
    import PIL

    rgb = Image.fromarray(picture(), "RGB")
    files = {}
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = orientation
        files[f"exif-{orientation}.jpg"] = (rgb, {"quality": 95, "subsampling": 0, "exif": exif}, 3)
    files["chroma-420.jpg"] = (rgb, {"quality": 90, "subsampling": 2}, 8)
    files["progressive.jpg"] = (rgb, {"quality": 95, "subsampling": 0, "progressive": True}, 3)
    files["grey.jpg"] = (rgb.convert("L"), {"quality": 95}, 3)

    alpha = Image.fromarray((np.mgrid[0:HEIGHT, 0:WIDTH].sum(axis=0) * 11 % 256).astype(np.uint8), "L")
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    grey16 = Image.fromarray((np.arange(WIDTH * HEIGHT, dtype=np.uint32) * 515 % 65536).astype(np.uint16).reshape(HEIGHT, WIDTH))
    files["rgb.png"] = (rgb, {}, 0)
    files["rgba.png"] = (rgba, {}, 0)
    files["palette.png"] = (rgb.quantize(24, dither=Image.Dither.NONE), {}, 0)
    files["grey.png"] = (rgb.convert("L"), {}, 0)
    files["grey16.png"] = (grey16, {}, 0)
    files["lossless.webp"] = (rgb, {"lossless": True, "exact": True}, 0)
    files["lossless-alpha.webp"] = (rgba, {"lossless": True, "exact": True}, 0)

    rows = []
    for name, (image, options, levels) in files.items():
        image.save(folder / name, **options)
        with Image.open(folder / name) as stored:
            upright = ImageOps.exif_transpose(stored).convert("RGB")
        data = upright.tobytes()
        row = {"file": name, "width": upright.width, "height": upright.height,
               "sha256": hashlib.sha256(data).hexdigest(), "levels": levels, "rgb_hex": data.hex()}
        if image is grey16:
            if not np.array_equal(np.asarray(upright)[..., 0], np.asarray(grey16).clip(0, 255)):
                raise AssertionError("Pillow no longer saturates 16-bit grey; case.toml says that it does")
            scaled = ((np.asarray(grey16).astype(np.uint32) + 128) // 257).astype(np.uint8)
            row["scaled_rgb_hex"] = scaled.repeat(3).tobytes().hex()
        rows.append(json.dumps(row))
    (folder / "cases.json").write_text("[\n" + ",\n".join(rows) + "\n]\n")

    (folder / "case.toml").write_text(CASE.format(version=PIL.__version__))
