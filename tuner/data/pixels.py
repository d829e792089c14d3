"""`Pixels`: images that are stored as bytes and standardised when they are read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.data import standardise
from tuner.data.converted import Converted
from tuner.data.table import AnyArray, FloatArray

Bytes = NDArray[np.uint8]
_VALUES = np.arange(256, dtype=np.float64)


@dataclass(frozen=True)
class Pixels(Converted):
    """Bytes [rows, channels, height, width], standardised."""

    moments: standardise.Moments | None
    """Mean and standard deviation of each channel; None: not standardised."""

    def to_rows(self, stored: AnyArray) -> FloatArray:
        return to_rows(stored, self.moments)


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
