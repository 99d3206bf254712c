"""The optimiser: Muon for the matrices inside layers and for the patch embedding, AdamW for everything else.

Muon (K. Jordan, 2024, kellerjordan.github.io/posts/muon) steps along the orthogonalised momentum of a matrix. It is
written out here because torch's own computes in bf16, which not every CPU has. The update is scaled by
0.2 * sqrt(max(rows, cols)) (arXiv:2502.16982), so that its elements have the size of an AdamW update. The patch embedding
needs it most: neighbouring pixels are nearly equal, and AdamW then moves along little but a patch's mean.
"""
import math
from collections import defaultdict

import torch


class Optimiser:
    """AdamW and Muon under one schedule; `rate` is the schedule's factor for this step, 0 to 1."""

    def __init__(self, named_parameters, adam_rate: float, muon_rate: float):
        self.adam_rate, self.muon_rate = adam_rate, muon_rate
        rest, by_shape = [], defaultdict(list)
        for name, parameter in named_parameters:
            if parameter.ndim == 2 and "layers." in name or parameter.ndim == 4:
                by_shape[tuple(parameter.shape)].append(parameter)
            else:
                rest.append(parameter)
        self.groups = list(by_shape.values())
        self.momenta = [torch.zeros(len(group), *group[0].flatten(1).shape) for group in self.groups]
        self.adam = torch.optim.AdamW(rest, lr=adam_rate, betas=(0.9, 0.98), weight_decay=0.0)
        self.parameters = rest + [parameter for group in self.groups for parameter in group]

    @torch.no_grad()
    def step(self, rate: float):
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for group in self.adam.param_groups:
            group["lr"] = self.adam_rate * rate
        self.adam.step()
        for group, momentum in zip(self.groups, self.momenta):
            if group[0].grad is None:
                continue
            gradient = torch.stack([parameter.grad.flatten(1) for parameter in group])
            momentum.mul_(0.95).add_(gradient)
            update = orthogonal(gradient.add(momentum, alpha=0.95))
            size = 0.2 * math.sqrt(max(gradient.shape[1:])) * self.muon_rate * rate
            for parameter, direction in zip(group, update):
                parameter.mul_(1 - 0.01 * self.muon_rate * rate).add_(direction.view_as(parameter), alpha=-size)
        for parameter in self.parameters:
            parameter.grad = None


def orthogonal(matrices: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """matrices: [n, rows, cols] -> about the nearest matrices with orthonormal rows or columns (Newton-Schulz)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    flip = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if flip else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.transpose(1, 2) if flip else x


def schedule(step: int, steps: int, warmup: int, floor: float) -> float:
    """Linear warmup to 1, then a cosine to `floor`."""
    if step < warmup:
        return (step + 1) / warmup
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
