"""The random model of the case `random` as transformers saves it: config.json, safetensors in three files, tokenizer.json."""

import json
import shutil

import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType, quants
from safetensors.numpy import save_file

import export
import random_models

torch.set_num_threads(1)

SEED = 17
SHARD_SIZE = "700KB"
SHARDS = 3
# transformers writes these two with the model; the rest is read from the case `random` or written here.
TOKENIZER_FILES = ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]

# What Gemma3ImageProcessor saves of its means; the engine reads nothing else of it.
PREPROCESSOR = {"image_processor_type": "Gemma3ImageProcessor", "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}

CASE = """\
name = "huggingface"
proves = "A folder as transformers saves it is the model of the case `random`: the same metadata, the same tensors, and after quantising the blocks that gguf's own quantisation gives."
made_by = "reference/huggingface.py, seed {seed}, transformers {version}"

[files]
# The folder itself is the model, in F32 and in {shards} files.
config = "config.json"
index = "model.safetensors.index.json"
# values f32 [n, 32], and for each type T: T u8 [n, block bytes], what gguf.quants makes of them.
blocks = "expected-blocks.safetensors"
# The same weights as GGUF files, by type: model-T.gguf and mmproj-T.gguf. Tokens and scores of runs of spaces differ:
# see engine/src/weights/huggingface/tokenizer.rs.
gguf = "../random"

[tolerance]
# Tensors, blocks and metadata are compared bit by bit.
absolute = 0
"""


def make(folder):
    source = folder.parent / "random"
    model = random_models.random_model(export.special_ids(source))
    model.save_pretrained(folder, max_shard_size=SHARD_SIZE)
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != SHARDS:
        raise AssertionError(f"{len(files)} files where {SHARDS} are wanted; change SHARD_SIZE")
    for name in TOKENIZER_FILES:
        shutil.copyfile(source / name, folder / name)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR, indent=1) + "\n")
    save_file(expected_blocks(), folder / "expected-blocks.safetensors")
    (folder / "case.toml").write_text(CASE.format(version=transformers.__version__, seed=SEED, shards=SHARDS))


def expected_blocks():
    """Blocks with every edge of rounding: zeros of either sign, ties, equal magnitudes, scales beyond and below halves."""
    rng = np.random.default_rng(SEED)
    values = (rng.standard_normal((48, 32)) * 10.0 ** rng.integers(-7, 6, (48, 1))).astype(np.float32)
    values[0] = 0
    values[1] = -0.0
    values[2, 1:] = 0
    values[3] = np.where(np.arange(32) % 2, 1, -1)
    values[4] = -values[3]
    values[5] = np.arange(32) - 16
    values[6] = (np.arange(32) - 16) * 0.5
    values[7] = np.concatenate([[127], np.arange(31) + 0.5])
    values[8] = np.concatenate([[-127], -np.arange(31) - 0.5])
    values[9] = np.concatenate([[8], np.arange(31) * 0.5 - 7.5])
    values[10] = 1e-30 * values[5]
    values[11] = 6e4 * values[5]
    blocks = {name: quants.quantize(values, GGMLQuantizationType[name]) for name in ("Q8_0", "Q4_0")}
    return {"values": values, **blocks}
