"""Blocks of every stored weight type, with the f32 values that gguf's own dequantisation gives for them."""

import gguf
import numpy as np
from gguf import GGMLQuantizationType, quants
from safetensors.numpy import save_file

SEED = 11
# Where a block keeps its f16 scales, in bytes.
SCALES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}
# Zero, negative zero, least and greatest subnormal, least normal, greatest, and ordinary ones of either sign.
EDGE_SCALES = np.array([0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x83FF, 0x0400, 0x7BFF, 0xFBFF, 0x3C00, 0xBC00, 0x2E66, 0xAE66], "<u2")
BLOCKS = {"Q4_0": 32, "Q8_0": 32}

CASE = """\
name = "dequant"
proves = "A stored block becomes exactly the f32 values that the format defines, for subnormal, zero, negative and largest scales too."
made_by = "reference/dequant.py, seed {seed}"

[files]
# For each type T: T.blocks u8 [n, block bytes] as stored, T.values f32 [n, block elements].
blocks = "blocks.safetensors"

[tolerance]
# Compared by bits, so that the sign of zero counts: d * (q - 8) with d < 0 and q = 8 is -0.0.
bit_exact = ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]
"""


def make(folder):
    rng = np.random.default_rng(SEED)
    tensors = {}
    for name, places in SCALES.items():
        kind = GGMLQuantizationType[name]
        _, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        blocks = rng.integers(0, 256, (BLOCKS.get(name, len(EDGE_SCALES) + 3), block_bytes), dtype=np.uint8)
        for n, place in enumerate(places):
            scales = (rng.standard_normal(len(blocks)) * 0.05).astype("<f2").view("<u2")
            # A second scale meets every edge of the first at another block.
            scales[: len(EDGE_SCALES)] = np.roll(EDGE_SCALES, 5 * n)
            blocks[:, place : place + 2] = scales[:, None].view(np.uint8)
        tensors[f"{name}.blocks"] = blocks
        tensors[f"{name}.values"] = quants.dequantize(blocks, kind).astype(np.float32)

    bits = rng.integers(0, 1 << 16, 512, dtype=np.uint16)
    edges = np.concatenate([EDGE_SCALES, np.array([0x7C00, 0xFC00, 0x7F80, 0xFF80, 0x0080, 0x8080], "<u2")])
    bits[: len(edges)] = edges
    for name, exponent in (("F16", 0x7C00), ("BF16", 0x7F80)):
        # Not-a-numbers have no one right payload.
        kept = bits[((bits & exponent) != exponent) | ((bits & ~np.uint16(0x8000)) == exponent)]
        stored = np.ascontiguousarray(kept[:, None]).view(np.uint8)
        tensors[f"{name}.blocks"] = stored
        tensors[f"{name}.values"] = quants.dequantize(stored, GGMLQuantizationType[name]).astype(np.float32)
    save_file(tensors, folder / "blocks.safetensors")
    (folder / "case.toml").write_text(CASE.format(seed=SEED))
