"""Trains the models of the case `mixes` and has llama.cpp write them in every quantisation mix.

    pip install llama-cpp-python==0.3.36                               # beside what ../README.md names; builds llama.cpp
    python3 tests/golden/reference/train_mixes.py                      # trains, then quantises: about 15 minutes
    python3 tests/golden/reference/train_mixes.py quantise             # quantises the committed models again
    python3 tests/golden/reference/train_mixes.py compare              # llama.cpp's logits beside the expected ones

It writes the case's *.gguf; `make.py mixes` then writes what is expected of them. Two models learn invented prescriptions
and lists by heart, so that they are sure of nearly every token, whatever their weights are rounded to. The wide one's
values are exactly those of its Q8_0 file and the narrow one's exactly those of its BF16 file, so these two files are all
that quantising again needs.
"""

import ctypes
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / "mixes"
sys.path.insert(0, str(HERE.parents[2] / "models" / "demo"))

import gguf
import numpy as np
import torch
from gguf import GGUFReader, GGUFValueType, quants
from transformers import Gemma3ForCausalLM

import export
import mixes
import optim

SEED = 7
BATCH = 16
ADAM_RATE, MUON_RATE = 3e-3, 0.02
WARMUP = 50
# (model, steps, texts, type of the file that holds exactly its values)
MODELS = (("wide", 350, 96, "Q8_0"), ("narrow", 900, 24, "BF16"))
# The text that the case asks about comes this often, so that the model knows at every token how it goes on.
PROMPT_SHARE = 0.15

# llama_ftype in llama.h
FILE_TYPES = {"Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K_M": 12, "Q4_K_S": 14, "Q4_K_M": 15,
              "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18, "BF16": 32}
SPLIT_TENSORS = 10  # tensors in each file of the split model
OLDER_LACKS = ("gemma3.rope.freq_base_swa", "gemma3.attention.sliding_window_pattern")


def main(what):
    FOLDER.mkdir(exist_ok=True)
    if what == "compare":
        return compare()
    if what not in ("train", "quantise"):
        sys.exit(f"error: {what} is neither `train`, `quantise` nor `compare`")
    with tempfile.TemporaryDirectory() as scratch:
        for name, steps, texts, kind in MODELS if what == "train" else ():
            model = train(mixes.config(name), steps, mixes.texts(texts))
            round_to(model, kind)
            export.export_text(model, model.config, mixes.TOKENIZER, Path(scratch) / f"{name}.gguf", "F32")
            quantise(Path(scratch) / f"{name}.gguf", FOLDER / f"{name}-{kind.lower()}.gguf", kind)
        quantise_all(Path(scratch))


def train(config, steps, texts):
    torch.manual_seed(SEED)
    model = Gemma3ForCausalLM(config).float()
    optimiser = optim.Optimiser(model.named_parameters(), ADAM_RATE, MUON_RATE)
    data = torch.tensor([text + [-100] * (mixes.LONGEST - len(text)) for text in texts])
    share = torch.full((len(texts),), (1 - PROMPT_SHARE) / (len(texts) - 1))
    share[mixes.PROMPT] = PROMPT_SHARE
    draws = torch.Generator().manual_seed(SEED)
    started = time.monotonic()
    for step in range(steps):
        batch = data[torch.multinomial(share, BATCH, replacement=True, generator=draws)]
        logits = model(input_ids=batch[:, :-1].clamp(min=0), use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), ignore_index=-100)
        loss.backward()
        optimiser.step(optim.schedule(step, steps, WARMUP, 0.02))
        if step % 50 == 0 or step == steps - 1:
            print(f"step {step}: loss {loss.item():.3f}, {time.monotonic() - started:.0f} s", flush=True)
    return model.eval()


def round_to(model, kind):
    """So that a file of this type holds the model's values exactly."""
    kind = gguf.GGMLQuantizationType[kind]
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.copy_(torch.from_numpy(quants.dequantize(quants.quantize(parameter.numpy(), kind), kind)))


def quantise_all(scratch):
    wide, narrow = FOLDER / "wide-q8_0.gguf", FOLDER / "narrow-bf16.gguf"
    copy(wide, scratch / "wide.gguf")
    for kind in mixes.WIDE:
        if kind != "Q8_0" and kind != mixes.SPLIT:
            quantise(scratch / "wide.gguf", FOLDER / f"wide-{kind.lower()}.gguf", kind)
    copy(wide, scratch / "parts.gguf", split_max_tensors=SPLIT_TENSORS)
    quantise(next(scratch.glob("parts-00001-of-*.gguf")), FOLDER / f"wide-{mixes.SPLIT.lower()}", mixes.SPLIT, keep_split=True)

    copy(narrow, scratch / "narrow.gguf")
    for kind in mixes.NARROW:
        if kind != "BF16":
            quantise(scratch / "narrow.gguf", FOLDER / f"narrow-{kind.lower()}.gguf", kind)
    copy(narrow, scratch / "older.gguf", lacks=OLDER_LACKS)
    quantise(scratch / "older.gguf", FOLDER / "older-q5_k_m.gguf", "Q5_K_M")
    copy(narrow, scratch / "untied.gguf", change=untie)
    quantise(scratch / "untied.gguf", FOLDER / "untied-q4_k_m.gguf", "Q4_K_M")
    # Enough of such a file to be refused: its tokenizer.
    gpt2 = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.merges": ["t h", "th e"]}
    copy(narrow, FOLDER / "gpt2-vocab.gguf", sets=gpt2, change=lambda _tensors: {})


def untie(tensors):
    """The same function with an output matrix of its own: it takes over what the last norm multiplies by."""
    norm = tensors["output_norm.weight"]
    output = tensors["token_embd.weight"] * norm
    return {**tensors, "output_norm.weight": np.ones_like(norm), "output.weight": output}


def copy(source, target, lacks=(), sets=None, change=lambda tensors: tensors, **split):
    """Writes `source` in F32, without the keys in `lacks`, with those in `sets`, and with its tensors changed."""
    reader = GGUFReader(str(source))
    writer = gguf.GGUFWriter(target, "gemma3", **split)
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name not in (*lacks, *(sets or ()), "general.architecture", "general.file_type"):
            writer.add_key_value(name, field.contents(), field.types[0], field.types[-1] if len(field.types) > 1 else None)
    for name, value in (sets or {}).items():
        writer.add_array(name, value) if isinstance(value, list) else writer.add_string(name, value)
    writer.add_uint32("general.file_type", 0)
    tensors = {}
    for tensor in reader.tensors:
        shape = [int(n) for n in reversed(tensor.shape)]
        tensors[tensor.name] = quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32).reshape(shape)
    for name, value in change(tensors).items():
        writer.add_tensor(name, np.ascontiguousarray(value))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantise(source, target, kind, keep_split=False):
    llama = llama_cpp()
    params = llama.llama_model_quantize_default_params()
    params.ftype, params.nthread, params.keep_split = FILE_TYPES[kind], 1, keep_split
    if llama.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params)):
        sys.exit(f"error: llama.cpp could not write {target.name}")
    print(target.name, flush=True)


def compare():
    """Prints how far llama.cpp is from the expected logits; it rounds activations to 8 bits for quantised weights."""
    from safetensors.numpy import load_file

    for name, files, expected in mixes.files():
        wanted = load_file(FOLDER / expected)
        found = llama_logits(FOLDER / files[0], wanted["tokens"].tolist())
        off = np.abs(found[wanted["positions"]] - wanted["logits"]).max() / mixes.scale(wanted)
        agree = (found.argmax(1) == wanted["best"]).mean()
        print(f"{name}: greatest difference {off:.1e} of the scale, best token the same at {agree:.0%}")
    with tempfile.TemporaryDirectory() as scratch:
        copy(FOLDER / "wide-q8_0.gguf", Path(scratch) / "f32.gguf")
        wanted = load_file(FOLDER / "expected-wide-q8_0.safetensors")
        found = llama_logits(Path(scratch) / "f32.gguf", wanted["tokens"].tolist())
        off = np.abs(found[wanted["positions"]] - wanted["logits"]).max() / mixes.scale(wanted)
        print(f"the wide model in F32: greatest difference {off:.1e} of the scale")


def llama_logits(path, tokens):
    """[tokens, vocab] by llama.cpp, with keys and values in f32."""
    llama = llama_cpp()
    params = llama.llama_model_default_params()
    model = llama.llama_model_load_from_file(str(path).encode(), params)
    if not model:
        sys.exit(f"error: llama.cpp cannot load {path.name}")
    settings = llama.llama_context_default_params()
    settings.n_ctx = settings.n_batch = settings.n_ubatch = 256
    settings.n_threads = settings.n_threads_batch = 1
    settings.type_k = settings.type_v = gguf.GGMLQuantizationType.F32
    settings.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
    context = llama.llama_init_from_model(model, settings)
    batch = llama.llama_batch_init(len(tokens), 0, 1)
    batch.n_tokens = len(tokens)
    for i, token in enumerate(tokens):
        batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = token, i, 1, 0, True
    if llama.llama_decode(context, batch):
        sys.exit(f"error: llama.cpp cannot evaluate {path.name}")
    rows = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    logits = np.stack([np.ctypeslib.as_array(llama.llama_get_logits_ith(context, i), (rows,)).copy() for i in range(len(tokens))])
    llama.llama_batch_free(batch)
    llama.llama_free(context)
    llama.llama_model_free(model)
    return logits


def llama_cpp():
    import llama_cpp

    llama_cpp.llama_log_set(quiet(llama_cpp), ctypes.c_void_p(0))
    return llama_cpp


def quiet(llama_cpp, kept=[]):
    """A callback that prints nothing, kept alive."""
    if not kept:
        kept.append(llama_cpp.llama_log_callback(lambda _level, _text, _data: None))
    return kept[0]


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "train")
