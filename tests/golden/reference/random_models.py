"""Tiny Gemma 3 models with random weights, in every weight type, and what the reference computes with exactly those.

A quantised file is read back and its values are put into the reference, so an answer differs only by arithmetic.
"""

import copy
import json

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from transformers import Gemma3Config, Gemma3ForCausalLM, Gemma3ForConditionalGeneration, Gemma3TextConfig

import export
import checks

torch.set_num_threads(1)

SEED = 5
AWKWARD_SEED = 6
LONG_TOKENS = 100
AWKWARD_LONG_TOKENS = 60
GREEDY_TOKENS = 64
# Least distance of the two best logits in a greedy continuation, as part of the greatest magnitude of that step's logits.
LEAST_GAP = 1e-3
# Least number of different tokens in a continuation: one that repeats itself shows little.
LEAST_VARIETY = 20
IMAGE_SIZE = 112
TOKENS_PER_IMAGE = 4

# Which image encoder file goes with which decoder file.
TYPES = {"F32": "F32", "F16": "F16", "BF16": "F16", "Q8_0": "Q8_0", "Q4_0": "Q8_0"}
AWKWARD_TYPES = ["Q4_0"]

CORPUS = """\
the patient has a cough and a fever for three days
there is no pain in the chest and no pain in the back
the heart is of normal size and the lungs are clear
take one tablet in the morning and one at night
drink water often and rest until the fever is gone
what do you see in this picture of the hand
the bone is not broken but the joint is swollen
come back tomorrow if it does not get better
is there fluid near the left lung, yes or no?
she feels well, eats well and sleeps through the night
""".split("\n")
VOCAB_SIZE = 440

QUESTIONS = [f"{a} {b}" for a in ("what is", "where is", "is there", "tell me of", "how bad is", "do you see", "name", "when did you feel")
             for b in ("the pain?", "a fever?", "the cough", "no fluid?", "the joint.", "the left hand", "a bone?", "the night", "water", "rest?")]
LONG_TEXT = "the patient has a cough, and " + " ".join(line for line in CORPUS if line) + ".\n\nis the   chest clear?\n"


def make_random(folder):
    ids = _build_tokenizer(folder)
    _write_pictures(folder)
    model = random_model(ids)
    for kind in TYPES:
        export.export_text(model, model.config, folder, folder / f"model-{kind.lower()}.gguf", kind)
    for kind in sorted(set(TYPES.values())):
        export.export_mmproj(model, model.config, folder / f"mmproj-{kind.lower()}.gguf", kind)

    references = {kind: dequantised(folder, kind, model) for kind in TYPES}
    prompts = _prompts(folder, ids, references)
    checks.the_cases_tell_mistakes_apart(references["F32"], prompts, pictures(folder))

    gaps, floors = {}, {}
    for kind, reference in references.items():
        tensors = {}
        for name, tokens in prompts.items():
            # The other types repeat what differs by weight type only, so as to stay small.
            if kind != "F32" and name in ("long", "two_images"):
                continue
            images = _images_for(name, pictures(folder))
            tensors[f"{name}.tokens"] = np.array(tokens, dtype=np.int32)
            tensors[f"{name}.logits"] = logits(reference, tokens, images).numpy()
            floors.setdefault(name, {})[kind] = checks.floors(reference, tokens, images)
            if name in ("short", "image"):
                _add_greedy(tensors, gaps, name, kind, greedy(reference, tokens, images))
            if images is not None:
                tensors[f"{name}.features"] = image_features(reference, images).numpy()
        checks.a_second_opinion_agrees(folder, kind, TYPES[kind], tensors, pictures(folder), ids["image"])
        save_file(tensors, folder / f"expected-{kind.lower()}.safetensors")
    _write_case(folder, prompts, gaps, floors, ids)


def make_awkward(folder):
    ids = _build_tokenizer(folder)
    model = awkward_model(ids)
    gaps, floors = {}, {}
    for kind in AWKWARD_TYPES:
        export.export_text(model, model.config, folder, folder / f"model-{kind.lower()}.gguf", kind)
        reference = copy.deepcopy(model)
        reference.load_state_dict(export.dequantised_state_dict(folder / f"model-{kind.lower()}.gguf", None, reference))
        prompts = {"short": _choose(folder, {kind: reference}, None), "long": _encode(folder, "<bos>" + LONG_TEXT)[:AWKWARD_LONG_TOKENS]}
        tensors = {}
        for name, tokens in prompts.items():
            tensors[f"{name}.tokens"] = np.array(tokens, dtype=np.int32)
            tensors[f"{name}.logits"] = logits(reference, tokens, None).numpy()
            floors.setdefault(name, {})[kind] = checks.floors(reference, tokens, None)
        _add_greedy(tensors, gaps, "short", kind, greedy(reference, prompts["short"], None))
        checks.a_second_opinion_agrees(folder, kind, None, tensors, None, None)
        save_file(tensors, folder / f"expected-{kind.lower()}.safetensors")
    _write_awkward_case(folder, gaps, floors)


def random_model(ids):
    text = {
        "vocab_size": ids["count"], "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 7,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "query_pre_attn_scalar": 32,
        "sliding_window": 16, "max_position_embeddings": 2048, "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}},
    }
    vision = {
        "hidden_size": 32, "intermediate_size": 136, "num_hidden_layers": 3, "num_attention_heads": 4,
        "image_size": IMAGE_SIZE, "patch_size": 14, "vision_use_head": False,
    }
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=TOKENS_PER_IMAGE, boi_token_index=ids["boi"],
                          eoi_token_index=ids["eoi"], image_token_index=ids["image"], attn_implementation="eager")
    return _randomise(Gemma3ForConditionalGeneration(config), SEED)


def awkward_model(ids):
    config = Gemma3TextConfig(
        # Rows beyond the tokenizer's ids, as Gemma has them.
        vocab_size=ids["count"] + 7, hidden_size=96, intermediate_size=224, num_hidden_layers=6, num_attention_heads=3,
        num_key_value_heads=1, head_dim=48, query_pre_attn_scalar=48, sliding_window=16, max_position_embeddings=512,
        layer_types=["full_attention" if i % 3 == 2 else "sliding_attention" for i in range(6)], attn_implementation="eager",
        rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 5e5},
                         "sliding_attention": {"rope_type": "default", "rope_theta": 2e4}})
    model = _randomise(Gemma3ForCausalLM(config), AWKWARD_SEED)
    # Nothing may ever choose a row that stands for no token, whether or not a reader leaves such rows out.
    model.model.embed_tokens.weight.data[ids["count"]:] *= 0.01
    return model


def logits(model, tokens, images):
    """Logits at every position: [tokens, vocab]. images: [n, 3, 112, 112] or None"""
    with torch.no_grad():
        return model(**inputs(model, tokens, images)).logits[0].float()


def inputs(model, tokens, images):
    given = {"input_ids": torch.tensor([tokens])}
    if images is not None:
        given["pixel_values"] = torch.from_numpy(images)
        given["token_type_ids"] = (given["input_ids"] == model.config.image_token_index).long()
    return {**given, "use_cache": False}


def image_features(model, images):
    """What takes the place of the image tokens, all images in order: [images * tokens per image, hidden]"""
    with torch.no_grad():
        out = model.model.get_image_features(pixel_values=torch.from_numpy(images)).pooler_output
    return torch.cat(list(out)).float() if not torch.is_tensor(out) else out.flatten(0, 1).float()


def greedy(model, tokens, images):
    """Continues by the best token, without a cache.

    Returns the tokens, the distance of the two best logits at each, and the least such distance as part of the greatest
    magnitude of the logits; or None at a near tie or if the tokens hardly vary.
    """
    tokens, gaps, least = list(tokens), [], float("inf")
    prompt = len(tokens)
    for _ in range(GREEDY_TOKENS):
        last = logits(model, tokens, images)[-1]
        best = last.topk(2)
        gaps.append((best.values[0] - best.values[1]).item())
        least = min(least, gaps[-1] / last.abs().max().item())
        if least < LEAST_GAP:
            return None
        tokens.append(int(best.indices[0]))
    continuation = tokens[prompt:]
    return (continuation, gaps, least) if len(set(continuation)) >= LEAST_VARIETY else None


def _randomise(model, seed):
    """Weights such that logits are of size 1 to 20, attention is neither flat nor on one key, and no norm is the identity."""
    rng = np.random.Generator(np.random.PCG64(seed))
    for name, parameter in sorted(model.named_parameters()):
        shape = tuple(parameter.shape)
        noise = rng.standard_normal(shape)
        if name.endswith("lm_head.weight"):
            continue  # tied
        if "embed_tokens" in name:
            # Small beside what the layers add: tied, a large one would make every token predict itself.
            value = 0.04 * noise
        elif "mm_input_projection_weight" in name:
            # In every mmproj file these are F16; the F32 case must be exact too.
            value = (noise / shape[0] ** 0.5 * 1.5).astype(np.float16)
        elif "position_embedding" in name:
            value = 0.5 * noise
        elif name.endswith(".bias"):
            value = 0.2 * noise
        elif "q_norm" in name or "k_norm" in name:
            value = 0.5 + 0.2 * noise
        elif name.endswith("language_model.norm.weight") or name == "model.norm.weight":
            value = 9.0 + 0.2 * noise
        elif "vision_tower" in name and ("layer_norm" in name or "layernorm" in name):
            value = 1.0 + 0.2 * noise
        elif len(shape) == 1:
            value = 0.2 * noise
        else:
            fan_in = int(np.prod(shape[1:]))
            sharp = 1.5 if "vision_tower" in name and ("q_proj" in name or "k_proj" in name) else 1.0
            value = sharp * noise / fan_in**0.5
        parameter.data = torch.from_numpy(value.astype(np.float32))
    model.tie_weights()
    return model.eval()


def dequantised(folder, kind, model):
    reference = copy.deepcopy(model)
    state = export.dequantised_state_dict(folder / f"model-{kind.lower()}.gguf", folder / f"mmproj-{TYPES[kind].lower()}.gguf", reference)
    reference.load_state_dict(state)
    reference.tie_weights()
    if kind == "F32":
        # The F32 file is the model itself, but for the rounding of 1 + w.
        worst = max((state[k] - v).abs().max().item() for k, v in model.state_dict().items())
        if worst > 3e-7:
            raise AssertionError(f"the F32 file differs from the model by {worst}")
    return reference


def _build_tokenizer(folder):
    export.build_tokenizer(iter(CORPUS), VOCAB_SIZE, folder)
    strings = CORPUS + QUESTIONS + [LONG_TEXT]
    if differing := export.compare_tokenizers(folder, strings):
        raise AssertionError(f"tokenizer.json and GGUF differ on {differing[0]}")
    return export.special_ids(folder)


def _encode(folder, text):
    return Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text, add_special_tokens=False).ids


def _chat(question):
    return f"<bos><start_of_turn>user\n{question}<end_of_turn>\n<start_of_turn>model\n"


def _prompts(folder, ids, references):
    def with_images(question):
        return _encode(folder, export.expand_images(_chat(question), TOKENS_PER_IMAGE))

    long = _encode(folder, "<bos>" + LONG_TEXT)[:LONG_TOKENS]
    if len(long) != LONG_TOKENS:
        raise AssertionError(f"the long text has only {len(long)} tokens")
    prompts = {
        "short": _choose(folder, references, None),
        "long": long,
        "image": _choose(folder, references, pictures(folder)[:1]),
        "two_images": with_images("<start_of_image>the left hand,<start_of_image>and the back"),
    }
    for name, images in (("image", 1), ("two_images", 2)):
        if prompts[name].count(ids["image"]) != images * TOKENS_PER_IMAGE:
            raise AssertionError(f"{name}: wrong number of image tokens")
    return prompts


def _choose(folder, references, images):
    """The first question whose greedy continuation has no near tie with any weight type."""
    for question in QUESTIONS:
        marked = question if images is None else "<start_of_image>" + question
        tokens = _encode(folder, export.expand_images(_chat(marked), TOKENS_PER_IMAGE))
        if all(greedy(reference, tokens, images) is not None for reference in references.values()):
            return tokens
    raise AssertionError("every question meets a near tie or repeats itself; choose another seed")


def _add_greedy(tensors, gaps, name, kind, found):
    continuation, distances, gaps[f"{name}.{kind.lower()}"] = found
    tensors[f"{name}.greedy"] = np.array(continuation, dtype=np.int32)
    tensors[f"{name}.greedy_gaps"] = np.array(distances, dtype=np.float32)


def _images_for(name, pixels):
    return {"image": pixels[:1], "two_images": pixels}.get(name)


def _write_pictures(folder):
    """Two pictures of the encoder's own size, so that nothing is resized."""
    y, x = np.mgrid[0:IMAGE_SIZE, 0:IMAGE_SIZE].astype(np.int64)
    first = np.stack([(x * x // 61 + y) & 255, 255 - ((x + 2 * y) // 2 & 255), (((x - 56) ** 2 + (y - 40) ** 2) // 31) & 255], axis=-1)
    second = np.stack([np.where((x // 16 + y // 16) % 2, 230, 25), (y * 2) & 255, ((x * y) // 64) & 255], axis=-1)
    for name, value in (("first.png", first), ("second.png", second)):
        Image.fromarray(value.astype(np.uint8), "RGB").save(folder / name, optimize=True)


def pictures(folder):
    """[2, 3, 112, 112]"""
    pictures = [np.asarray(Image.open(folder / name).convert("RGB")) for name in ("first.png", "second.png")]
    scaled = (np.stack(pictures).astype(np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(0.5)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def _measured(floors):
    """The [measured] table: how far two sound ways of computing are from the reference, over all weight types."""
    lines = []
    for name, by_kind in floors.items():
        worst = {key: max(f[key] for f in by_kind.values()) for key in next(iter(by_kind.values()))}
        lines.append(f"{name} = {{ " + ", ".join(f"{key} = {value:.1e}" for key, value in worst.items()) + " }")
    return "\n".join(lines)


def _gap_lines(gaps):
    return "\n".join(f'"{name}" = {gap:.2e}' for name, gap in gaps.items())


def _write_case(folder, prompts, gaps, floors, ids):
    types = "\n".join(
        f'[[expect]]\ntype = "{kind}"\nmodel = "model-{kind.lower()}.gguf"\nmmproj = "mmproj-{mm.lower()}.gguf"\n'
        f'expected = "expected-{kind.lower()}.safetensors"\n' for kind, mm in TYPES.items())
    (folder / "case.toml").write_text(RANDOM_CASE.format(
        version=transformers.__version__, torch=torch.__version__.split("+")[0], seed=SEED, types=types, gaps=_gap_lines(gaps),
        measured=_measured(floors), least=LEAST_GAP, greedy=GREEDY_TOKENS, tolerances=TOLERANCES,
        prompts="\n".join(f"{name} = {len(tokens)}" for name, tokens in prompts.items()), ids=json.dumps(ids).replace(":", " =").replace('"', "")))


def _write_awkward_case(folder, gaps, floors):
    types = "\n".join(f'[[expect]]\ntype = "{kind}"\nmodel = "model-{kind.lower()}.gguf"\nexpected = "expected-{kind.lower()}.safetensors"\n'
                      for kind in AWKWARD_TYPES)
    (folder / "case.toml").write_text(AWKWARD_CASE.format(
        version=transformers.__version__, torch=torch.__version__.split("+")[0], seed=AWKWARD_SEED, types=types, gaps=_gap_lines(gaps),
        measured=_measured(floors), least=LEAST_GAP, greedy=GREEDY_TOKENS, tolerances=TOLERANCES))


TOLERANCES = """\
[tolerance]
# Greatest absolute difference of a logit; logits reach about 16. `f32`: activations, keys and values are f32.
# `f16_kv`: keys and values are kept as f16. `i16`: activations meet quantised weights as 16-bit integers.
# `i8`: as 8-bit integers. `f16`: products of many tokens are halves. With these two, greedy tokens are not compared.
logits_f32 = 5e-4
logits_f16_kv = 1e-1
logits_i16 = 1e-2
logits_i8 = 2.5
logits_f16 = 2.5e-1
# Greatest absolute difference of an image feature; features reach about 5.
features_f32 = 1e-4
features_i16 = 2e-3
features_i8 = 1e-1
features_f16 = 1e-2
# Greedy tokens are compared one by one; with keys and values in f16, up to the first whose gap in `greedy_gaps` is
# below twice logits_f16_kv. With f32 no gap is that small.
greedy = 0"""

RANDOM_CASE = """\
name = "random"
proves = "The whole forward pass, decoder and image encoder, on weights of every basic type: local and full layers, window, both ropes, norms, image attention, tied logits."
made_by = "reference/random_models.py, seed {seed}, transformers {version}, torch {torch}, float32, eager attention"

[files]
tokenizer = "tokenizer.json"
# Already of the encoder's size. Prompt `image` holds the first; `two_images` the first, then the second.
images = ["first.png", "second.png"]

# In `expected`, for a prompt P: P.tokens i32 [n], image tokens already expanded and bos included; P.logits f32 [n, vocab]
# at every position; P.features f32 [image tokens, hidden], what the projector gives; P.greedy i32 [{greedy}], the
# continuation by argmax that does not stop at an end token; P.greedy_gaps f32 [{greedy}], by how much the best logit leads. `long` and `two_images` are in the F32 file only.
# The reference has exactly the weights that are in the files.
{types}
[prompt_tokens]
{prompts}

[ids]
special = {ids}

{tolerances}

[measured]
# Over all weight types, the greatest difference of a logit (features_f64: of an image feature) from the reference when
# computed with f64 weights and activations, and with keys and values rounded to f16; and the greatest magnitude of a logit.
{measured}

[least_gap]
# Least distance of the two best logits along each greedy continuation, as part of the greatest magnitude of a logit.
# The prompts were chosen so that none is below {least}.
{gaps}
"""

AWKWARD_CASE = """\
name = "random_awkward"
proves = "Shapes that are not powers of two, one key head, rows of embedding without a token, full layers at 2 and 5 (pattern 3), rope without scaling and with other bases, and a matrix whose rows are no multiple of 32 and so are F16 in a quantised file."
made_by = "reference/random_models.py, seed {seed}, transformers {version}, torch {torch}, float32, eager attention"

[files]
tokenizer = "tokenizer.json"

# The tensors are named as in the case `random`; greedy continuations have {greedy} tokens.
# The last 7 rows of the embedding stand for no token ([PADn], type UNUSED); logits have them too.
{types}
{tolerances}

[measured]
{measured}

[least_gap]
# None is below {least}.
{gaps}
"""
