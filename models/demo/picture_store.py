"""Pre-rendered training pictures: build/pictures.npy, [COUNT, size, size] u8, row i drawn from seed i."""
from multiprocessing import Pool

import numpy as np

from pictures import draw, squash

SIZE = 224  # pixels, the model's image size
COUNT = 7000


def render(seed: int) -> np.ndarray:
    """[SIZE, SIZE] u8; the three channels are equal, so one is kept."""
    return squash(draw(seed), SIZE)[:, :, 0]


def make(path, processes: int = 2):
    """Renders all pictures unless `path` holds them."""
    if path.exists():
        return
    path.parent.mkdir(exist_ok=True)
    with Pool(processes) as pool:
        np.save(path, np.stack(pool.map(render, range(COUNT), chunksize=50)))


def load(path) -> np.ndarray:
    return np.load(path, mmap_mode="r")


def to_pixels(store: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[n, size, size] u8 -> [n, 3, size, size] f32 in -1..1, each shifted by a few pixels and relit."""
    out = np.empty((len(store), 1, SIZE, SIZE), np.float32)
    for row, picture in zip(out, store):
        dy, dx = rng.integers(-4, 5, 2)
        padded = np.pad(picture, 4, mode="edge")
        shifted = padded[4 + dy : 4 + dy + SIZE, 4 + dx : 4 + dx + SIZE]
        lit = np.clip(shifted * np.float32(rng.uniform(0.85, 1.15)) + np.float32(rng.uniform(-10, 10)), 0, 255)
        row[0] = (lit / 255 - 0.5) / 0.5
    return np.repeat(out, 3, axis=1)
