"""`ReadAhead`: a thread that fetches the shards of the rows that come next, while those before are read.

    ahead = ReadAhead([features, targets])
    ahead.go_on(now=[range(0, 4096)], after=[range(8192, 12288)])
    ahead.release()

It takes no room in the cache that the rows of `now` need: their shards come first, and where there is no room
for one it ends. It holds what it has fetched, so that nobody drops it before it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event, Thread

from tuner.data.sharded import ShardedArray
from tuner.errors import DataError


class ReadAhead:
    """Of arrays that are read by the same rows; without any it does nothing."""

    def __init__(self, arrays: Sequence[ShardedArray]) -> None:
        self._arrays = arrays
        self._is_stopped = Event()
        self._thread: Thread | None = None

    def go_on(self, now: Sequence[range], after: Sequence[range]) -> None:
        """What was read up to here is done with; then come the rows of `now`, and later those of `after`."""
        self._stop()
        for array in self._arrays:
            array.keep(set(array.shards_of([*now, *after])))
        wanted = [
            (array, shard)
            for rows in (now, after)
            for array in self._arrays
            for shard in array.shards_of(rows)
        ]
        if wanted:
            self._is_stopped = Event()
            arguments = (wanted, self._is_stopped)
            self._thread = Thread(target=_fetch, args=arguments, name="read ahead", daemon=True)
            self._thread.start()

    def release(self) -> None:
        """The cache may drop everything."""
        self._stop()
        for array in self._arrays:
            array.release()

    def _stop(self) -> None:
        """Waits for the shard that is being copied: whoever goes on needs it most likely."""
        if self._thread is not None:
            self._is_stopped.set()
            self._thread.join()
            self._thread = None


def _fetch(wanted: Sequence[tuple[ShardedArray, int]], is_stopped: Event) -> None:
    for array, shard in wanted:
        try:
            if is_stopped.is_set() or not array.fetch(shard):
                return
        except DataError:  # Whoever needs the shard meets it too.
            return
