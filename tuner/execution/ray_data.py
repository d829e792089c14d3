"""Work on the chunks of a source by Ray Data, on all CPUs of the cluster.

    prepare(spec, task, store_root, map_chunks=over_ray_data)

Ray Data places the tasks, keeps the order, and holds a node back whose results nobody has taken yet, so that
they never outgrow the object store. Every node must see the files of the source at the same path.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
        [{"chunk": _Held(chunk)} for chunk in chunks],
        override_num_blocks=-(-len(chunks) // _CHUNKS_PER_TASK),
    ).map(_Work(function))
    for row in dataset.iter_rows():
        held = row["result"]
        if held.error is not None:
            raise held.error
        yield held.value


@dataclass(frozen=True)
class _Held:
    """A value that Ray Data shall leave as it is: arrays it would take for columns; or the user's error."""

    value: Any = None
    error: TunerError | None = None


class _Work:
    """A row's chunk to its result."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"result": _Held(self._function(row["chunk"].value))}
        except TunerError as error:
            return {"result": _Held(error=error)}
