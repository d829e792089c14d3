"""What a task is: the meaning of a batch, a loss, a metric and a prediction.

Training and evaluation go through these methods only, so they know no task. Statistics are sums: over
micro-batches and ranks they are added, and one `metrics` call at the end gives what the whole split gives.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FloatArray = NDArray[np.float32]
AnyArray = NDArray[Any]


class Targets(Protocol):
    """What a task asks of the data; `tuner.data.Manifest` answers."""

    @property
    def class_names(self) -> tuple[str, ...] | None: ...
    @property
    def target_mean(self) -> float | None: ...
    @property
    def target_std(self) -> float | None: ...


class Task(Protocol):
    """One of classification (softmax or one logit) and regression."""

    @property
    def num_outputs(self) -> int:
        """Width of the network's output."""

    def batch(
        self, x: FloatArray, y: AnyArray, device: torch.device, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        """Tensors on `device`: inputs [rows, *input_shape] in `dtype`, and targets [rows] for `loss`."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The float32 mean over the rows that training descends; `outputs` [rows, num_outputs]."""

    def statistics(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """A float64 vector that adds over rows and ranks; zeros for no rows."""

    def metrics(self, statistics: Tensor) -> dict[str, float]:
        """Metrics by name, from summed statistics of at least one row."""

    def predict(self, outputs: Tensor) -> list[dict[str, Any]]:
        """One readable mapping a row."""


def inputs(x: FloatArray, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(x).to(device=device, dtype=dtype)
