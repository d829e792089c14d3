"""Language modelling: the next token of every token, cross-entropy in nats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tuner.tasks.base import AnyArray, Network, Preparation, Targets, Task, Training, inputs
from tuner.tasks.continuation import continue_text
from tuner.tasks.per_token import losses_of, metrics_of, statistics_of


def make(train: Training, data: Targets) -> Task:
    assert data.num_tokens is not None
    return LanguageModelling(data.num_tokens, train.label_smoothing)


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
        return statistics_of(outputs.flatten(0, 1), targets.flatten())

    def metrics(self, statistics: Tensor) -> dict[str, float]:
        return metrics_of(statistics)

    def examine(self, outputs: Tensor, targets: Tensor) -> dict[str, AnyArray]:
        return losses_of(outputs, targets, torch.ones_like(targets, dtype=torch.bool))

    def predict(self, network: Network, raw: AnyArray, preparation: Preparation) -> list[dict[str, Any]]:
        """{"continuation": the text with which the model goes on}"""
        return [{"continuation": continue_text(network, preparation, text)} for text in raw]
