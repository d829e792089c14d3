"""`Pixels`: images that are stored as bytes and standardised when they are read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tuner.data import standardise
from tuner.data.sharded import ShardedArray
from tuner.data.table import FloatArray

Bytes = NDArray[np.uint8]
_VALUES = np.arange(256, dtype=np.float64)


@dataclass(frozen=True)
class Pixels:
    """Of a slice or of rows it gives new float32 rows, as an array of a store of numbers does."""

    stored: Bytes | ShardedArray
    """[rows, channels, height, width]"""
    moments: standardise.Moments | None
    """Mean and standard deviation of each channel; None: not standardised."""

    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.stored.shape

    @property
    def size(self) -> int:
        return self.stored.size

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, rows: slice) -> FloatArray:
        return to_rows(self.stored[rows], self.moments)

    def take(self, rows: NDArray[Any], axis: Literal[0]) -> FloatArray:
        return to_rows(self.stored.take(rows, axis=axis), self.moments)


def to_rows(stored: Bytes, moments: standardise.Moments | None) -> FloatArray:
    rows = stored.astype(np.float32)
    return rows if moments is None else standardise.apply(rows, *moments)


def fit(blocks: Iterable[Bytes], robust: bool) -> standardise.Moments:
    """As `standardise.fit`, of rows that come in blocks: bytes can be counted."""
    counts = _counts(blocks)
    rows = counts.sum(axis=1)
    mean = counts @ _VALUES / rows
    std = np.sqrt((counts * (_VALUES - mean[:, None]) ** 2).sum(axis=1) / rows)
    if robust:
        low, mean, high = (_quantiles(counts, share) for share in (0.25, 0.5, 0.75))
        std = standardise.robust_std(std, low, high)
    return standardise.rounded(mean), standardise.rounded(np.where(std > 0, std, 1.0))


def _counts(blocks: Iterable[Bytes]) -> NDArray[np.int64]:
    """[channels, 256]: how often each value occurs."""
    counts = [
        [np.bincount(channel.ravel(), minlength=256) for channel in block.swapaxes(0, 1)] for block in blocks
    ]
    return np.asarray(np.sum(counts, axis=0, dtype=np.int64))


def _quantiles(counts: NDArray[np.int64], share: float) -> NDArray[np.float64]:
    """Of each channel the smallest value that so large a share of the pixels does not exceed."""
    totals = counts.cumsum(axis=1)
    first: NDArray[np.intp] = np.argmax(totals >= share * totals[:, -1:], axis=1)
    return _VALUES[first]
