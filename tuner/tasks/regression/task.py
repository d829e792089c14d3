"""Regression of one number, with mean squared error or Huber loss.

The network learns targets of zero mean and unit standard deviation over the training split, so the loss has
no unit (an MSE of 1 is what predicting the mean gives) and one learning rate fits all data; mae, r2 and
predictions are in the data's own unit. The Huber loss turns linear at one standard deviation (P. J. Huber,
"Robust Estimation of a Location Parameter", 1964, with k = 1).

Statistics are sums over the rows, with centred targets t and errors e, so that nothing cancels:
[loss, rows, |e|, e^2, t, t^2].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tuner.tasks.base import AnyArray, Network, Preparation, Targets, Task, Training, inputs, outputs_of


def make(train: Training, data: Targets) -> Task:
    assert data.target_mean is not None
    assert data.target_std is not None
    return Regression(data.target_mean, data.target_std, huber=train.loss == "huber")


@dataclass(frozen=True)
class Regression:
    """One output a row."""

    target_mean: float
    target_std: float
    huber: bool = False

    @property
    def num_outputs(self) -> int:
        return 1

    @property
    def is_per_token(self) -> bool:
        return False

    def batch(
        self, x: AnyArray, y: AnyArray, device: torch.device, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        """Targets are standardised here; the store keeps them raw."""
        targets = torch.from_numpy(y).to(device=device, dtype=torch.float64)
        return inputs(x, device, dtype), ((targets - self.target_mean) / self.target_std).float()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self._loss(outputs, targets, "mean")

    def statistics(self, outputs: Tensor, targets: Tensor) -> Tensor:
        t = targets.double()
        error = outputs[:, 0].double() - t
        rows = torch.tensor(float(len(t)), dtype=torch.float64, device=t.device)
        loss = self._loss(outputs, targets, "sum").double()
        return torch.stack([loss, rows, error.abs().sum(), error.square().sum(), t.sum(), t.square().sum()])

    def metrics(self, statistics: Tensor) -> dict[str, float]:
        """loss (no unit), mae (the target's unit), r2 (NaN where all rows have the same target)."""
        loss, rows, absolute, squared, t_sum, t_squared = statistics.tolist()
        total = t_squared - t_sum**2 / rows
        r2 = 1.0 - squared / total if total > 0 else float("nan")
        return {"loss": loss / rows, "mae": absolute / rows * self.target_std, "r2": r2}

    def examine(self, outputs: Tensor, targets: Tensor) -> dict[str, AnyArray]:
        return {"values": self._raw(outputs).numpy()}

    def predict(self, network: Network, raw: AnyArray, preparation: Preparation) -> list[dict[str, Any]]:
        """{"value": in the target's unit}"""
        values = self._raw(outputs_of(network, raw, preparation))
        return [{"value": value} for value in values.tolist()]

    def _raw(self, outputs: Tensor) -> Tensor:
        """[rows], in the target's unit."""
        return outputs[:, 0].double() * self.target_std + self.target_mean

    def _loss(self, outputs: Tensor, targets: Tensor, reduction: str) -> Tensor:
        function = functional.huber_loss if self.huber else functional.mse_loss
        return function(outputs[:, 0].float(), targets, reduction=reduction)
