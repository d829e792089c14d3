"""`ShardedArray`: a stored array that is read by shards, through a cache on a disk of this node."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tuner.data.shard_cache import ShardCache
from tuner.data.sources.files import reason
from tuner.data.table import AnyArray
from tuner.errors import DataError

_BLOCK_BYTES = 1 << 22
_MOST_MAPPED = 256
"""Shards; each has a file open."""


class ShardedArray:
    """Of a slice or of rows it gives new rows, as the array itself does.

    Shards stay mapped, and so in the cache, until `release` or `keep`; those for which the cache has no room
    are read from the array until then. One other thread may `fetch`.

    Args:
        source: memory-mapped from a file of a store; at least one byte.
        folder: names the store in the cache.
    """

    def __init__(self, source: np.memmap[Any, Any], folder: str, cache: ShardCache) -> None:
        assert source.filename is not None
        self._file, self._offset = Path(source.filename), source.offset
        self._source: AnyArray = np.asarray(source)
        self._folder, self._cache = folder, cache
        self._row_bytes = self._source[:1].nbytes
        self._shard_rows = max(1, cache.shard_bytes // self._row_bytes)
        self._mapped: dict[int, AnyArray] = {}
        self._past: set[int] = set()

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._source.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self._source.shape

    @property
    def size(self) -> int:
        return self._source.size

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, rows: slice) -> AnyArray:
        """Slices are asked for one after the other, so that only the shards of this one stay mapped."""
        start, stop, _ = rows.indices(len(self))
        needed = range(start // self._shard_rows, -(-stop // self._shard_rows))
        self._mapped = {shard: rows for shard, rows in self._mapped.items() if shard in needed}
        return self.take(np.arange(start, stop), axis=0)

    def take(self, rows: NDArray[Any], axis: Literal[0]) -> AnyArray:
        shards, places = np.divmod(rows, self._shard_rows)
        order = np.argsort(shards, kind="stable")
        shards, places = shards[order], places[order]
        ends = np.flatnonzero(np.diff(shards, append=-1)) + 1
        taken = np.empty((len(rows), *self.shape[1:]), self.dtype)
        start = 0
        for end in ends.tolist():
            # With "raise" numpy would gather into a buffer of its own first.
            self._rows_of(int(shards[start])).take(
                places[start:end], axis=axis, out=taken[start:end], mode="clip"
            )
            start = end
        return taken.take(np.argsort(order), axis=0, mode="clip")

    def release(self) -> None:
        """The cache may drop what was read up to here."""
        self.keep(())

    def keep(self, shards: Collection[int]) -> None:
        """The cache may drop what was read up to here, but for these."""
        self._mapped = {shard: rows for shard, rows in self._mapped.items() if shard in shards}
        self._past.clear()

    def shards_of(self, stretches: Iterable[range]) -> list[int]:
        """Those that hold these rows, in their order."""
        size = self._shard_rows
        found = (range(rows.start // size, -(-rows.stop // size)) for rows in stretches)
        return list(dict.fromkeys(shard for shards in found for shard in shards))

    def fetch(self, shard: int) -> bool:
        """Maps a shard, before it is needed or when it is; False: there is no room for it."""
        if shard in self._mapped:
            return True
        cached = self._cached(shard) if len(self._mapped) < _MOST_MAPPED else None
        if cached is not None:
            self._mapped[shard] = cached
        return cached is not None

    def _rows_of(self, shard: int) -> AnyArray:
        if shard not in self._past and self.fetch(shard):
            return self._mapped[shard]
        self._past.add(shard)
        start, stop = self._bounds(shard)
        return self._source[start:stop]

    def _cached(self, shard: int) -> AnyArray | None:
        start, stop = self._bounds(shard)
        name = f"{self._folder}/{self._file.stem}.{start}-{stop}"
        num_bytes = (stop - start) * self._row_bytes
        found = self._cache.shard(name, num_bytes, lambda: self._read(start * self._row_bytes, num_bytes))
        return None if found is None else found.view(self.dtype).reshape(stop - start, *self.shape[1:])

    def _bounds(self, shard: int) -> tuple[int, int]:
        start = shard * self._shard_rows
        return start, min(start + self._shard_rows, len(self))

    def _read(self, start: int, num_bytes: int) -> Iterator[bytes]:
        try:
            with self._file.open("rb", buffering=0) as file:
                file.seek(self._offset + start)
                while num_bytes:
                    block = file.read(min(num_bytes, _BLOCK_BYTES))
                    if not block:
                        raise EOFError("it ends too early")
                    num_bytes -= len(block)
                    yield block
        except (OSError, EOFError) as error:
            raise DataError(
                f"a prepared store must stay as it was written while it is read, but {self._file} did not "
                f"({reason(error)}); put it back, or prepare the data again"
            ) from error
