"""What small trained Gemma 3 models answer in every quantisation mix that llama.cpp writes.

`train_mixes.py` makes the model files and is run seldom; this module reads them, checks that they hold what they should,
and writes what `transformers` computes in f32 with exactly the values that are in each file.
"""

import collections
import copy
import tempfile
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from gguf import GGUFReader
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

import checks
import data
import export
import plain
import random_models

torch.set_num_threads(1)

FOLDER = Path(__file__).resolve().parent.parent / "mixes"
# The smallest vocabulary there is: in so small a model it would otherwise be most of every file.
TOKENIZER = FOLDER.parent / "random"
ROWS = 448  # of the embedding; rows past the tokenizer's 440 ids are padding, as in Gemma

# How the wide model, whose rows are multiples of 256, is stored: matrices of each type. The rest are norms, in F32.
WIDE = {
    "Q8_0": {"Q8_0": 15},
    "Q4_0": {"Q4_0": 14, "Q6_K": 1},
    "Q2_K": {"Q2_K": 8, "Q3_K": 4, "Q4_K": 2, "Q6_K": 1},
    "Q3_K_M": {"Q3_K": 8, "Q4_K": 4, "Q5_K": 2, "Q6_K": 1},
    "Q4_K_S": {"Q4_K": 12, "Q5_K": 2, "Q6_K": 1},
    "Q4_K_M": {"Q4_K": 12, "Q6_K": 3},
    "Q5_K_S": {"Q5_K": 14, "Q6_K": 1},
    "Q5_K_M": {"Q5_K": 12, "Q6_K": 3},
    "Q6_K": {"Q6_K": 15},
}
# The mix that is in several files.
SPLIT = "Q5_K_S"
# The narrow model's rows are too short for the K types; llama.cpp then takes others in their place.
NARROW = {
    "BF16": {"BF16": 43},
    "Q4_1": {"Q4_1": 42, "Q8_0": 1},
    "Q5_0": {"Q5_0": 42, "Q8_0": 1},
    "Q5_1": {"Q5_1": 42, "Q8_0": 1},
}
# Mixes in which some matrices of the last layer have more bits than those of the first.
BUMPED = ("Q4_K_M", "Q5_K_M")

# What the table calls a file, where that is not its mix.
NAMES = {"older": "Q5_K_M of an older converter", "untied": "Q4_K_M with its own output"}

PROMPT_TOKENS = 100
GREEDY_TOKENS = 16
# Where all logits are kept: the beginning, around the window's edge (16), and far behind it.
POSITIONS = [0, 14, 15, 16, 17, 40, 70, 99]

# Greatest difference of a logit, as part of the greatest magnitude of a logit.
TOLERANCE = 2e-3
# Least distance of the two best logits, likewise: at every token of the prompt, and where it is continued.
LEAST_GAP = 2 * TOLERANCE
LEAST_GREEDY_GAP = 20 * TOLERANCE
# A mistake must move some logit at least this far, likewise.
NOTICEABLE = 5 * TOLERANCE

SHORTEST, LONGEST = 125, 160  # tokens of a text
PROMPT = 9  # of `texts`


def make(folder):
    prompt = texts(PROMPT + 1)[PROMPT][:PROMPT_TOKENS]
    expectations, gaps, floors = [], {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, parts, expected in files():
            whole = _joined([folder / part for part in parts], Path(scratch) / "joined.gguf")
            _holds_what_it_should(name, whole)
            reference = _reference(name, whole)
            tensors, gaps[name] = _expected(name, reference, prompt)
            found = checks.floors(reference, prompt, None)
            floors[name] = {key: found[key] / found["largest"] for key in ("f64", "f16_kv")}
            if not name.startswith("untied"):  # plain.py knows tied logits only
                _a_second_opinion_agrees(name, whole, tensors)
            if name in ("Q8_0", "BF16"):
                _mistakes_are_noticed(reference, prompt)
            if name == "BF16":
                _f16_gives_the_same(reference, prompt, tensors)
            save_file(tensors, folder / expected)
            expectations.append(_expect(name, parts, expected, whole, tensors))
    _write_case(folder, expectations, gaps, floors)


def config(name):
    """The model `wide` or `narrow`."""
    wide = {"hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 8, "head_dim": 32,
            "query_pre_attn_scalar": 32, "layer_types": ["sliding_attention", "full_attention"]}
    narrow = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 6, "num_attention_heads": 2, "head_dim": 32,
              "query_pre_attn_scalar": 32, "layer_types": ["sliding_attention"] * 5 + ["full_attention"]}
    return Gemma3TextConfig(
        vocab_size=ROWS, num_key_value_heads=1, sliding_window=16, max_position_embeddings=2048, attn_implementation="eager",
        rope_parameters={"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                         "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}},
        **(wide if name == "wide" else narrow))


def texts(count):
    """Token ids of `count` conversations about invented prescriptions and lists."""
    tokenizer = Tokenizer.from_file(str(TOKENIZER / "tokenizer.json"))
    found, seed = [], 0
    while len(found) < count:
        made = data.instance(("extract", "repeat")[seed % 2], seed)
        ids = tokenizer.encode("".join(text for text, _ in data.segments(made)), add_special_tokens=False).ids
        if SHORTEST <= len(ids) <= LONGEST:
            found.append(ids)
        seed += 1
    return found


def files():
    """(name, its model's files, file with what is expected), for each way a model is stored"""
    def row(name, stem):
        return name, [f"{stem}.gguf"], f"expected-{stem}.safetensors"

    for kind in WIDE:
        if kind == SPLIT:
            parts = sorted(path.name for path in FOLDER.glob(f"wide-{kind.lower()}-*-of-*.gguf"))
            yield kind, parts, f"expected-wide-{kind.lower()}.safetensors"
        else:
            yield row(kind, f"wide-{kind.lower()}")
    for kind in NARROW:
        yield row(kind, f"narrow-{kind.lower()}")
    yield row("older", "older-q5_k_m")
    yield row("untied", "untied-q4_k_m")


def scale(tensors):
    """What differences are measured by: the greatest magnitude of a logit."""
    return float(tensors["scale"][0])


def _joined(parts, target):
    """One file with all tensors of a model in several, or the file itself."""
    if len(parts) == 1:
        return parts[0]
    readers = [GGUFReader(str(part)) for part in parts]
    total = sum(len(reader.tensors) for reader in readers)
    for number, (part, reader) in enumerate(zip(parts, readers)):
        said = [reader.fields[f"split.{key}"].contents() for key in ("no", "count", "tensors.count")]
        if said != [number, len(parts), total]:
            raise AssertionError(f"{part.name} says it is {said}; train_mixes.py makes it again")
    writer = gguf.GGUFWriter(target, "gemma3")
    for name, field in readers[0].fields.items():
        if not name.startswith(("GGUF.", "split.")) and name != "general.architecture":
            writer.add_key_value(name, field.contents(), field.types[0], field.types[-1] if len(field.types) > 1 else None)
    for reader in readers:
        for tensor in reader.tensors:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def _types(path):
    """Type by name of each matrix, in the file's order."""
    return {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(str(path)).tensors if len(tensor.shape) > 1}


def _holds_what_it_should(name, path):
    types, keys = _types(path), GGUFReader(str(path)).fields
    wanted = {**WIDE, **NARROW, "older": {"Q5_1": 38, "Q8_0": 5}, "untied": {"Q5_0": 39, "Q8_0": 5}}[name]
    found = dict(collections.Counter(types.values()))
    if found != wanted:
        raise AssertionError(f"{name}: the file holds {found} in place of {wanted}")
    if name in BUMPED and {types["blk.1.attn_v.weight"], types["blk.1.ffn_down.weight"], types["token_embd.weight"]} != {"Q6_K"}:
        raise AssertionError(f"{name}: the last layer has no more bits than the first")
    lacking = [key for key in ("gemma3.rope.freq_base_swa", "gemma3.attention.sliding_window_pattern") if key not in keys]
    if (len(lacking) == 2) != (name == "older") or ("output.weight" in types) != (name == "untied"):
        raise AssertionError(f"{name}: the file lacks {lacking} and holds {sorted(types)}")


def _reference(name, path):
    made = config("wide" if name in WIDE else "narrow")
    made.tie_word_embeddings = name != "untied"
    model = Gemma3ForCausalLM(made).float().eval()
    model.load_state_dict(export.dequantised_state_dict(path, None, model))
    return model


def _expected(name, model, prompt):
    """The tensors of an expected-*.safetensors, and the least gaps of prompt and continuation as parts of the scale."""
    logits = random_models.logits(model, prompt, None)
    size = logits.abs().max().item()
    least = _gaps(logits).min().item() / size
    tokens, greedy_gaps = list(prompt), []
    for _ in range(GREEDY_TOKENS):
        last = random_models.logits(model, tokens, None)[-1:]
        greedy_gaps.append(_gaps(last).item())
        tokens.append(last.argmax().item())
    least_greedy = min(greedy_gaps) / size
    if least < LEAST_GAP or least_greedy < LEAST_GREEDY_GAP:
        raise AssertionError(f"{name}: a near tie, {least:.1e} in the prompt or {least_greedy:.1e} after it; train with another PROMPT")
    tensors = {
        "tokens": np.array(prompt, dtype=np.int32), "scale": np.array([size], dtype=np.float32),
        "positions": np.array(POSITIONS, dtype=np.int32), "logits": logits[POSITIONS].numpy(),
        "best": logits.argmax(1).numpy().astype(np.int32), "best_logits": logits.amax(1).numpy(),
        "greedy": np.array(tokens[len(prompt):], dtype=np.int32), "greedy_gaps": np.array(greedy_gaps, dtype=np.float32),
    }
    return tensors, (least, least_greedy)


def _gaps(logits):
    best = logits.topk(2, dim=-1).values
    return best[..., 0] - best[..., 1]


def _a_second_opinion_agrees(name, path, tensors):
    other = plain.logits(plain.GgufModel(path), tensors["tokens"])
    off = np.abs(other[POSITIONS] - tensors["logits"]).max() / scale(tensors)
    if off > TOLERANCE / 20:
        raise AssertionError(f"{name}: the file alone gives logits that are {off:.1e} of the scale off")


def _f16_gives_the_same(model, prompt, tensors):
    """What is expected of BF16 serves for F16 too: only elements too small for it change."""
    rounded = copy.deepcopy(model)
    for parameter in rounded.parameters():
        if parameter.ndim == 2:
            parameter.data = parameter.data.half().float()
    off = np.abs(random_models.logits(rounded, prompt, None)[POSITIONS].numpy() - tensors["logits"]).max() / scale(tensors)
    if off > TOLERANCE / 200:
        raise AssertionError(f"F16 gives logits that are {off:.1e} of the scale off those of BF16")


def _mistakes_are_noticed(model, prompt):
    right = random_models.logits(model, prompt, None)

    def noticed(what, change):
        wrong = copy.deepcopy(model)
        change(wrong.model)
        off = (random_models.logits(wrong, prompt, None) - right).abs().max() / right.abs().max()
        if off < NOTICEABLE:
            raise AssertionError(f"{what} moves the logits by only {off:.1e} of the scale")

    def window(size):
        def change(text):
            text.config.sliding_window = size
            for layer in text.layers:
                if layer.self_attn.sliding_window is not None:
                    layer.self_attn.sliding_window = size
        return change

    noticed("a window of 15", window(15))
    noticed("a window of 17", window(17))
    noticed("no rope scaling in full layers", lambda text: text.rotary_emb.full_attention_inv_freq.mul_(8))
    noticed("another local rope base", lambda text: text.rotary_emb.sliding_attention_inv_freq.mul_(0.9))
    for matrix in ("self_attn.v_proj", "mlp.down_proj"):
        noticed(f"one row of {matrix} at twice its size", lambda text: text.layers[-1].get_submodule(matrix).weight.data[0].mul_(2))


def _expect(name, parts, expected, path, tensors):
    by_type = collections.defaultdict(list)
    for tensor, kind in _types(path).items():
        by_type[kind].append(tensor.removesuffix(".weight"))
    most = max(by_type, key=lambda kind: len(by_type[kind]))
    rest = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in by_type.items() if kind != most)
    held = f"{most}: {'all' if not rest else 'all others'}" + (f"; {rest}" if rest else "")
    listed = ", ".join(f'"{part}"' for part in parts)
    return (f'[[expect]]\nname = "{NAMES.get(name, name)}"\nfiles = [{listed}]\nexpected = "{expected}"\n'
            f'matrices = "{held}"\nscale = {scale(tensors):.2f}\n')


def _write_case(folder, expectations, gaps, floors):
    (folder / "case.toml").write_text(CASE.format(
        version=transformers.__version__, torch=torch.__version__.split("+")[0], prompt=PROMPT_TOKENS, greedy=GREEDY_TOKENS, rows=ROWS,
        positions=len(POSITIONS), tolerance=TOLERANCE, least=LEAST_GAP, least_greedy=LEAST_GREEDY_GAP, types="\n".join(expectations),
        measured="\n".join(f'"{name}" = {{ f64 = {f["f64"]:.1e}, f16_kv = {f["f16_kv"]:.1e} }}' for name, f in floors.items()),
        gaps="\n".join(f'"{name}" = {{ prompt = {a:.1e}, greedy = {b:.1e} }}' for name, (a, b) in gaps.items())))


CASE = """\
name = "mixes"
proves = "Every quantisation mix as llama.cpp writes it, each with many types in one file; a model in several files; a file of an older converter; an output matrix of its own; rows of the embedding without a token."
made_by = "models and their quantisation: reference/train_mixes.py with llama.cpp as in llama_cpp_python 0.3.36; expectations: reference/mixes.py, transformers {version}, torch {torch}, float32, eager attention"

[files]
tokenizer = "../random/tokenizer.json"
# Its tokenizer.ggml.model is `gpt2`: to be refused. It holds no tensor.
refused = "gpt2-vocab.gguf"

# wide-*: two layers, the second full, rows of 256. narrow-*: six layers, the last full, rows of 64 and 96; llama.cpp
# stores those in the types without K. older-*: the narrow model without gemma3.rope.freq_base_swa and
# gemma3.attention.sliding_window_pattern. untied-*: the narrow model with output.weight, which has taken over what
# output_norm multiplies by. The last 8 of the {rows} rows of the embedding stand for no token. The wide model's values
# are exactly those of its Q8_0 file, the narrow one's those of its BF16 file; norms are F32 everywhere. What is expected
# of BF16 holds for F32 and F16 files of the same values too.
#
# In `expected`, for a prompt of {prompt} tokens, bos included: tokens i32 [{prompt}]; scale f32 [1], the greatest magnitude of a
# logit at any position; positions i32 [{positions}] and logits f32 [{positions}, {rows}] at those; best i32 [{prompt}] and best_logits f32
# [{prompt}], the greatest logit at every position; greedy i32 [{greedy}], the continuation by argmax; greedy_gaps f32 [{greedy}], by how
# much the best logit leads. The reference has exactly the values that are in the files.
{types}
[tolerance]
# Greatest difference of a logit, as part of `scale`.
logits_relative = {tolerance}
# Positions at which the best token must be the same.
top1_percent = 100
# Greedy tokens are compared one by one.
greedy = 0

[measured]
# Greatest difference of a logit, as part of `scale`, when computed with f64 activations, and with keys and values
# rounded to f16.
{measured}

[least_gap]
# Least distance of the two best logits at the prompt's positions and along the continuation, as part of `scale`.
# None is below {least} in the prompt and {least_greedy} after it.
{gaps}
"""
