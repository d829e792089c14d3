"""What tasks measure that predict tokens.

Statistics are sums over the tokens: [loss, tokens, right ones]. Perplexity is exp of the mean loss.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from tuner.tasks.base import AnyArray


def statistics_of(logits: Tensor, tokens: Tensor) -> Tensor:
    """Float64, of logits [tokens, num_tokens] for tokens [tokens]."""
    loss = functional.cross_entropy(logits.float(), tokens, reduction="sum").double()
    right = (logits.argmax(dim=1) == tokens).sum().double()
    return torch.stack([loss, torch.full_like(loss, len(tokens)), right])


def losses_of(logits: Tensor, tokens: Tensor, is_token: Tensor) -> dict[str, AnyArray]:
    """What `Task.examine` tells, of logits [rows, length, num_tokens] for [rows, length]."""
    losses = functional.cross_entropy(logits.flatten(0, 1).float(), tokens.flatten(), reduction="none")
    of_rows = (losses.reshape(tokens.shape) * is_token).double().sum(dim=1)
    num_tokens = is_token.sum(dim=1)
    return {"losses": (of_rows / num_tokens.clamp(min=1)).numpy(), "tokens": num_tokens.numpy()}


def metrics_of(statistics: Tensor) -> dict[str, float]:
    """loss (nats a token), perplexity, accuracy."""
    loss, num_tokens, right = statistics.tolist()
    mean = loss / num_tokens
    perplexity = math.exp(mean) if mean < 700 else math.inf
    return {"loss": mean, "perplexity": perplexity, "accuracy": right / num_tokens}
