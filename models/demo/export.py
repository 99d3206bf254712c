"""Writes Gemma 3 models and Gemma-like tokenizers as the files that the engine reads.

Used by the demo model's training script and by tests/golden/make.py. Needs numpy, torch, gguf, tokenizers,
sentencepiece; transformers only if the caller passes its objects. Nothing runs on import.

    import export
    export.build_tokenizer(iter(lines), 2048, "out/tok")        # tokenizer.json, tokenizer_config.json, chat_template.jinja
    export.export_text(model, model.config, "out/tok", "out/model-q4_0.gguf", "Q4_0")
    export.export_mmproj(model, model.config, "out/mmproj-f16.gguf", "F16")
    state = export.dequantised_state_dict("out/model-q4_0.gguf", "out/mmproj-f16.gguf", model)
    model.load_state_dict(state)                                # now the reference has exactly the file's weights

`model` is a Gemma3ForConditionalGeneration, a Gemma3ForCausalLM or a state dict of either; `config` is its Gemma3Config
or Gemma3TextConfig. `type_name` is one of F32, F16, BF16, Q8_0, Q4_0. `export_text` checks that config.vocab_size is
the embedding's row count and fills ids that the tokenizer lacks with `[PADn]`. Set the config's token ids with
`special_ids(tokenizer_dir)`. Sizes: build_tokenizer's `vocab_size` counts every id (special, byte and image tokens too).

`GgufTokenizer` is the tokenisation algorithm that a GGUF file implies, in plain Python; `compare_tokenizers` lists the
strings on which it and tokenizer.json differ: those that hold a literal U+2581 beside a space or another U+2581, since
tokenizer.json then sees a run of spaces. Its pairs are (text, ids by tokenizer.json, ids by GGUF).
"""

import heapq
import json
from pathlib import Path

import numpy as np
import gguf
from gguf import GGMLQuantizationType, quants

NEWLINE_RUNS = 5
SPACE_RUNS = 8  # runs of 2..=SPACE_RUNS spaces have an id
BYTE_TOKENS = [f"<0x{b:02X}>" for b in range(256)]
HEAD_TOKENS = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "[multimodal]"] + [f"<unused{i}>" for i in range(99)]
TURN_TOKENS = ["<start_of_turn>", "<end_of_turn>"]
IMAGE_TOKENS = ["<start_of_image>", "<end_of_image>", "<image_soft_token>"]
SPACE = "\u2581"

# GGUF's general.file_type for each weight type.
FILE_TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q8_0": 7, "BF16": 32}

# tokenizer.ggml.token_type
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6

# HF name -> GGUF name, per decoder layer. True: a norm, stored as 1 + w.
TEXT_LAYER_TENSORS = {
    "input_layernorm.weight": ("attn_norm.weight", True),
    "self_attn.q_proj.weight": ("attn_q.weight", False),
    "self_attn.k_proj.weight": ("attn_k.weight", False),
    "self_attn.v_proj.weight": ("attn_v.weight", False),
    "self_attn.q_norm.weight": ("attn_q_norm.weight", True),
    "self_attn.k_norm.weight": ("attn_k_norm.weight", True),
    "self_attn.o_proj.weight": ("attn_output.weight", False),
    "post_attention_layernorm.weight": ("post_attention_norm.weight", True),
    "pre_feedforward_layernorm.weight": ("ffn_norm.weight", True),
    "mlp.gate_proj.weight": ("ffn_gate.weight", False),
    "mlp.up_proj.weight": ("ffn_up.weight", False),
    "mlp.down_proj.weight": ("ffn_down.weight", False),
    "post_feedforward_layernorm.weight": ("post_ffw_norm.weight", True),
}

# HF name -> GGUF name, per image encoder layer. LayerNorms here are plain: nothing is shifted.
VISION_LAYER_TENSORS = {
    "layer_norm1": "ln1",
    "layer_norm2": "ln2",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.out_proj": "attn_out",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
}

# Renders what Gemma 3's own template renders: every text part is trimmed by itself, the system text is not trimmed and
# is put before the first user turn.
CHAT_TEMPLATE = """\
{{- bos_token -}}
{%- set turns = messages -%}
{%- set prefix = '' -%}
{%- if messages[0].role == 'system' -%}
  {%- set system = messages[0].content -%}
  {%- set prefix = (system if system is string else system[0].text) + '\\n\\n' -%}
  {%- set turns = messages[1:] -%}
{%- endif -%}
{%- for turn in turns -%}
  {%- if (turn.role == 'user') == (loop.index0 % 2 == 1) -%}
    {{- raise_exception('turns must alternate between user and assistant, and begin with user') -}}
  {%- endif -%}
  {{- '<start_of_turn>' + ('model' if turn.role == 'assistant' else turn.role) + '\\n' -}}
  {%- if loop.first -%}{{- prefix -}}{%- endif -%}
  {%- if turn.content is string -%}
    {{- turn.content | trim -}}
  {%- else -%}
    {%- for part in turn.content -%}
      {%- if part.type == 'image' -%}
        {{- '<start_of_image>' -}}
      {%- elif part.type == 'text' -%}
        {{- part.text | trim -}}
      {%- endif -%}
    {%- endfor -%}
  {%- endif -%}
  {{- '<end_of_turn>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<start_of_turn>model\\n' -}}
{%- endif -%}
"""


def export_text(model_or_state_dict, config, tokenizer_dir, path, type_name):
    """Writes the decoder as a GGUF v3 file of architecture `gemma3`, with tokenizer and chat template."""
    text = _text_config(config)
    weights = _text_weights(model_or_state_dict)
    rows = weights["embed_tokens.weight"].shape[0]
    if rows != text.vocab_size:
        raise ValueError(f"config.vocab_size is {text.vocab_size}, but the embedding has {rows} rows; make them equal")
    if text.query_pre_attn_scalar != text.head_dim:
        # GGUF has no key for the attention scale; readers take head_dim^-0.5.
        raise ValueError(f"query_pre_attn_scalar {text.query_pre_attn_scalar} cannot be stored; set it to head_dim {text.head_dim}")

    writer = gguf.GGUFWriter(None, "gemma3")
    writer.add_string("general.type", "model")
    writer.add_string("general.name", Path(path).stem)
    writer.add_uint32("general.file_type", FILE_TYPES[type_name])
    writer.add_uint32("general.quantization_version", 2)
    full_rope = _rope(text, "full_attention")
    writer.add_uint32("gemma3.context_length", text.max_position_embeddings)
    writer.add_uint32("gemma3.embedding_length", text.hidden_size)
    writer.add_uint32("gemma3.block_count", text.num_hidden_layers)
    writer.add_uint32("gemma3.feed_forward_length", text.intermediate_size)
    writer.add_uint32("gemma3.attention.head_count", text.num_attention_heads)
    writer.add_uint32("gemma3.attention.head_count_kv", text.num_key_value_heads)
    writer.add_uint32("gemma3.attention.key_length", text.head_dim)
    writer.add_uint32("gemma3.attention.value_length", text.head_dim)
    writer.add_float32("gemma3.attention.layer_norm_rms_epsilon", text.rms_norm_eps)
    writer.add_uint32("gemma3.attention.sliding_window", text.sliding_window)
    writer.add_uint32("gemma3.attention.sliding_window_pattern", _pattern(text))
    writer.add_float32("gemma3.rope.freq_base", full_rope["rope_theta"])
    writer.add_float32("gemma3.rope.freq_base_swa", _rope(text, "sliding_attention")["rope_theta"])
    if full_rope.get("rope_type", "default") == "linear":
        writer.add_string("gemma3.rope.scaling.type", "linear")
        writer.add_float32("gemma3.rope.scaling.factor", full_rope["factor"])
    _add_tokenizer(writer, tokenizer_dir, rows)

    _add_matrix(writer, "token_embd.weight", weights["embed_tokens.weight"], type_name)
    _add_f32(writer, "output_norm.weight", weights["norm.weight"] + np.float32(1))
    head = weights.get("lm_head.weight")
    if head is not None and not np.array_equal(head, weights["embed_tokens.weight"]):
        _add_matrix(writer, "output.weight", head, type_name)
    for i in range(text.num_hidden_layers):
        for source, (target, is_norm) in TEXT_LAYER_TENSORS.items():
            value = weights[f"layers.{i}.{source}"]
            if is_norm:
                _add_f32(writer, f"blk.{i}.{target}", value + np.float32(1))
            else:
                _add_matrix(writer, f"blk.{i}.{target}", value, type_name)
    _write(writer, path)


def export_vocab(tokenizer_dir, path):
    """Writes a GGUF file that holds a tokenizer and no tensor."""
    writer = gguf.GGUFWriter(None, "gemma3")
    writer.add_string("general.type", "model")
    writer.add_string("general.name", Path(path).stem)
    _add_tokenizer(writer, tokenizer_dir, len(_token_texts(_read_tokenizer(tokenizer_dir))))
    _write(writer, path)


def export_mmproj(model_or_state_dict, config, path, type_name):
    """Writes image encoder and projector as a GGUF v3 file of architecture `clip`."""
    vision = config.vision_config
    weights = _numpy_state(model_or_state_dict)
    tower = _strip_prefix(weights, "embeddings.patch_embedding.weight")
    projector = _strip_prefix(weights, "mm_input_projection_weight")
    patches = vision.image_size // vision.patch_size
    pool = patches // int(config.mm_tokens_per_image**0.5)

    writer = gguf.GGUFWriter(None, "clip")
    writer.add_string("general.type", "mmproj")
    writer.add_string("general.name", Path(path).stem)
    writer.add_uint32("general.file_type", FILE_TYPES[type_name])
    writer.add_uint32("general.quantization_version", 2)
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "gemma3")
    writer.add_bool("clip.use_gelu", True)
    writer.add_uint32("clip.vision.image_size", vision.image_size)
    writer.add_uint32("clip.vision.patch_size", vision.patch_size)
    writer.add_uint32("clip.vision.embedding_length", vision.hidden_size)
    writer.add_uint32("clip.vision.feed_forward_length", vision.intermediate_size)
    writer.add_uint32("clip.vision.block_count", vision.num_hidden_layers)
    writer.add_uint32("clip.vision.attention.head_count", vision.num_attention_heads)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", vision.layer_norm_eps)
    writer.add_uint32("clip.vision.projection_dim", _text_config(config).hidden_size)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
    if pool != 4:
        writer.add_uint32("clip.vision.projector.scale_factor", pool)

    _add_f32(writer, "v.patch_embd.weight", tower["embeddings.patch_embedding.weight"])
    _add_f32(writer, "v.patch_embd.bias", tower["embeddings.patch_embedding.bias"])
    _add_f32(writer, "v.position_embd.weight", tower["embeddings.position_embedding.weight"])
    for i in range(vision.num_hidden_layers):
        for source, target in VISION_LAYER_TENSORS.items():
            weight = tower[f"encoder.layers.{i}.{source}.weight"]
            if weight.ndim == 2:
                _add_matrix(writer, f"v.blk.{i}.{target}.weight", weight, type_name)
            else:
                _add_f32(writer, f"v.blk.{i}.{target}.weight", weight)
            _add_f32(writer, f"v.blk.{i}.{target}.bias", tower[f"encoder.layers.{i}.{source}.bias"])
    _add_f32(writer, "v.post_ln.weight", tower["post_layernorm.weight"])
    _add_f32(writer, "v.post_ln.bias", tower["post_layernorm.bias"])
    _add_f32(writer, "mm.soft_emb_norm.weight", projector["mm_soft_emb_norm.weight"] + np.float32(1))
    # x @ W, so ne0 is the output dimension: the reverse of every other matrix. F16 in every mmproj file.
    _add_matrix(writer, "mm.input_projection.weight", projector["mm_input_projection_weight"], "F16")
    _write(writer, path)


def dequantised_state_dict(text_gguf, mmproj_gguf, reference_model):
    """State dict for `reference_model` with exactly the values in the files, norms back in HF's convention.

    Either path may be None; the model's own tensors then stay. A norm comes back as stored - 1, and 1 + that is again
    the stored value: f32 loses nothing in the subtraction that the sum had kept.
    """
    import torch

    stored = {}
    for path in filter(None, (text_gguf, mmproj_gguf)):
        for tensor in gguf.GGUFReader(str(path)).tensors:
            shape = [int(n) for n in reversed(tensor.shape)]
            values = quants.dequantize(tensor.data, tensor.tensor_type)
            stored[tensor.name] = np.array(values, dtype=np.float32).reshape(shape)

    state = {}
    for name, old in reference_model.state_dict().items():
        target, is_norm = _gguf_name(name)
        if target == "output.weight" and target not in stored:
            target = "token_embd.weight"
        if target not in stored:
            missing_file = text_gguf is None if target.startswith(("blk", "token", "output")) else mmproj_gguf is None
            if not missing_file:
                raise ValueError(f"{name}: the files hold no tensor {target}")
            state[name] = old.detach().clone().float()
            continue
        value = stored[target] - np.float32(1) if is_norm else stored[target]
        if tuple(value.shape) != tuple(old.shape):
            raise ValueError(f"{name}: the file has shape {value.shape}, the model {tuple(old.shape)}")
        state[name] = torch.from_numpy(np.ascontiguousarray(value))
    return state


def build_tokenizer(corpus_text_iter, vocab_size, out_dir):
    """Trains whole-text BPE with SentencePiece and writes it in the layout of Gemma's tokenizer, in small.

    Ids: 0..106 as Gemma's, newline runs from 107, space runs, 256 byte tokens, the pieces in order of rank, and the
    three image tokens last. The result has `vocab_size` ids, or fewer where the corpus is too small for that.
    """
    fixed = HEAD_TOKENS + TURN_TOKENS + ["\n" * n for n in range(1, NEWLINE_RUNS + 1)]
    spaces = [SPACE * n for n in range(SPACE_RUNS, 1, -1)]  # longest first; see the merges below
    fixed = fixed + spaces[::-1] + BYTE_TOKENS
    pieces = _train_pieces(corpus_text_iter, vocab_size - len(fixed) - len(IMAGE_TOKENS))
    tokens = fixed + pieces + IMAGE_TOKENS
    vocab = {token: i for i, token in enumerate(tokens)}
    if len(vocab) != len(tokens):
        raise ValueError("a trained piece has the text of a fixed token")

    # Longest runs first: one run then grows from the left until it is as long as a token can be, which is what a
    # longest-match split on user-defined tokens gives.
    known = {SPACE, *spaces, *pieces}
    merges = [[left, right] for piece in spaces + pieces for left, right in _splits(piece, known)]

    def added(token, special):
        return {"id": vocab[token], "content": token, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": special}

    ordinary = {"<mask>", *HEAD_TOKENS[6:], *spaces, *("\n" * n for n in range(1, NEWLINE_RUNS + 1))}
    added_tokens = [added(t, t not in ordinary) for t in tokens if t in ordinary or t in (*HEAD_TOKENS, *TURN_TOKENS, *IMAGE_TOKENS)]
    bos = {"SpecialToken": {"id": "<bos>", "type_id": 0}}
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added_tokens,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [bos, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [bos, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<bos>", "type_id": 1}},
                     {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<bos>": {"id": "<bos>", "ids": [vocab["<bos>"]], "tokens": ["<bos>"]}},
        },
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                  # <image_soft_token> is an added token only, as in Gemma's file.
                  "vocab": {t: i for t, i in vocab.items() if t != IMAGE_TOKENS[2]}, "merges": merges},
    }
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": True, "add_eos_token": False, "add_prefix_space": False,
        "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>",
        "boi_token": IMAGE_TOKENS[0], "eoi_token": IMAGE_TOKENS[1], "image_token": IMAGE_TOKENS[2],
        "clean_up_tokenization_spaces": False, "model_max_length": 131072, "padding_side": "left",
        "chat_template": CHAT_TEMPLATE,
    }
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    (out / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    (out / "tokenizer_config.json").write_text(json.dumps(config, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (out / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    return tokens


def special_ids(tokenizer_dir):
    """Ids by role, for configs: pad, eos, bos, unk, start_of_turn, end_of_turn, boi, eoi, image; and `count`."""
    ids = {text: i for i, text in enumerate(_token_texts(_read_tokenizer(tokenizer_dir)))}
    roles = {"pad": "<pad>", "eos": "<eos>", "bos": "<bos>", "unk": "<unk>", "start_of_turn": "<start_of_turn>",
             "end_of_turn": "<end_of_turn>", "boi": IMAGE_TOKENS[0], "eoi": IMAGE_TOKENS[1], "image": IMAGE_TOKENS[2]}
    return {**{role: ids[token] for role, token in roles.items()}, "count": len(ids)}


def expand_images(text, tokens_per_image):
    """Replaces each image placeholder in rendered chat text by what stands for one image. Before tokenisation."""
    image = "\n\n" + IMAGE_TOKENS[0] + IMAGE_TOKENS[2] * tokens_per_image + IMAGE_TOKENS[1] + "\n\n"
    return text.replace(IMAGE_TOKENS[0], image)


class GgufTokenizer:
    """The tokenisation that tokenizer.ggml.* in a GGUF file implies (model `llama`, no merges)."""

    def __init__(self, tokens, scores, types):
        self.ids = {}
        for i, text in enumerate(tokens):
            self.ids.setdefault(text, i)
        self.scores = scores
        split_on = [(len(t.encode()), -i, t, i) for i, t in enumerate(tokens) if types[i] in (UNKNOWN, CONTROL, USER_DEFINED)]
        self.split_on = [(text, i) for _, _, text, i in sorted(split_on, reverse=True)]

    @classmethod
    def from_dir(cls, tokenizer_dir):
        return cls(*_ggml_vocab(_read_tokenizer(tokenizer_dir)))

    @classmethod
    def from_gguf(cls, path):
        fields = gguf.GGUFReader(str(path)).fields
        return cls(*(fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "scores", "token_type")))

    def encode(self, text):
        fragments = [text]
        for special, token_id in self.split_on:
            if special not in text:
                continue
            split = []
            for fragment in fragments:
                if isinstance(fragment, int):
                    split.append(fragment)
                    continue
                for n, part in enumerate(fragment.split(special)):
                    if n:
                        split.append(token_id)
                    if part:
                        split.append(part)
            fragments = split
        return [i for f in fragments for i in ([f] if isinstance(f, int) else self._bpe(f.replace(" ", SPACE)))]

    def _bpe(self, text):
        symbols = list(text)  # a merged symbol stays at its left end; None marks what it took up
        before, after = list(range(-1, len(symbols) - 1)), list(range(1, len(symbols) + 1))
        queue = []

        def propose(left, right):
            if left < 0 or right >= len(symbols):
                return
            pair = symbols[left] + symbols[right]
            if pair in self.ids:
                heapq.heappush(queue, (-self.scores[self.ids[pair]], left, right, pair))

        for i in range(len(symbols) - 1):
            propose(i, i + 1)
        while queue:
            _, left, right, pair = heapq.heappop(queue)
            if symbols[left] is None or symbols[right] is None or symbols[left] + symbols[right] != pair or after[left] != right:
                continue
            symbols[left], symbols[right] = pair, None
            after[left] = after[right]
            if after[left] < len(symbols):
                before[after[left]] = left
            propose(before[left], left)
            propose(left, after[left])
        out = []
        for symbol in symbols:
            if symbol is None:
                continue
            if symbol in self.ids:
                out.append(self.ids[symbol])
            else:
                out.extend(self.ids[BYTE_TOKENS[b]] for b in symbol.encode())
        return out


def compare_tokenizers(tokenizer_dir, strings):
    """[(text, ids by tokenizer.json, ids by GGUF)] for the strings on which the two differ. No bos on either side."""
    from tokenizers import Tokenizer

    reference = Tokenizer.from_file(str(Path(tokenizer_dir) / "tokenizer.json"))
    ours = GgufTokenizer.from_dir(tokenizer_dir)
    pairs = ((s, reference.encode(s, add_special_tokens=False).ids, ours.encode(s)) for s in strings)
    return [row for row in pairs if row[1] != row[2]]


def _train_pieces(corpus_text_iter, wanted):
    """Pieces in order of rank: merges first, then single characters, all of which the merges are made of."""
    import io

    import sentencepiece

    lines = [line for text in corpus_text_iter for line in text.split("\n") if line.strip(" ")]
    characters = {c for line in lines for c in line}
    lowest = len(characters | {" "}) + 4
    if wanted < lowest:
        raise ValueError(f"{wanted} pieces are too few for a corpus with {len(characters)} different characters; ask for more ids")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, model_type="bpe",
        # What SentencePiece counts beside the pieces: unk, bos, eos and the byte tokens.
        vocab_size=wanted + 3 + 256, hard_vocab_limit=False, character_coverage=1.0, byte_fallback=True,
        normalization_rule_name="identity", add_dummy_prefix=False, remove_extra_whitespaces=False,
        split_digits=True, max_sentence_length=1 << 20, num_threads=1, minloglevel=2)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = []
    for i in range(processor.get_piece_size()):
        if processor.is_byte(i) or processor.is_control(i) or processor.is_unknown(i):
            continue
        pieces.append(processor.id_to_piece(i))
    # Runs of spaces have ids of their own, and a piece that repeats one character could be merged in two orders that
    # tokenizer.json ranks and a GGUF file cannot.
    return [p for p in pieces if len(p) == 1 or len(set(p)) > 1][:wanted]


def _splits(piece, known):
    return [(piece[:n], piece[n:]) for n in range(1, len(piece)) if piece[:n] in known and piece[n:] in known]


def _read_tokenizer(tokenizer_dir):
    return json.loads((Path(tokenizer_dir) / "tokenizer.json").read_text(encoding="utf-8"))


def _token_texts(tokenizer):
    texts = {i: t for t, i in tokenizer["model"]["vocab"].items()}
    texts.update({t["id"]: t["content"] for t in tokenizer["added_tokens"]})
    if sorted(texts) != list(range(len(texts))):
        raise ValueError("the tokenizer's ids have gaps")
    return [texts[i] for i in range(len(texts))]


def _ggml_vocab(tokenizer, rows=None):
    """tokens, scores, token types as GGUF stores them."""
    added = {t["id"]: t["special"] for t in tokenizer["added_tokens"]}
    bytes_ = frozenset(BYTE_TOKENS)
    tokens, scores, types, rank = [], [], [], 0
    for i, text in enumerate(_token_texts(tokenizer)):
        score, kind = -1000.0, USER_DEFINED
        if text == "<unk>":
            kind = UNKNOWN
        elif i in added:
            if added[i] or text in ("<mask>", "<pad>") or text.startswith("<unused"):
                kind = CONTROL
            else:
                text = text.replace(SPACE, " ")
        elif text in bytes_:
            score, kind = 0.0, BYTE
        else:
            score, kind = -float(rank), NORMAL
            rank += 1
        tokens.append(text)
        scores.append(score)
        types.append(kind)
    for i in range(len(tokens), rows or 0):
        tokens.append(f"[PAD{i}]")
        scores.append(-1000.0)
        types.append(UNUSED)
    return tokens, scores, types


def _add_tokenizer(writer, tokenizer_dir, rows):
    tokenizer = _read_tokenizer(tokenizer_dir)
    tokens, scores, types = _ggml_vocab(tokenizer, rows)
    if len(tokens) > rows:
        raise ValueError(f"the tokenizer has {len(tokens)} ids, but the embedding only {rows} rows")
    ids = special_ids(tokenizer_dir)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(ids["bos"])
    writer.add_eos_token_id(ids["eos"])
    writer.add_unk_token_id(ids["unk"])
    writer.add_pad_token_id(ids["pad"])
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    template = Path(tokenizer_dir) / "chat_template.jinja"
    writer.add_chat_template(template.read_text(encoding="utf-8") if template.exists() else CHAT_TEMPLATE)


def _add_f32(writer, name, value):
    writer.add_tensor(name, np.ascontiguousarray(value, dtype=np.float32))


def _add_matrix(writer, name, value, type_name):
    kind = GGMLQuantizationType[type_name]
    if value.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0] != 0:
        kind = GGMLQuantizationType.F16
    writer.add_tensor(name, quants.quantize(np.ascontiguousarray(value, dtype=np.float32), kind), raw_dtype=kind)


def _write(writer, path):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    writer.write_header_to_file(Path(path))
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _text_config(config):
    return getattr(config, "text_config", None) or config


def _rope(text, layer_type):
    return text.rope_parameters[layer_type]


def _pattern(text):
    """n such that layer i is full exactly if (i + 1) % n == 0."""
    full = [kind == "full_attention" for kind in text.layer_types]
    pattern = full.index(True) + 1 if any(full) else getattr(text, "_sliding_window_pattern", 6)
    if full != [(i + 1) % pattern == 0 for i in range(len(full))]:
        raise ValueError(f"GGUF cannot store these layer types: {text.layer_types}; use one full layer after every n - 1 sliding ones")
    return pattern


def _numpy_state(model_or_state_dict):
    state = model_or_state_dict if isinstance(model_or_state_dict, dict) else model_or_state_dict.state_dict()
    return {k: v if isinstance(v, np.ndarray) else v.detach().float().cpu().numpy() for k, v in state.items()}


def _strip_prefix(weights, anchor):
    """The tensors that share the anchor's prefix, named without it. transformers has moved prefixes between versions."""
    prefixes = [k[: -len(anchor)] for k in weights if k == anchor or k.endswith("." + anchor)]
    if len(prefixes) != 1:
        raise ValueError(f"expected one tensor named ...{anchor}, found {len(prefixes)}")
    return {k[len(prefixes[0]):]: v for k, v in weights.items() if k.startswith(prefixes[0])}


def _text_weights(model_or_state_dict):
    weights = _numpy_state(model_or_state_dict)
    text = _strip_prefix(weights, "embed_tokens.weight")
    for name, value in weights.items():
        if name.endswith("lm_head.weight"):
            text["lm_head.weight"] = value
    return text


def _gguf_name(name):
    """HF state dict name -> (GGUF name, stored as 1 + w)."""
    if "mm_input_projection_weight" in name:
        return "mm.input_projection.weight", False
    if "mm_soft_emb_norm" in name:
        return "mm.soft_emb_norm.weight", True
    if "vision_tower" in name:
        if "patch_embedding" in name:
            return "v.patch_embd." + name.rsplit(".", 1)[1], False
        if "position_embedding" in name:
            return "v.position_embd.weight", False
        if "post_layernorm" in name:
            return "v.post_ln." + name.rsplit(".", 1)[1], False
        layer, rest = name.split("layers.", 1)[1].split(".", 1)
        source, suffix = rest.rsplit(".", 1)
        return f"v.blk.{layer}.{VISION_LAYER_TENSORS[source]}.{suffix}", False
    if name.endswith("lm_head.weight"):
        return "output.weight", False
    if name.endswith("embed_tokens.weight"):
        return "token_embd.weight", False
    if "layers." in name:
        layer, rest = name.split("layers.", 1)[1].split(".", 1)
        target, is_norm = TEXT_LAYER_TENSORS[rest]
        return f"blk.{layer}.{target}", is_norm
    return "output_norm.weight", True
