"""Which rows are equal, of rows that need not be in memory all at once.

Each row is hashed to 64 bits (a multilinear hash of its 32-bit words), and of rows with equal hashes the
values themselves are compared. So what is said to be equal is equal; two equal rows are overlooked only where
a third, different row has their hash.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from tuner.data.origins import Indices
from tuner.data.table import AnyArray

RowsAt = Callable[[Indices], AnyArray]
"""Of places in the order of all rows: [places, *row_shape], float32 or int32."""

_BLOCK_VALUES = 1 << 20


def first_equal(num_rows: int, row_shape: tuple[int, ...], rows_at: RowsAt) -> Indices:
    """[rows]: the place of the first row that equals this one; often its own."""
    width = math.prod(row_shape)
    first = first_of(_hashes(num_rows, width, rows_at))
    later = np.flatnonzero(first != np.arange(num_rows))
    for places in _blocks(later, width):
        differ = (rows_at(places) != rows_at(first[places])).reshape(len(places), -1).any(axis=1)
        first[places[differ]] = places[differ]
    return first


def first_of(*keys: AnyArray) -> Indices:
    """[rows]: the place of the first row with the same keys, each of them [rows]."""
    order = np.lexsort(keys)
    is_new = np.zeros(len(order), dtype=bool)
    for key in keys:
        ordered = key[order]
        is_new[1:] |= ordered[1:] != ordered[:-1]
    first = np.empty_like(order)
    first[order] = order[np.maximum.accumulate(np.where(is_new, np.arange(len(order)), 0))]
    return first


def _hashes(num_rows: int, width: int, rows_at: RowsAt) -> NDArray[np.uint64]:
    factors = np.random.default_rng(0).integers(2**63, size=width, dtype=np.uint64) * 2 + 1
    found = np.empty(num_rows, dtype=np.uint64)
    for places in _blocks(np.arange(num_rows), width):
        # Adding 0 makes one of the two zeros that are equal.
        flat = rows_at(places).reshape(-1, width)
        words = (flat + flat.dtype.type(0)).view(np.uint32)
        found[places] = words.astype(np.uint64) @ factors
    return found


def _blocks(places: Indices, width: int) -> Iterator[Indices]:
    step = max(1, _BLOCK_VALUES // max(1, width))
    return (places[start : start + step] for start in range(0, len(places), step))
