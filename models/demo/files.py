"""Writes the model files from build/model.pt, and reads them back.

    python files.py
"""
import torch

import export
import model as demo

TYPES = {"bf16": "BF16", "q8_0": "Q8_0", "q4_0": "Q4_0"}
MMPROJ = demo.HERE / "mmproj-demo-f16.gguf"


def text_file(kind: str):
    return demo.HERE / f"demo-{kind}.gguf"


def write():
    model = demo.build()
    model.load_state_dict(torch.load(demo.HERE / "build" / "model.pt"))
    for kind, type_name in TYPES.items():
        export.export_text(model, model.config, demo.TOKENIZER, text_file(kind), type_name)
    export.export_mmproj(model, model.config, MMPROJ, "F16")
    for path in (*map(text_file, TYPES), MMPROJ):
        print(path.name, path.stat().st_size, "bytes")


def read(kind: str, attention: str = "sdpa"):
    """The reference model with exactly the values that the files of `kind` hold; computes in f32."""
    model = demo.build(attention)
    model.load_state_dict(export.dequantised_state_dict(text_file(kind), MMPROJ, model))
    return model.eval()


if __name__ == "__main__":
    write()
