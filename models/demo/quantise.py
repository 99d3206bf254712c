"""Rounding of weights while training, so that the stored model answers as the trained one did.

The forward and backward pass see rounded weights, the optimiser moves the exact ones (straight-through).
"""
from contextlib import contextmanager

import torch


def q4_0(weights: torch.Tensor) -> torch.Tensor:
    """Q4_0 and back, by the reference: d = signed maximum / -8 in f16, q = int(x/d + 8.5) in 0..15, blocks of 32."""
    blocks = weights.reshape(-1, 32)
    extreme = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))
    scale = extreme / -8
    inverse = torch.where(scale == 0, 0, 1 / scale)
    levels = (blocks * inverse + 8.5).floor().clamp(0, 15) - 8
    return (levels * scale.half().float()).reshape(weights.shape)


def stored_as_q4_0(name: str, parameter: torch.Tensor) -> bool:
    """The decoder's matrices, the tied embedding included."""
    return parameter.ndim == 2 and "language_model" in name


@contextmanager
def rounded(model, active: bool):
    """Within the block the decoder's matrices are rounded to Q4_0, if `active`; gradients stay."""
    exact = {}
    if active:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if stored_as_q4_0(name, parameter):
                    exact[parameter] = parameter.detach().clone()
                    parameter.copy_(q4_0(parameter))
    yield
    with torch.no_grad():
        for parameter, value in exact.items():
            parameter.copy_(value)


@torch.no_grad()
def round_to_bf16(model):
    """So that a BF16 file of the model is exact."""
    for parameter in model.parameters():
        parameter.copy_(parameter.bfloat16().float())
