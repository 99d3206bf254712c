"""The reference as any model's files describe it, and every intermediate of one run of it, under the engine's names."""

import json

import gguf
import numpy as np
import torch
from PIL import Image, ImageOps
from safetensors.numpy import load_file, save_file
from transformers import Gemma3Config, Gemma3ForCausalLM, Gemma3ForConditionalGeneration, Gemma3TextConfig

import export
import random_models

CASE = """\
name = "trace"
proves = "Where a forward pass goes wrong: every layer's output for the F32 model of the case `random` and its prompt with one image."
made_by = "reference/traced.py"

[files]
model = "../random/model-f32.gguf"
mmproj = "../random/mmproj-f32.gguf"
image = "../random/first.png"
# tokens i32 [n]; embed [n, hidden], scaled and with the image features in place; layer.I.out [n, hidden], the residual
# stream after layer I; final_norm [n, hidden]; logits [n, vocab]; vision.patch_embed [patches, vision hidden], before
# the position embedding, and vision.embed, after it; vision.layer.I.out; vision.post_ln; vision.pooled [image tokens,
# vision hidden], before the projector's norm; image_features [image tokens, hidden].
trace = "trace.safetensors"

[tolerance]
# Greatest absolute difference, activations in f32.
absolute_f32 = 5e-4
"""


def make(folder):
    """The F32 model of the case `random` and its prompt with one image."""
    source = folder.parent / "random"
    model = random_models.dequantised(source, "F32", random_models.random_model(export.special_ids(source)))
    tokens = load_file(source / "expected-f32.safetensors")["image.tokens"]
    caught = trace(model, tokens.tolist(), random_models.pictures(source)[:1])
    save_file({**caught, "tokens": tokens}, folder / "trace.safetensors")
    (folder / "case.toml").write_text(CASE)


def from_gguf(path, mmproj=None):
    """The model of a GGUF file, and of its image encoder's, with exactly the values in the files. Computes in f32."""
    keys, shapes = _read(path)
    text = _text_config(keys, shapes)
    if mmproj is None:
        model = Gemma3ForCausalLM(Gemma3TextConfig(**text, attn_implementation="eager"))
    else:
        vision = _read(mmproj)[0]
        key = lambda name, default=None: vision.get("clip.vision." + name, default)
        side = key("image_size") // key("patch_size") // key("projector.scale_factor", 4)
        ids = {t: i for i, t in enumerate(keys["tokenizer.ggml.tokens"]) if t in export.IMAGE_TOKENS}
        boi, eoi, image = (ids[t] for t in export.IMAGE_TOKENS)
        model = Gemma3ForConditionalGeneration(Gemma3Config(
            text_config=text, mm_tokens_per_image=side * side, boi_token_index=boi, eoi_token_index=eoi, image_token_index=image,
            tie_word_embeddings=text["tie_word_embeddings"], attn_implementation="eager",
            vision_config={
                "hidden_size": key("embedding_length"), "intermediate_size": key("feed_forward_length"), "num_hidden_layers": key("block_count"),
                "num_attention_heads": key("attention.head_count"), "image_size": key("image_size"), "patch_size": key("patch_size"),
                "layer_norm_eps": key("attention.layer_norm_epsilon"), "vision_use_head": False}))
    model.load_state_dict(export.dequantised_state_dict(path, mmproj, model), assign=True)
    model.tie_weights()
    return model.eval()


def from_folder(path):
    """The model of a Hugging Face folder. Computes in f32."""
    kind = json.loads((path / "config.json").read_text(encoding="utf-8"))["model_type"]
    model = {"gemma3": Gemma3ForConditionalGeneration, "gemma3_text": Gemma3ForCausalLM}[kind]
    return model.from_pretrained(path, dtype=torch.float32, attn_implementation="eager", local_files_only=True).eval()


def pixels(paths, size):
    """Pictures as the image encoder takes them: [n, 3, size, size] in -1..1."""
    pictures = [ImageOps.exif_transpose(Image.open(path)).convert("RGB").resize((size, size), Image.BILINEAR) for path in paths]
    scaled = (np.stack([np.asarray(p) for p in pictures]).astype(np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(0.5)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def trace(model, tokens, images):
    """Intermediates by name, each [rows, columns], in the order in which they are computed. images: [n, 3, size, size] or None

    vision.patch_embed, before the position embedding; vision.embed, after it; vision.layer.I.out; vision.post_ln;
    vision.pooled, before the projector's norm; image_features; embed, scaled and with the image features in place;
    layer.I.out, the residual stream; final_norm; logits. Several pictures stand one after the other.
    """
    caught, hooks = {}, []

    def rows(value):
        value = value[0] if isinstance(value, tuple) else getattr(value, "last_hidden_state", value)
        return np.ascontiguousarray(value.detach().float().reshape(-1, value.shape[-1]).numpy())

    def keep(module, name, turn=lambda value: value):
        hooks.append(module.register_forward_hook(lambda _m, _i, output: caught.update({name: rows(turn(output))})))

    def keep_input(module, name):
        hooks.append(module.register_forward_pre_hook(
            lambda _m, args, kwargs: caught.update({name: rows(args[0] if args else kwargs["hidden_states"])}), with_kwargs=True))

    text = model.model
    if images is not None:
        text, tower, projector = text.language_model, text.vision_tower, text.multi_modal_projector
        keep(tower.embeddings.patch_embedding, "vision.patch_embed", lambda value: value.flatten(2).transpose(1, 2))
        keep(tower.embeddings, "vision.embed")
        for i, layer in enumerate(tower.encoder.layers):
            keep(layer, f"vision.layer.{i}.out")
        keep(tower.post_layernorm, "vision.post_ln")
        keep_input(projector.mm_soft_emb_norm, "vision.pooled")
        keep(projector, "image_features")
    else:
        text = getattr(text, "language_model", text)
    keep_input(text.layers[0], "embed")
    for i, layer in enumerate(text.layers):
        keep(layer, f"layer.{i}.out")
    keep(text.norm, "final_norm")
    logits = random_models.logits(model, tokens, images).numpy()
    for hook in hooks:
        hook.remove()
    return {**caught, "logits": logits}


def _read(path):
    """Metadata by key, and shapes by tensor name, the last dimension contiguous."""
    reader = gguf.GGUFReader(str(path))
    keys = {name: field.contents() for name, field in reader.fields.items()}
    return keys, {tensor.name: [int(n) for n in reversed(tensor.shape)] for tensor in reader.tensors}


def _text_config(keys, shapes):
    key = lambda name, default=None: keys.get("gemma3." + name, default)
    layers, heads, hidden = key("block_count"), key("attention.head_count"), key("embedding_length")
    pattern, factor = key("attention.sliding_window_pattern", 6), key("rope.scaling.factor", 1.0)
    full = {"rope_type": "default", "rope_theta": key("rope.freq_base")}
    if key("rope.scaling.type") == "linear":
        full = {**full, "rope_type": "linear", "factor": factor}
    return {
        "vocab_size": shapes["token_embd.weight"][0], "hidden_size": hidden, "intermediate_size": key("feed_forward_length"),
        "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": key("attention.head_count_kv"),
        "head_dim": key("attention.key_length"), "max_position_embeddings": key("context_length"),
        # A GGUF file does not hold it; the 27B model's alone is not the width of a head.
        "query_pre_attn_scalar": hidden // heads if layers == 62 else key("attention.key_length"),
        "rms_norm_eps": key("attention.layer_norm_rms_epsilon"), "sliding_window": key("attention.sliding_window"),
        "layer_types": ["sliding_attention" if (i + 1) % pattern else "full_attention" for i in range(layers)],
        "tie_word_embeddings": "output.weight" not in shapes,
        "rope_parameters": {"full_attention": full,
                            "sliding_attention": {"rope_type": "default", "rope_theta": key("rope.freq_base_swa", 1e4)}},
    }
