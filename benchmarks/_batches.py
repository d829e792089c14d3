"""Batches of a split as one process takes them, each of them one micro-batch."""

from typing import Any

from tuner.data import Batches, Split


def whole_batches(split: Split, size: int, *, seed: int = 0, **options: Any) -> Batches:
    """`options`: as of `Batches`."""
    return Batches(split, batch_size=size, micro_batch=size, rank=0, num_ranks=1, seed=seed, **options)
