"""Measures llama.cpp on a GGUF file as `outpost bench --json` measures the engine, and prints the same keys.

    python3 native.py --model FILE [--prompt-tokens N] [--tokens N] [--threads N] [--context-tokens N] [--gpu-layers N]

It needs llama-cpp-python, which PyPI has as source; this builds llama.cpp for the processor at hand, in ten minutes or so:

    python3 -m venv VENV
    CMAKE_ARGS="-DGGML_NATIVE=ON" VENV/bin/pip install llama-cpp-python
    PATH=VENV/bin:$PATH cargo xtask bench --native

For a graphics processor, -DGGML_CUDA=ON or -DGGML_VULKAN=ON in addition, and --gpu-layers 999 here.
"""

import argparse
import ctypes
import json
import random
import sys
import time

try:
    import llama_cpp as llama
except ImportError:
    sys.exit(f"error: this Python has no llama_cpp\n{__doc__}")

FIRST_PIECE = 1024  # ids before it are marks and bytes
WARM_UP_TOKENS = 2


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=32, help="after the first")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--context-tokens", type=int, help="default: what prompt and tokens need")
    parser.add_argument("--gpu-layers", type=int, default=0)
    arguments = parser.parse_args()

    silent = llama.llama_log_callback(lambda level, text, data: None)
    llama.llama_log_set(silent, ctypes.c_void_p(0))
    llama.llama_backend_init()
    began = time.perf_counter()
    model, context = load(arguments)
    load_ms = milliseconds(began)

    vocabulary = llama.llama_model_get_vocab(model)
    size = llama.llama_vocab_n_tokens(vocabulary)
    chooser = random.Random(1)
    rest = (chooser.randrange(min(FIRST_PIECE, size // 2), size // 2) for _ in range(arguments.prompt_tokens - 1))
    prompt = [llama.llama_vocab_bos(vocabulary), *rest]

    answer(context, prompt, WARM_UP_TOKENS)
    prefill_ms, decode_ms = answer(context, prompt, arguments.tokens)
    report = {
        "adapter": llama.llama_print_system_info().decode(),
        "device": "gpu" if arguments.gpu_layers else "cpu",
        "threads": arguments.threads,
        "load_ms": load_ms,
        "prefill_ms": prefill_ms,
        "prefill_tok_s": arguments.prompt_tokens * 1000 / prefill_ms,
        "decode_ms": decode_ms,
        "decode_tok_s": arguments.tokens * 1000 / decode_ms,
        "prompt_tokens": arguments.prompt_tokens,
        "decoded_tokens": arguments.tokens,
        "weight_bytes": llama.llama_model_size(model),
        "version": llama.__version__,
    }
    print(json.dumps(report))


def load(arguments):
    """The model on its device and a context for one conversation."""
    options = llama.llama_model_default_params()
    options.n_gpu_layers = arguments.gpu_layers
    model = llama.llama_model_load_from_file(arguments.model.encode(), options)
    if not model:
        sys.exit(f"error: llama.cpp cannot load {arguments.model}")
    needed = arguments.prompt_tokens + max(arguments.tokens, WARM_UP_TOKENS) + 1
    options = llama.llama_context_default_params()
    options.n_ctx = max(arguments.context_tokens or needed, needed)
    options.n_batch = max(arguments.prompt_tokens, options.n_ubatch)
    options.n_outputs_max = 1  # logits of the last token alone
    options.n_threads = options.n_threads_batch = arguments.threads
    context = llama.llama_init_from_model(model, options)
    if not context:
        sys.exit(f"error: llama.cpp cannot make a context of {options.n_ctx} tokens")
    return model, context


def answer(context, prompt, further):
    """Milliseconds until the first token, and those of `further` ones, always the likeliest."""
    llama.llama_memory_clear(llama.llama_get_memory(context), True)
    greedy = llama.llama_sampler_init_greedy()

    def decode(ids):
        tokens = (llama.llama_token * len(ids))(*ids)  # the batch points to them and does not keep them
        batch = llama.llama_batch_get_one(tokens, len(ids))
        if llama.llama_decode(context, batch) != 0:
            sys.exit("error: llama.cpp cannot compute that")
        return llama.llama_sampler_sample(greedy, context, -1)

    began = time.perf_counter()
    token = decode(prompt)
    prefill_ms = milliseconds(began)
    began = time.perf_counter()
    for _ in range(further):
        token = decode([token])
    decode_ms = milliseconds(began)
    llama.llama_sampler_free(greedy)
    return prefill_ms, decode_ms


def milliseconds(since):
    return (time.perf_counter() - since) * 1000


if __name__ == "__main__":
    main()
