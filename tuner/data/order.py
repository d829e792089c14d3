"""The order of an epoch: a permutation of the rows, a function of seed and epoch alone.

    rows_at = order_of(num_rows, seed=0, epoch=3)
    rows_at(np.arange(32))    # the rows of the first batch of 32

Up to `LARGEST_LISTED` rows it is listed: shuffled once an epoch, 4 bytes a row. Beyond, each place is
computed by itself, in no memory: a Feistel network over the next power of two, with cycle walking (J.
Black and P. Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). It is no cipher, and needs to
be none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
Rows = NDArray[np.int32] | NDArray[np.int64]

LARGEST_LISTED = 2**27
"""134 million rows, 512 MiB."""
_NUM_ROUNDS = 8


def order_of(num_rows: int, seed: int, epoch: int) -> Callable[[Places], Rows]:
    """Places in the epoch, each below `num_rows`, to their rows; of any shape."""
    if num_rows > LARGEST_LISTED:
        return _Computed(num_rows, seed, epoch)
    return epoch_order(num_rows, seed, epoch).take


def epoch_order(num_rows: int, seed: int, epoch: int) -> NDArray[np.int32]:
    """The permutation of 0..num_rows-1 in which `epoch` runs, listed."""
    # In 32 bits the same draws make the same permutation as `permutation(num_rows)`, in half the memory.
    order = np.arange(num_rows, dtype=np.int32)
    _generator(seed, epoch).shuffle(order)
    return order


def _generator(seed: int, epoch: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, epoch]))


class _Computed:
    """The order of very many rows."""

    def __init__(self, num_rows: int, seed: int, epoch: int) -> None:
        self._num_rows = np.uint64(num_rows)
        bits = (num_rows - 1).bit_length()
        self._low_bits = np.uint64(bits // 2)
        self._low_mask = np.uint64(2 ** (bits // 2) - 1)
        self._high_mask = np.uint64(2 ** (bits - bits // 2) - 1)
        self._keys = _generator(seed, epoch).integers(2**64, size=_NUM_ROUNDS, dtype=np.uint64)

    def __call__(self, places: Places) -> NDArray[np.int64]:
        rows = self._permute(places.ravel().astype(np.uint64))
        while len(outside := np.flatnonzero(rows >= self._num_rows)):
            rows[outside] = self._permute(rows[outside])
        return rows.astype(np.int64).reshape(places.shape)

    def _permute(self, values: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """A permutation of the numbers below the power of two."""
        high, low = values >> self._low_bits, values & self._low_mask
        for high_key, low_key in zip(self._keys[::2], self._keys[1::2], strict=True):
            high = high ^ (_mixed(low, high_key) & self._high_mask)
            low = low ^ (_mixed(high, low_key) & self._low_mask)
        return np.asarray((high << self._low_bits) | low)


def _mixed(values: NDArray[np.uint64], key: np.uint64) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (G. L. Steele, D. Lea and C. H. Flood, OOPSLA 2014)."""
    z = values + key
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))
