"""The demo model: Gemma 3 with a SigLIP image encoder, as transformers computes it, in small.

Every linear's input dimension is a multiple of 32, so that all of them can be stored as Q8_0 and Q4_0.
"""
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import Gemma3Config, Gemma3ForConditionalGeneration

import export
from data import IMAGE_TOKENS

HERE = Path(__file__).parent
TOKENIZER = HERE / "tokenizer"
IMAGE_SIZE = 224  # pixels; 16 x 16 patches of 14, pooled 4 x 4 to 16 tokens


def config() -> Gemma3Config:
    """Needs the tokenizer, which fixes the vocabulary."""
    ids = export.special_ids(TOKENIZER)
    made = Gemma3Config(
        text_config={
            "vocab_size": -(-ids["count"] // 64) * 64,  # rows past the last id are padding, as in Gemma
            "hidden_size": 128,
            "intermediate_size": 512,
            "num_hidden_layers": 6,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 32,
            "query_pre_attn_scalar": 32,
            "sliding_window": 128,
            "layer_types": ["sliding_attention"] * 5 + ["full_attention"],
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            },
            "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-6,
            "tie_word_embeddings": True,
            "pad_token_id": ids["pad"],
            "bos_token_id": ids["bos"],
            "eos_token_id": ids["eos"],
        },
        vision_config={
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "image_size": IMAGE_SIZE,
            "patch_size": 14,
            "vision_use_head": False,
        },
        mm_tokens_per_image=IMAGE_TOKENS,
        boi_token_index=ids["boi"],
        eoi_token_index=ids["eoi"],
        image_token_index=ids["image"],
        tie_word_embeddings=True,
    )
    made._attn_implementation = "sdpa"
    return made


def build(attention: str = "sdpa") -> Gemma3ForConditionalGeneration:
    """A model with random weights, in f32."""
    made = config()
    made._attn_implementation = attention
    return Gemma3ForConditionalGeneration(made).float()


def tokenizer() -> Tokenizer:
    """Encode with add_special_tokens=False: the chat template brings its own <bos>."""
    return Tokenizer.from_file(str(TOKENIZER / "tokenizer.json"))


def stop_ids() -> tuple[int, int]:
    ids = export.special_ids(TOKENIZER)
    return ids["eos"], ids["end_of_turn"]


def image_token_types(ids: torch.Tensor, image_id: int) -> torch.Tensor:
    """ids: [batch, tokens] -> [batch, tokens] i64, 1 at the places of image tokens, which see each other both ways."""
    return (ids == image_id).long()
