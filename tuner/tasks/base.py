"""What a task is: the meaning of a batch, a loss, a metric and a prediction.

Training and evaluation go through these methods only, so they know no task. Statistics are sums: over
micro-batches and ranks they are added, and one `metrics` call at the end gives what the whole split gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor

AnyArray = NDArray[Any]
Network = Callable[[Tensor], Tensor]


class Training(Protocol):
    """What a task asks of how it is trained; the section `train` answers."""

    @property
    def loss(self) -> str: ...
    @property
    def label_smoothing(self) -> float: ...


class Targets(Protocol):
    """What a task asks of the data; `tuner.data.Manifest` answers."""

    @property
    def class_names(self) -> tuple[str, ...] | None: ...
    @property
    def target_mean(self) -> float | None: ...
    @property
    def target_std(self) -> float | None: ...
    @property
    def num_tokens(self) -> int | None: ...
    @property
    def padding(self) -> int | None: ...
    @property
    def target_tokens(self) -> float | None: ...


class Preparation(Protocol):
    """How new rows become what a network takes, and tokens text; an exported model has one."""

    @property
    def max_length(self) -> int:
        """Tokens of a row."""

    @property
    def padding(self) -> int:
        """The token that fills up short rows."""

    @property
    def unknown(self) -> int | None:
        """The token that stands for all that the vocabulary lacks; None: it lacks nothing."""

    def rows(self, raw: AnyArray) -> AnyArray:
        """Raw rows as training had them, [rows, *input_shape]."""

    def encode(self, text: str) -> Sequence[int]: ...
    def decode(self, tokens: Sequence[int]) -> str: ...


class Task(Protocol):
    """What `make(train, data)` of a task's folder gives."""

    @property
    def num_outputs(self) -> int:
        """Width of the network's output."""

    @property
    def is_per_token(self) -> bool:
        """Whether the network's outputs are [rows, length, num_outputs] rather than [rows, num_outputs]."""

    def batch(
        self, x: AnyArray, y: AnyArray, device: torch.device, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        """Tensors on `device`: inputs [rows, *input_shape] in `dtype`, and targets [rows] for `loss`.

        Inputs that are tokens, [rows, length], are int64; so are targets that are tokens.
        """

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The float32 mean over the rows that training descends; `outputs` [rows, num_outputs]."""

    def statistics(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """A float64 vector that adds over rows and ranks; zeros for no rows."""

    def metrics(self, statistics: Tensor) -> dict[str, float]:
        """Metrics by name, from summed statistics of at least one row."""

    def examine(self, outputs: Tensor, targets: Tensor) -> dict[str, AnyArray]:
        """What is looked at row by row: probabilities, or values, or losses and tokens.

        probabilities: of each class, float32 [rows, classes]; values: float64 [rows], in the target's unit;
        losses: nats a token, float64 [rows]; tokens: how many a row has, int64 [rows].
        """

    def predict(self, network: Network, raw: AnyArray, preparation: Preparation) -> list[dict[str, Any]]:
        """One readable mapping for each of the raw rows; `network` is in evaluation mode, on the CPU."""


def outputs_of(network: Network, raw: AnyArray, preparation: Preparation) -> Tensor:
    """What the network gives for raw rows."""
    return network(torch.from_numpy(preparation.rows(raw)))


def inputs(x: AnyArray, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Features in `dtype`; tokens, which are whole numbers, as int64."""
    is_tokens = x.dtype.kind == "i"
    return torch.from_numpy(x).to(device=device, dtype=torch.int64 if is_tokens else dtype)
