"""Many files on all CPUs: a thread each, for what reads and hashes files and computes with numpy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_AHEAD = 256
"""Results that may wait for the one who takes them."""


def in_order(function: Callable[[_Item], _Result], items: Sequence[_Item]) -> Iterator[_Result]:
    """`function` of each item, in their order; the first error in that order is raised."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(items), _AHEAD):
            yield from pool.map(function, items[start : start + _AHEAD])
