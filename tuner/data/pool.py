"""Many files, or many pieces of one, on all CPUs of this machine.

A preparation is given a function like `in_order` as its `map_chunks`; `tuner.execution` has one that uses the
CPUs of a whole cluster. What is prepared does not depend on which of them it is.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_AHEAD = 2
"""Results a CPU that may wait for the one who takes them."""


class MapChunks(Protocol):
    """`function` of each chunk, in their order; the first error in that order is raised.

    Function, chunks and results can be pickled. Only a few results are in memory at a time.
    """

    def __call__(self, function: Callable[[Any], Any], chunks: Sequence[Any], /) -> Iterator[Any]: ...


def in_order(function: Callable[[_Item], _Result], items: Sequence[_Item]) -> Iterator[_Result]:
    """`function` of each item, in their order; the first error in that order is raised."""
    num_threads = os.cpu_count() or 1
    with ThreadPoolExecutor(num_threads) as pool:
        waiting: deque[Future[_Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) == _AHEAD * num_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
