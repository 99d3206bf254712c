"""Greedy answers of the reference model, many prompts at a time."""
import torch

import model as demo
from pictures import draw, pixels


@torch.no_grad()
def answers(model, tokenizer, prompts, pictures, batch: int = 40, limit: int = 140):
    """prompts: rendered chat texts; pictures: PIL pictures or None, one a prompt. -> answer texts without <end_of_turn>."""
    stops, out = demo.stop_ids(), [None] * len(prompts)
    rows = [tokenizer.encode(prompt, add_special_tokens=False).ids for prompt in prompts]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        longest = max(len(rows[i]) for i in chosen)
        ids = torch.tensor([[0] * (longest - len(rows[i])) + rows[i] for i in chosen])
        mask = torch.tensor([[0] * (longest - len(rows[i])) + [1] * len(rows[i]) for i in chosen])
        extra = {}
        seen = [pictures[i] for i in chosen if pictures[i] is not None]
        if seen:
            extra["pixel_values"] = torch.stack([torch.from_numpy(pixels(p, demo.IMAGE_SIZE)) for p in seen])
        made = model.generate(
            input_ids=ids,
            attention_mask=mask,
            token_type_ids=demo.image_token_types(ids, model.config.image_token_index),
            do_sample=False,
            max_new_tokens=limit,
            eos_token_id=list(stops),
            pad_token_id=0,
            **extra,
        )
        for i, row in zip(chosen, made[:, longest:].tolist()):
            end = next((n for n, token in enumerate(row) if token in stops), len(row))
            out[i] = tokenizer.decode(row[:end], skip_special_tokens=False)
    return out


def picture_of(made):
    return None if made.picture is None else draw(made.picture)
