"""The optimizer and the learning rate."""

import math

import torch
from torch import nn

from anadil.recipe import Optimisation


def adamw(model: nn.Module, settings: Optimisation) -> torch.optim.AdamW:
    """Fused AdamW over the parameters that are trained, betas (0.9, 0.95) as in GPT-3 and Llama."""
    groups = parameter_groups(model, settings.weight_decay)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.95), eps=1e-8, fused=True)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Decay for matrices only: not for norms and biases, nor for embeddings, whose rare rows would fade away."""
    embeddings = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters(recurse=False)}
    trained = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in trained if p.ndim >= 2 and id(p) not in embeddings]
    others = [p for p in trained if p.ndim < 2 or id(p) in embeddings]
    groups: list[dict[str, object]] = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def learning_rate(step: int, steps: int, settings: Optimisation) -> float:
    """The rate of update `step` (from 0) of `steps`: linear warm-up, then a cosine, or flat and a linear fall.

    The second is "wsd" (warm-up, stable, decay): https://arxiv.org/abs/2404.06395.
    """
    peak, warmup = settings.learning_rate, round(settings.warmup_share * steps)
    if step < warmup:
        return peak * (step + 1) / warmup
    lowest = peak * settings.min_learning_rate_ratio
    if settings.schedule == "cosine":
        share = (step - warmup) / max(1, steps - 1 - warmup)
        return lowest + (peak - lowest) * (1 + math.cos(math.pi * min(1.0, share))) / 2
    falling = min(max(1, round(settings.decay_share * steps)), steps - warmup)
    share = (step + 1 - (steps - falling)) / falling
    return peak - (peak - lowest) * max(0.0, share)
