"""What makes the random cases trustworthy: that they notice mistakes, and how exact an answer can be asked for."""

import contextlib
import copy

import numpy as np
import torch
from transformers.models.gemma3 import modeling_gemma3

import plain
import random_models

# A mistake must move some logit at least this far: many times the tolerance.
NOTICEABLE = 0.05
# What f32 rounding explains of the difference to plain.py.
SECOND_OPINION = 2e-4


def floors(model, tokens, images):
    """Greatest logit difference of f64 arithmetic and of f16 keys and values, and the logits' greatest magnitude."""
    expected = random_models.logits(model, tokens, images)
    doubled = copy.deepcopy(model).double()
    given = random_models.inputs(doubled, tokens, images)
    if "pixel_values" in given:
        given["pixel_values"] = given["pixel_values"].double()
    with torch.no_grad():
        exact = doubled(**given).logits[0].float()
    with _half_keys_and_values():
        half = random_models.logits(model, tokens, images)
    found = {"f64": _off(exact, expected), "f16_kv": _off(half, expected), "largest": expected.abs().max().item()}
    if images is not None:
        features = random_models.image_features(doubled, images.astype("float64"))
        found["features_f64"] = _off(features, random_models.image_features(model, images))
    return found


def the_cases_tell_mistakes_apart(model, prompts, pixels):
    """Raises if a plausible mistake would leave the expected logits nearly as they are."""
    long, image, two = prompts["long"], prompts["image"], prompts["two_images"]
    right = random_models.logits(model, long, None)

    for window in (15, 17):
        wrong = copy.deepcopy(model)
        wrong.config.text_config.sliding_window = window
        for layer in wrong.model.language_model.layers:
            if layer.self_attn.sliding_window is not None:
                layer.self_attn.sliding_window = window
        _noticed(f"a window of {window}", random_models.logits(wrong, long, None), right)
    wrong = copy.deepcopy(model)
    wrong.model.language_model.rotary_emb.full_attention_inv_freq *= 8
    _noticed("no rope scaling in full layers", random_models.logits(wrong, long, None), right)
    wrong = copy.deepcopy(model)
    wrong.model.language_model.rotary_emb.sliding_attention_inv_freq *= 0.9
    _noticed("another local rope base", random_models.logits(wrong, long, None), right)
    for name in ("q_norm", "k_norm", "input_layernorm", "post_feedforward_layernorm"):
        wrong = copy.deepcopy(model)
        for key, parameter in wrong.named_parameters():
            if "layers.3." in key and f".{name}." in key:
                parameter.data -= 1
        _noticed(f"{name} without 1 +", random_models.logits(wrong, long, None), right)

    right = random_models.logits(model, image, pixels[:1])
    causal = random_models.inputs(model, image, pixels[:1])
    del causal["token_type_ids"]
    with torch.no_grad():
        _noticed("a causal image", model(**causal).logits[0], right)
    _noticed("the other picture", random_models.logits(model, image, pixels[1:]), right)
    right = random_models.logits(model, two, pixels)
    _noticed("pictures exchanged", random_models.logits(model, two, pixels[::-1].copy()), right)

    # A later image token reaches an earlier one of its own image, and nothing before or of another image.
    places = [i for i, t in enumerate(two) if t == model.config.image_token_index]
    first, second = places[: len(places) // 2], places[len(places) // 2 :]
    with _last_feature_moved(model, 0):
        moved = random_models.logits(model, two, pixels)
    _noticed("a later token of the same image", moved[first[0]], right[first[0]])
    if not torch.equal(moved[: first[0]], right[: first[0]]):
        raise AssertionError("a token before the image saw the image")
    with _last_feature_moved(model, 1):
        moved = random_models.logits(model, two, pixels)
    _noticed("a later token of the second image", moved[second[0]], right[second[0]])
    if not torch.equal(moved[: second[0]], right[: second[0]]):
        raise AssertionError("an earlier token saw the second image")


def a_second_opinion_agrees(folder, kind, mmproj_kind, expected, pixels, image_token):
    """Raises if computing from the GGUF files alone gives other values than the reference."""
    text = plain.GgufModel(folder / f"model-{kind.lower()}.gguf")
    vision = mmproj_kind and plain.GgufModel(folder / f"mmproj-{mmproj_kind.lower()}.gguf")
    for name in [key[: -len(".tokens")] for key in expected if key.endswith(".tokens")]:
        features = None
        if f"{name}.features" in expected:
            count = len(expected[f"{name}.features"]) // random_models.TOKENS_PER_IMAGE
            features = np.concatenate([plain.image_features(vision, image) for image in pixels[:count]])
            _agrees(f"{kind} {name} features", features, expected[f"{name}.features"])
        logits = plain.logits(text, expected[f"{name}.tokens"], features, image_token)
        _agrees(f"{kind} {name} logits", logits, expected[f"{name}.logits"])


def _agrees(what, other, reference):
    worst = np.abs(other - reference).max()
    if worst > SECOND_OPINION:
        raise AssertionError(f"{what}: the file alone gives values that are {worst:.1e} off")


def _off(a, b):
    return (a - b).abs().max().item()


def _noticed(what, wrong, right):
    if _off(wrong, right) < NOTICEABLE:
        raise AssertionError(f"{what}: logits move by only {_off(wrong, right):.1e}")


@contextlib.contextmanager
def _last_feature_moved(model, image):
    def move(_module, _inputs, output):
        output = output.clone()
        output[image, -1] += 1.0
        return output

    hook = model.model.multi_modal_projector.register_forward_hook(move)
    try:
        yield
    finally:
        hook.remove()


@contextlib.contextmanager
def _half_keys_and_values():
    plain = modeling_gemma3.eager_attention_forward

    def rounded(module, query, key, value, *args, **kwargs):
        return plain(module, query, key.half().to(key.dtype), value.half().to(value.dtype), *args, **kwargs)

    modeling_gemma3.eager_attention_forward = rounded
    try:
        yield
    finally:
        modeling_gemma3.eager_attention_forward = plain
