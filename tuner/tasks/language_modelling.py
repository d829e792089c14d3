"""Language modelling: the next token of every token, cross-entropy in nats.

Statistics are sums over the tokens: [loss, tokens, right ones]. Perplexity is exp of the mean loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tuner.tasks.base import AnyArray, inputs


@dataclass(frozen=True)
class LanguageModelling:
    """One logit a token of the vocabulary, for each token of a row."""

    num_tokens: int
    label_smoothing: float = 0.0

    @property
    def num_outputs(self) -> int:
        return self.num_tokens

    @property
    def is_per_token(self) -> bool:
        return True

    def batch(
        self, x: AnyArray, y: AnyArray, device: torch.device, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        """Tokens [rows, length], and the one after each."""
        return inputs(x, device, dtype), inputs(y, device, dtype)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        logits = outputs.flatten(0, 1).float()
        return functional.cross_entropy(logits, targets.flatten(), label_smoothing=self.label_smoothing)

    def statistics(self, outputs: Tensor, targets: Tensor) -> Tensor:
        logits, tokens = outputs.flatten(0, 1).float(), targets.flatten()
        loss = functional.cross_entropy(logits, tokens, reduction="sum").double()
        right = (logits.argmax(dim=1) == tokens).sum().double()
        return torch.stack([loss, torch.full_like(loss, len(tokens)), right])

    def metrics(self, statistics: Tensor) -> dict[str, float]:
        """loss (nats a token), perplexity, accuracy."""
        loss, num_tokens, right = statistics.tolist()
        mean = loss / num_tokens
        perplexity = math.exp(mean) if mean < 700 else math.inf
        return {"loss": mean, "perplexity": perplexity, "accuracy": right / num_tokens}

    def predict(self, outputs: Tensor) -> list[dict[str, Any]]:
        """{"token": the most probable one after the row, "probability": of it}"""
        probabilities, tokens = outputs[:, -1].float().softmax(dim=1).max(dim=1)
        pairs = zip(tokens.tolist(), probabilities.tolist(), strict=True)
        return [{"token": token, "probability": probability} for token, probability in pairs]
