"""Gemma 3 from a GGUF file alone, in numpy and in f64: a second opinion on files and expected values.

It shares no code with transformers nor with the exporter, so a tensor under the wrong name or a norm shifted twice shows.
"""

import gguf
import numpy as np
from gguf import quants


class GgufModel:
    """Tensors as f64 in row-major order (last dimension contiguous) and metadata by key."""

    def __init__(self, path):
        reader = gguf.GGUFReader(str(path))
        self.keys = {name: field.contents() for name, field in reader.fields.items()}
        self.tensors = {}
        for tensor in reader.tensors:
            shape = [int(n) for n in reversed(tensor.shape)]
            self.tensors[tensor.name] = quants.dequantize(tensor.data, tensor.tensor_type).reshape(shape).astype(np.float64)

    def __getitem__(self, name):
        return self.tensors[name]


def logits(model, tokens, features=None, image_token=None):
    """tokens: [n] ids. features: [image tokens, hidden] or None. Returns [n, vocab]."""
    key = lambda name, default=None: model.keys.get("gemma3." + name, default)
    hidden, heads, kv_heads = key("embedding_length"), key("attention.head_count"), key("attention.head_count_kv")
    head_dim, eps, window = key("attention.key_length"), key("attention.layer_norm_rms_epsilon"), key("attention.sliding_window")
    pattern = key("attention.sliding_window_pattern", 6)
    tokens = np.asarray(tokens)
    n = len(tokens)
    x = model["token_embd.weight"][tokens] * np.sqrt(hidden)
    is_image = np.zeros(n, bool) if features is None else tokens == image_token
    if features is not None:
        x[is_image] = features
    block = np.where(is_image, np.cumsum(is_image & ~np.roll(is_image, 1)), -1 - np.arange(n))
    query, past = np.arange(n)[:, None], np.arange(n)[None, :]
    seen = (past <= query) | (block[:, None] == block[None, :])

    for i in range(key("block_count")):
        w = lambda name: model[f"blk.{i}.{name}.weight"]
        full = (i + 1) % pattern == 0
        base = key("rope.freq_base") if full else key("rope.freq_base_swa", 1e4)
        factor = key("rope.scaling.factor", 1.0) if full and key("rope.scaling.type") == "linear" else 1.0
        angle = np.arange(n)[:, None] * base ** (-np.arange(0, head_dim, 2) / head_dim) / factor
        allowed = seen if full else seen & (past > query - window)
        h = _rms(x, w("attn_norm"), eps)
        q = _rope(_rms((h @ w("attn_q").T).reshape(n, heads, head_dim), w("attn_q_norm"), eps), angle)
        k = _rope(_rms((h @ w("attn_k").T).reshape(n, kv_heads, head_dim), w("attn_k_norm"), eps), angle)
        v = (h @ w("attn_v").T).reshape(n, kv_heads, head_dim)
        out = np.empty((n, heads, head_dim))
        for head in range(heads):
            shared = head // (heads // kv_heads)
            scores = np.where(allowed, q[:, head] @ k[:, shared].T * head_dim**-0.5, -np.inf)
            out[:, head] = _softmax(scores) @ v[:, shared]
        x = x + _rms(out.reshape(n, -1) @ w("attn_output").T, w("post_attention_norm"), eps)
        h = _rms(x, w("ffn_norm"), eps)
        h = (_gelu(h @ w("ffn_gate").T) * (h @ w("ffn_up").T)) @ w("ffn_down").T
        x = x + _rms(h, w("post_ffw_norm"), eps)
    return _rms(x, model["output_norm.weight"], eps) @ model["token_embd.weight"].T


def image_features(model, image):
    """image: [3, size, size] in -1..1. Returns [image tokens, text hidden]."""
    key = lambda name, default=None: model.keys.get("clip.vision." + name, default)
    side, patch, heads = key("image_size") // key("patch_size"), key("patch_size"), key("attention.head_count")
    hidden, eps, pool = key("embedding_length"), key("attention.layer_norm_epsilon"), key("projector.scale_factor", 4)
    patches = image.astype(np.float64).reshape(3, side, patch, side, patch).transpose(1, 3, 0, 2, 4).reshape(side * side, -1)
    x = patches @ model["v.patch_embd.weight"].reshape(hidden, -1).T + model["v.patch_embd.bias"] + model["v.position_embd.weight"]
    for i in range(key("block_count")):
        linear = lambda y, name: y @ model[f"v.blk.{i}.{name}.weight"].T + model[f"v.blk.{i}.{name}.bias"]
        norm = lambda name: _layer_norm(x, model[f"v.blk.{i}.{name}.weight"], model[f"v.blk.{i}.{name}.bias"], eps)
        h = norm("ln1")
        q, k, v = (linear(h, f"attn_{name}").reshape(len(x), heads, -1).transpose(1, 0, 2) for name in "qkv")
        out = _softmax(q @ k.transpose(0, 2, 1) * (hidden // heads) ** -0.5) @ v
        x = x + linear(out.transpose(1, 0, 2).reshape(len(x), hidden), "attn_out")
        x = x + linear(_gelu(linear(norm("ln2"), "ffn_up")), "ffn_down")
    x = _layer_norm(x, model["v.post_ln.weight"], model["v.post_ln.bias"], eps)
    g = x.reshape(side // pool, pool, side // pool, pool, hidden).mean(axis=(1, 3)).reshape(-1, hidden)
    return _rms(g, model["mm.soft_emb_norm.weight"], eps) @ model["mm.input_projection.weight"]


def _rms(x, w, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w


def _layer_norm(x, w, b, eps):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * w + b


def _rope(x, angle):
    """x: [n, heads, head_dim]; pairs are (j, j + head_dim / 2). angle: [n, head_dim / 2]"""
    a, b = np.split(x, 2, axis=-1)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def _softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
