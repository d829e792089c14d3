"""The order of an epoch: a permutation of the rows, a function of seed and epoch alone.

    rows_at = order_of(num_rows, seed=0, epoch=3)
    rows_at(np.arange(32))    # the rows of the first batch of 32
    order_of(num_rows, seed=0, epoch=3, blocks=Blocks(num_rows=20_000, window=8))    # a block shuffle

Up to `LARGEST_LISTED` rows it is listed: shuffled once an epoch, 4 bytes a row. Beyond, each place is
computed by itself, in no memory: a Feistel network over the next power of two, with cycle walking (J.
Black and P. Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). It is no cipher, and needs to
be none.

A block shuffle needs few stretches of the rows at a time: blocks of neighbours come in random order, and the
rows of each `window` of them are shuffled, a window at a time, 8 bytes a row of it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
Rows = NDArray[np.int32] | NDArray[np.int64]

LARGEST_LISTED = 2**27
"""134 million rows, 512 MiB."""
_NUM_ROUNDS = 8


class Blocks(NamedTuple):
    """A block shuffle."""

    num_rows: int
    """Of a block; the last one has what is left."""
    window: int
    """Blocks whose rows are mixed."""


class Order(Protocol):
    """Places in the epoch to their rows, of any shape; beyond the last place the first one follows."""

    def __call__(self, places: Places) -> Rows: ...

    def window(self, place: int) -> int:
        """Which stretch of the epoch a place is in; two of them have no block of rows in common."""
        ...

    def blocks(self, window: int) -> list[range]:
        """The rows of a window, neighbours together; none beyond the last one, and where any row may come."""
        ...


def order_of(num_rows: int, seed: int, epoch: int, blocks: Blocks | None = None) -> Order:
    """`blocks`: None: any row may come at any place."""
    if blocks is not None:
        return _InBlocks(num_rows, seed, epoch, blocks)
    if num_rows > LARGEST_LISTED:
        return _Computed(num_rows, seed, epoch)
    return _Listed(num_rows, seed, epoch)


def epoch_order(num_rows: int, seed: int, epoch: int) -> NDArray[np.int32]:
    """The permutation of 0..num_rows-1 in which `epoch` runs, listed."""
    # In 32 bits the same draws make the same permutation as `permutation(num_rows)`, in half the memory.
    order = np.arange(num_rows, dtype=np.int32)
    _generator(seed, epoch).shuffle(order)
    return order


def _generator(seed: int, epoch: int, stream: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, stream]))


class _Listed:
    def __init__(self, num_rows: int, seed: int, epoch: int) -> None:
        self._rows = epoch_order(num_rows, seed, epoch)

    def __call__(self, places: Places) -> NDArray[np.int32]:
        return self._rows.take(places, mode="wrap")

    def window(self, place: int) -> int:
        return 0

    def blocks(self, window: int) -> list[range]:
        return []


class _InBlocks:
    def __init__(self, num_rows: int, seed: int, epoch: int, blocks: Blocks) -> None:
        self._num_rows, self._seed, self._epoch = num_rows, seed, epoch
        self._block_rows, self._width = min(blocks.num_rows, num_rows), blocks.window
        self._first_rows = epoch_order(-(-num_rows // self._block_rows), seed, epoch).astype(np.int64)
        self._first_rows *= self._block_rows
        ends = np.cumsum(np.minimum(self._block_rows, num_rows - self._first_rows))
        self._starts = np.concatenate([[0], ends[self._width - 1 : -1 : self._width]])
        self._latest = (-1, np.empty(0, np.int64))

    def __call__(self, places: Places) -> NDArray[np.int64]:
        inside = places.ravel() % self._num_rows
        windows = self._windows(inside)
        rows = np.empty_like(inside)
        for window in np.unique(windows):
            mine = windows == window
            rows[mine] = self._rows_of(window)[inside[mine] - self._starts[window]]
        return rows.reshape(places.shape)

    def window(self, place: int) -> int:
        return int(self._windows(place))

    def blocks(self, window: int) -> list[range]:
        first_rows = self._first_rows[window * self._width : (window + 1) * self._width].tolist()
        return [range(row, min(row + self._block_rows, self._num_rows)) for row in first_rows]

    def _windows(self, places: int | Places) -> NDArray[np.int64]:
        return np.searchsorted(self._starts, places, side="right") - 1

    def _rows_of(self, window: int) -> NDArray[np.int64]:
        """In their order; the latest window is kept, for places are mostly asked for one after the other."""
        if self._latest[0] != window:
            rows = np.concatenate([np.arange(block.start, block.stop) for block in self.blocks(window)])
            _generator(self._seed, self._epoch, window + 1).shuffle(rows)
            self._latest = (window, rows)
        return self._latest[1]


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
        rows = self._permute(places.ravel().astype(np.uint64) % self._num_rows)
        while len(outside := np.flatnonzero(rows >= self._num_rows)):
            rows[outside] = self._permute(rows[outside])
        return rows.astype(np.int64).reshape(places.shape)

    def window(self, place: int) -> int:
        return 0

    def blocks(self, window: int) -> list[range]:
        return []

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
