"""Random numbers of rows by their place in an epoch's order.

Philox is a function of a key and a counter (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3",
2011): the key is (seed, epoch), and each place has its own stretch of counters. So the numbers of a place are
always the same, with whatever other places they are drawn. A generator, one a draw, costs 11 us.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_FLOATS = 8
"""Float32 numbers that one step of Philox' counter gives."""

PARAMETERS, VALUES, WINDOWS = 1, 2, 3
"""Streams, the highest word of the counter; that of 0 orders the rows (`tuner.data.epoch_order`)."""


@dataclass(frozen=True)
class Places:
    """Consecutive places in the order of an epoch."""

    seed: int
    epoch: int
    first: int
    count: int

    def uniform(self, stream: int, width: int) -> NDArray[np.float32]:
        """[places, width] in [0, 1)."""
        steps = -(-width // _FLOATS)
        counter = [self.first * steps, 0, 0, stream]
        generator = np.random.Generator(np.random.Philox(key=[self.seed, self.epoch], counter=counter))
        return generator.random((self.count, steps * _FLOATS), dtype=np.float32)[:, :width]

    def normal(self, x: Tensor) -> Tensor:
        """Standard Gaussian, of the shape of `x` [places, ...] and on its device (Box and Muller, 1958)."""
        width = math.prod(x.shape[1:])
        half = -(-width // 2)
        numbers = self.uniform(VALUES, 2 * half)
        radius = np.sqrt(-2 * np.log1p(-numbers[:, :half]))
        angle = np.float32(2 * math.pi) * numbers[:, half:]
        values = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :width]
        return torch.from_numpy(values).reshape(x.shape).to(x.device)
