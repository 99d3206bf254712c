"""Draws the PNG icons from the same shapes as icon.svg: python3 make.py"""
from pathlib import Path

from PIL import Image, ImageDraw

GROUND, INK, OVERSAMPLING = "#0d4f56", "#f4f5f1", 8


def draw(size: int, scale: float, corner: float) -> Image.Image:
    """The mark, `scale` times its size in icon.svg, on a square with rounded corners (a share of its side)."""
    side = size * OVERSAMPLING
    unit = side / 512
    picture = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    pen.rounded_rectangle((0, 0, side - 1, side - 1), radius=corner * side, fill=GROUND)

    def at(x: float, y: float) -> tuple[float, float]:
        return (256 + (x - 256) * scale) * unit, (256 + (y - 256) * scale) * unit

    half = 17 * scale * unit

    def line(x0: float, y0: float, x1: float, y1: float) -> None:
        pen.line((at(x0, y0), at(x1, y1)), fill=INK, width=round(2 * half))
        for x, y in (at(x0, y0), at(x1, y1)):
            pen.ellipse((x - half, y - half, x + half, y + half), fill=INK)

    line(96, 372, 416, 372)
    line(256, 96, 256, 118)
    left, top = at(256 - 90, 250 - 90)
    right, bottom = at(256 + 90, 250 + 90)
    pen.ellipse((left - half, top - half, right + half, bottom + half), outline=INK, width=round(2 * half))
    # Two colours and what lies between them: a palette holds it.
    return picture.resize((size, size), Image.Resampling.LANCZOS).quantize(64, Image.Quantize.FASTOCTREE)


if __name__ == "__main__":
    folder = Path(__file__).parent
    draw(192, 1.0, 104 / 512).save(folder / "icon-192.png", optimize=True)
    draw(512, 1.0, 104 / 512).save(folder / "icon-512.png", optimize=True)
    # A maskable icon is cut to any shape: the ground fills the square and the mark stays in the inner 80 %.
    draw(512, 0.8, 0.0).save(folder / "maskable-512.png", optimize=True)
