"""Optimizers and learning-rate schedules.

The optimizers are torch's own; DeepSpeed shards their state. The schedule is a torch `LambdaLR`, which
scales each parameter group's own rate: DeepSpeed's `WarmupLR` with a scalar rate overwrites every group.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch

from tuner.spec.sections import Adam, AdamW, Optimizer, Schedule, Sgd


def build_optimizer(
    spec: Optimizer, parameters: Iterable[torch.nn.Parameter] | Iterable[dict[str, Any]]
) -> torch.optim.Optimizer:
    """`parameters`: the weights, or groups of them with a learning rate each, as torch takes them."""
    if isinstance(spec, Sgd):
        return torch.optim.SGD(
            parameters,
            lr=spec.lr,
            momentum=spec.momentum,
            nesterov=spec.nesterov,
            weight_decay=spec.weight_decay,
        )
    if isinstance(spec, Adam):
        return torch.optim.Adam(parameters, lr=spec.lr, betas=spec.betas, weight_decay=spec.weight_decay)
    assert isinstance(spec, AdamW), spec
    return torch.optim.AdamW(parameters, lr=spec.lr, betas=spec.betas, weight_decay=spec.weight_decay)


def schedule_factor(spec: Schedule, num_steps: int) -> Callable[[int], float]:
    """The learning rate's factor at each optimizer step (from 0) of a training of `num_steps` steps.

    It rises linearly over the first `spec.warmup` of all steps, then stays, or falls along half a cosine
    or a line to `spec.final`.
    """
    num_warmup = round(spec.warmup * num_steps)

    def factor(step: int) -> float:
        if step < num_warmup:
            return (step + 1) / (num_warmup + 1)
        done = min(1.0, (step - num_warmup) / max(1, num_steps - num_warmup))
        return spec.final + (1 - spec.final) * _remaining(spec.type, done)

    return factor


def _remaining(shape: str, done: float) -> float:
    if shape == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if shape == "linear":
        return 1 - done
    assert shape == "constant", shape
    return 1.0
