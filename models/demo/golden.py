"""Writes golden.safetensors: what the reference computes from the model files, for tests of other engines.

    python golden.py

transformers, eager attention, f32, weights dequantised from the files. For each of bf16, q8_0, q4_0:
    {kind}.{text|image}.tokens        i32 [n]         prompt, image tokens expanded
    {kind}.{text|image}.logits        f32 [n, vocab]  at every prompt position
    {kind}.{text|image}.continuation  i32 [64]        greedy, not stopping
    {kind}.image.features             f32 [16, hidden] projected image tokens, before they enter the decoder
The metadata holds the prompts and the image file's name. n <= 80.
"""
import json

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file

import data
import files
import model as demo
from pictures import pixels

CONTINUED = 64  # tokens
TEXT_PROMPT = "Extract drug, dose, frequency and condition as JSON.\nIt is ear infection. I give Fenatulex 85 mg twice a day."
IMAGE_PROMPT = "Describe this X-ray"


def image_file() -> str:
    """The first picture of the held-out sample that shows a finding."""
    with open(demo.HERE / "eval" / "heldout.jsonl", encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if line["image"] and line["fields"]["kind"]:
                return line["image"]
    raise SystemExit("error: eval/heldout.jsonl holds no picture with a finding; run samples.py")


@torch.no_grad()
def run(model, ids, image_id, pixel_values=None):
    """ids: [n] -> (logits [n, vocab], continuation [CONTINUED])"""
    def logits_of(tokens):
        batch = torch.tensor([tokens])
        extra = {} if pixel_values is None else {"pixel_values": pixel_values}
        return model(input_ids=batch, token_type_ids=demo.image_token_types(batch, image_id), use_cache=False, **extra).logits[0]

    first = logits_of(ids)
    grown = list(ids)
    for _ in range(CONTINUED):
        grown.append(int(logits_of(grown)[-1].argmax()))
    return first, grown[len(ids) :]


def main():
    torch.set_num_threads(1)
    tokenizer, name, out = demo.tokenizer(), image_file(), {}
    prompts = {
        "text": data.prompt_text(data.Instance("extract", [(TEXT_PROMPT, "")])),
        "image": data.prompt_text(data.Instance("picture", [(IMAGE_PROMPT, "")], picture=0)),
    }
    pixel_values = torch.from_numpy(pixels(Image.open(demo.HERE / "eval" / name), demo.IMAGE_SIZE))[None]
    for kind in files.TYPES:
        model = files.read(kind, attention="eager")
        image_id = model.config.image_token_index
        for part, prompt in prompts.items():
            ids = tokenizer.encode(prompt, add_special_tokens=False).ids
            assert len(ids) <= 80, f"{part} prompt has {len(ids)} tokens; keep the file small"
            logits, continuation = run(model, ids, image_id, pixel_values if part == "image" else None)
            out[f"{kind}.{part}.tokens"] = np.array(ids, np.int32)
            out[f"{kind}.{part}.logits"] = logits.numpy().astype(np.float32)
            out[f"{kind}.{part}.continuation"] = np.array(continuation, np.int32)
            print(kind, part, len(ids), "tokens:", repr(tokenizer.decode(continuation, skip_special_tokens=False)))
        with torch.no_grad():
            tower = model.model.vision_tower(pixel_values=pixel_values).last_hidden_state
            out[f"{kind}.image.features"] = model.model.multi_modal_projector(tower)[0].numpy()
    metadata = {"text_prompt": prompts["text"], "image_prompt": prompts["image"], "image": f"eval/{name}"}
    path = demo.HERE / "golden.safetensors"
    save_file(out, path, metadata=metadata)
    path.chmod(0o644)


if __name__ == "__main__":
    main()
