"""Draws X-ray-like chest pictures, each with one finding or none.

Everything is invented: no patient's picture was used. A picture follows from its seed alone, so the split is by seed:
training seeds lie below HELD_OUT_SEED, held-out seeds at or above it.

Sides are the patient's, as radiology writes them: a finding on the left half of the picture is on the patient's right.

Anatomy is drawn in chest coordinates: x and y run from -1 to 1, x to the right of the picture, y down. `t` runs along a
lung from its top (0) to its base (1); the zones are bands of `t` with a gap between them, so none is ambiguous.
"""
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

HELD_OUT_SEED = 1_000_000
SIDES = ("right", "left")  # the patient's
ZONES = {"upper": (0.16, 0.28), "middle": (0.44, 0.56), "lower": (0.70, 0.82)}  # bands of t
KINDS = ("round opacity", "fluid level", "line with a dark outer rim", "patchy shadow")


@dataclass(frozen=True)
class Finding:
    """One finding; `kind` None means that the picture shows none, and then the other two are None."""

    kind: str | None
    side: str | None
    zone: str | None


def finding_of(seed: int) -> Finding:
    """The finding that `draw(seed)` shows, without drawing it. One picture in seven shows none."""
    rng = np.random.default_rng([seed, 1])
    if rng.random() < 1 / 7:
        return Finding(None, None, None)
    return Finding(str(rng.choice(KINDS)), str(rng.choice(SIDES)), str(rng.choice(list(ZONES))))


def draw(seed: int, size: tuple[int, int] | None = None) -> Image.Image:
    """Greyscale picture for `seed`; `size` is (width, height) in pixels, drawn between 256 and 640 when not given."""
    rng = np.random.default_rng([seed, 2])
    drawn = _size(rng)
    chest = _Chest(rng, *_chest_coordinates(rng, *(size or drawn)))
    finding = finding_of(seed)
    if finding.kind:
        chest.add(finding)
    return _expose(rng, chest.light)


def finding_map(seed: int, cells: int) -> np.ndarray:
    """[cells, cells] bool: where the finding of `draw(seed)` changes the picture, whatever its size."""
    fine = 4  # points a cell and axis
    rng = np.random.default_rng([seed, 2])
    _size(rng)
    chest = _Chest(rng, *_chest_coordinates(rng, cells * fine, cells * fine))
    finding, before = finding_of(seed), chest.light
    if finding.kind:
        chest.add(finding)
    changed = np.abs(chest.light - before) > 0.06
    return changed.reshape(cells, fine, cells, fine).mean((1, 3)) >= 0.25


def _size(rng):
    """Width and height in pixels; half of them near the shape of a chest film."""
    width, height = (int(n) for n in rng.integers(256, 641, 2))
    if rng.random() < 0.5:
        height = int(np.clip(width * rng.uniform(0.9, 1.25), 256, 640))
    return width, height


def _chest_coordinates(rng, width, height):
    """x, y: [height, width] chest coordinates of every pixel, under a random rotation, scale and shift."""
    u = np.linspace(-1, 1, width, dtype=np.float32)[None, :] - np.float32(rng.uniform(-0.06, 0.06))
    v = np.linspace(-1, 1, height, dtype=np.float32)[:, None] - np.float32(rng.uniform(-0.06, 0.06))
    angle = np.float32(np.deg2rad(rng.uniform(-7, 7)))
    scale_x, scale_y = np.float32(rng.uniform(0.92, 1.12, 2))
    return (np.cos(angle) * u + np.sin(angle) * v) * scale_x, (np.cos(angle) * v - np.sin(angle) * u) * scale_y


def _step(value, softness):
    """Smooth step from 0 to 1 around 0, `softness` chest units wide."""
    return np.clip(value / softness * 0.5 + 0.5, 0, 1)


def _texture(rng, shape, cells):
    """Smooth noise of zero mean and about unit deviation: [height, width]."""
    small = rng.standard_normal((cells, cells)).astype(np.float32)
    return np.asarray(Image.fromarray(small).resize((shape[1], shape[0]), Image.BICUBIC))


class _Chest:
    """Light (0 black, 1 white) of a chest, and the shapes that findings are placed by."""

    def __init__(self, rng, x, y):
        self.rng, self.x, self.y = rng, x, y
        self.top, self.base = rng.uniform(-0.82, -0.72), rng.uniform(0.52, 0.66)
        self.inner, self.reach = rng.uniform(0.10, 0.15), rng.uniform(0.56, 0.66)
        self.t = (y - self.top) / (self.base - self.top)  # [height, width]
        self.air = {side: self._lung(side) for side in SIDES}  # [height, width] each
        self.light = self._anatomy()

    def _outer(self, t):
        """Distance of a lung's outer edge from the midline at `t`."""
        rise = np.clip(t / 0.55, 0, 1)
        return self.inner + self.reach * (0.12 + 0.88 * np.sqrt(np.clip(1 - (1 - rise) ** 2, 0, 1)))

    def _lung(self, side):
        across = self.x * (-1 if side == "right" else 1)  # distance from the midline towards this side
        dome = 0.10 * ((across - 0.40) / 0.35) ** 2 - 0.05  # the diaphragm is higher in the middle
        return (
            _step(across - self.inner, 0.05)
            * _step(self._outer(self.t) - across, 0.04)
            * _step(self.y - self.top, 0.06)
            * _step(self.base + dome - self.y, 0.05)
        )

    def _anatomy(self):
        rng, x, y = self.rng, self.x, self.y
        air = self.air["right"] + self.air["left"]
        body = _step(self._outer(np.clip(self.t, 0.2, 1)) + rng.uniform(0.14, 0.22) - np.abs(x), 0.06)
        light = 0.04 + body * rng.uniform(0.50, 0.62)
        light = light - air * rng.uniform(0.30, 0.38)
        light = light + rng.uniform(0.10, 0.18) * np.exp(-((x / 0.09) ** 2)) * body  # spine
        heart_x, heart_y = rng.uniform(0.08, 0.16), rng.uniform(0.26, 0.36)
        wide, tall = rng.uniform(0.20, 0.30), rng.uniform(0.24, 0.34)
        inside = 1 - np.sqrt(((x - heart_x) / wide) ** 2 + ((y - heart_y) / tall) ** 2)
        light = light + rng.uniform(0.20, 0.30) * _step(inside, 0.20) * _step(self.base + 0.06 - y, 0.1)
        ribs = np.cos((self.t * rng.uniform(7, 9) - 1.1 * (np.abs(x) - 0.35) ** 2 * 4 + rng.random()) * 2 * np.pi)
        light = light + rng.uniform(0.02, 0.06) * np.clip(ribs, 0, 1) * body
        collar = self.top + 0.12 + rng.uniform(0.1, 0.25) * (0.5 - np.abs(x))
        light = light + rng.uniform(0.04, 0.10) * np.exp(-(((y - collar) / 0.035) ** 2)) * body * (np.abs(x) > 0.08)
        vessels = np.abs(_texture(rng, x.shape, 26))
        return light + rng.uniform(0.01, 0.035) * vessels * air

    def add(self, finding):
        """Draws `finding` into the light."""
        rng = self.rng
        sign = -1 if finding.side == "right" else 1
        t = rng.uniform(*ZONES[finding.zone])
        air = self.air[finding.side]
        outer = self._outer(t)
        # Towards the outside, clear of the heart.
        across = self.inner + (outer - self.inner) * rng.uniform(0.45, 0.68)
        dx, dy = self.x - sign * across, self.y - (self.top + t * (self.base - self.top))
        strength = rng.uniform(0.20, 0.34)
        if finding.kind == "round opacity":
            radius = rng.uniform(0.075, 0.125)
            shape = _step(radius - np.hypot(dx, dy), rng.uniform(0.02, 0.05))
            self.light = self.light + strength * shape
        elif finding.kind == "fluid level":
            radius = rng.uniform(0.11, 0.15)
            away = np.hypot(dx, dy)
            cavity = _step(radius - away, 0.02)
            wall = np.exp(-(((away - radius) / 0.014) ** 2))
            below = _step(dy - radius * rng.uniform(-0.15, 0.25), 0.012)
            self.light = self.light + cavity * (below * (strength + 0.06) - (1 - below) * 0.08) + 0.20 * wall
        elif finding.kind == "patchy shadow":
            reach_x, reach_y = rng.uniform(0.15, 0.20), rng.uniform(0.13, 0.17)
            envelope = np.exp(-((dx / reach_x) ** 2) - (dy / reach_y) ** 2)
            patches = np.clip(0.55 + 0.55 * _texture(rng, dx.shape, 22), 0, 1.3)
            self.light = self.light + (strength + 0.06) * envelope * patches * air
        else:  # a lung edge that has come away from the wall: fine line, no texture outside it
            half = rng.uniform(0.12, 0.16)
            along = _step(half - np.abs(self.t - t), 0.05)
            depth = self._outer(self.t) - rng.uniform(0.11, 0.17) - sign * self.x  # < 0 outside the line
            line = np.exp(-((depth / 0.014) ** 2))
            rim = _step(-depth, 0.02) * air
            dark = self.light * (1 - 0.75 * rim * along) + 0.02 * rim * along
            self.light = dark + (strength + 0.02) * line * along * np.clip(air * 2, 0, 1)


def _expose(rng, light):
    """The film: gamma, contrast, noise, now and then blur, a dark border or a blank label; to 8 bits."""
    light = np.clip(light, 0, 1) ** np.float32(rng.uniform(0.75, 1.3))
    light = light * rng.uniform(0.85, 1.15) + rng.uniform(-0.03, 0.08)
    light = light + rng.uniform(0.0, 0.035) * rng.standard_normal(light.shape, dtype=np.float32)
    light = light + 0.03 * _texture(rng, light.shape, 4)
    if rng.random() < 0.15:  # a marker in an upper corner
        high, wide = light.shape
        column = int(wide * (0.03 if rng.random() < 0.5 else 0.9))
        light[int(high * 0.04) : int(high * 0.09), column : column + int(wide * 0.06)] = 0.9
    if rng.random() < 0.15:
        border = int(rng.integers(2, 9))
        light[:border], light[-border:], light[:, :border], light[:, -border:] = 0, 0, 0, 0
    picture = Image.fromarray(np.round(np.clip(light, 0, 1) * 255).astype(np.uint8))
    if rng.random() < 0.25:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.0)))
    return picture


def pixels(picture: Image.Image, image_size: int) -> np.ndarray:
    """picture -> [3, image_size, image_size] f32 in -1..1, NCHW: squashed bilinear resize, then (p/255 - 0.5)/0.5."""
    return to_unit(squash(picture, image_size))


def squash(picture: Image.Image, image_size: int) -> np.ndarray:
    """picture -> [image_size, image_size, 3] u8; aspect is not kept, as in the Gemma 3 processor."""
    return np.asarray(picture.convert("RGB").resize((image_size, image_size), Image.BILINEAR))


def to_unit(squashed: np.ndarray) -> np.ndarray:
    """[size, size, 3] u8 -> [3, size, size] f32 in -1..1."""
    return (squashed.astype(np.float32).transpose(2, 0, 1) / 255 - 0.5) / 0.5
