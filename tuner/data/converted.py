"""Rows that are stored in fewer bytes than the model reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tuner.data.sharded import ShardedArray
from tuner.data.table import AnyArray, FloatArray


@dataclass(frozen=True)
class Converted(ABC):
    """Of a slice or of rows it gives new float32 rows, as an array of a store of numbers does."""

    stored: AnyArray | ShardedArray
    """[rows, ...]"""

    dtype = np.dtype(np.float32)

    @abstractmethod
    def to_rows(self, stored: AnyArray) -> FloatArray: ...

    @property
    def shape(self) -> tuple[int, ...]:
        return self.stored.shape

    @property
    def size(self) -> int:
        return self.stored.size

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, rows: slice) -> FloatArray:
        return self.to_rows(self.stored[rows])

    def take(self, rows: NDArray[Any], axis: Literal[0]) -> FloatArray:
        return self.to_rows(self.stored.take(rows, axis=axis))
