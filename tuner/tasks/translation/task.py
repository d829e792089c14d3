"""Translation: the tokens of a text in another language, cross-entropy in nats a token.

In training the decoder sees the true tokens before each one (teacher forcing), behind a padding token that
begins every translation. The loss that is trained is a sum over the tokens of the rows, divided by the rows
and by the tokens that a training target has on average: so every token weighs the same, whatever the
micro-batch and the number of ranks, and its mean over an epoch is the loss of a token.

New texts are translated greedily: at each place the most probable token, until the boundary comes or the row
is full. Each step runs the whole network over what is there so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tuner.tasks.base import AnyArray, Network, Preparation, Targets, Task, Training, inputs
from tuner.tasks.per_token import losses_of, metrics_of, statistics_of


def make(train: Training, data: Targets) -> Task:
    assert data.num_tokens is not None
    assert data.padding is not None
    assert data.target_tokens is not None
    return Translation(data.num_tokens, data.padding, data.target_tokens, train.label_smoothing)


@dataclass(frozen=True)
class Translation:
    """One logit a token of the vocabulary, for each token of a target."""

    num_tokens: int
    """The last one is the boundary."""
    padding: int
    target_tokens: float
    """Of a training target, on average."""
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
        """[rows, 2, length], source and target, the latter one token later; the target [rows, length]."""
        source, target = inputs(x, device, dtype), inputs(y, device, dtype)
        begun = functional.pad(target[:, :-1], (1, 0), value=self.padding)
        return torch.stack([source, begun], dim=1), target

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        total = functional.cross_entropy(
            outputs.flatten(0, 1).float(),
            targets.flatten(),
            ignore_index=self.padding,
            label_smoothing=self.label_smoothing,
            reduction="sum",
        )
        return total / (len(targets) * self.target_tokens)

    def statistics(self, outputs: Tensor, targets: Tensor) -> Tensor:
        is_token = targets != self.padding
        return statistics_of(outputs[is_token], targets[is_token])

    def metrics(self, statistics: Tensor) -> dict[str, float]:
        return metrics_of(statistics)

    def examine(self, outputs: Tensor, targets: Tensor) -> dict[str, AnyArray]:
        return losses_of(outputs, targets, targets != self.padding)

    def predict(self, network: Network, raw: AnyArray, preparation: Preparation) -> list[dict[str, Any]]:
        """{"translation": text}"""
        source = torch.from_numpy(preparation.rows(raw)).long()
        return [{"translation": preparation.decode(tokens)} for tokens in self.translate(network, source)]

    def translate(self, network: Network, source: Tensor) -> list[list[int]]:
        """The tokens of each translation of `source` [rows, length], without the boundary."""
        boundary, length = self.num_tokens - 1, source.shape[1]
        longest = int((source != self.padding).any(dim=0).nonzero().amax()) + 1
        begun = torch.full((len(source), length + 1), self.padding)
        has_ended = torch.zeros(len(source), dtype=torch.bool)
        for place in range(length):
            width = max(longest, place + 1)
            logits = network(torch.stack([source[:, :width], begun[:, :width]], dim=1))[:, place].float()
            logits[:, self.padding] = -torch.inf
            token = logits.argmax(dim=1).masked_fill(has_ended, self.padding)
            has_ended |= token == boundary
            begun[:, place + 1] = token.masked_fill(has_ended, self.padding)
            if has_ended.all():
                break
        return [row[row != self.padding].tolist() for row in begun]
