"""Work on the chunks of a source by Ray Data, on all CPUs of the cluster.

    prepare(spec, task, store_root, map_chunks=over_ray_data)

Ray Data places the tasks, keeps the order, and holds a node back whose results nobody has taken yet, so that
they never outgrow the object store. Every node must see the files of the source at the same path.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tuner.errors import TunerError

_CHUNKS_PER_TASK = 4
"""A task costs some milliseconds, and its results are one block of Ray Data's."""


def over_ray_data(function: Callable[[Any], Any], chunks: Sequence[Any]) -> Iterator[Any]:
    """A `tuner.data.pool.MapChunks` over the cluster that Ray is connected to."""
    if not chunks:
        return
    from ray import data  # here: it takes seconds, and only large sources need it

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    dataset = data.from_items(
        [{"chunk": pickle.dumps(chunk)} for chunk in chunks],
        override_num_blocks=-(-len(chunks) // _CHUNKS_PER_TASK),
    ).map(_Work(function))
    for row in dataset.iter_rows():
        result, error = pickle.loads(row["result"])
        if error is not None:
            raise error
        yield result


class _Work:
    """A row's chunk to its result, or to the error that is the user's."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        result, wrong = None, None
        try:
            result = self._function(pickle.loads(row["chunk"]))
        except TunerError as error:
            wrong = error
        return {"result": pickle.dumps((result, wrong))}
