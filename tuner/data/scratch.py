"""Arrays that lie on disk while data is prepared, so that they need not fit in memory."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tuner.data.table import AnyArray

_BLOCK_BYTES = 1 << 22


class Scratch:
    """A folder of arrays, which the operating system keeps in memory as far as there is room."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._num_files = 0

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> AnyArray:
        """OSError where the disk has no room for it."""
        if 0 in shape:
            return np.zeros(shape, dtype)
        path = self._next_file()
        with path.open("wb") as file:
            # A mapped file that finds no room later would end the process.
            os.posix_fallocate(file.fileno(), 0, math.prod(shape) * np.dtype(dtype).itemsize)
        return np.memmap(path, dtype, mode="r+", shape=shape)

    def columns_of(self, rows: Rows) -> AnyArray:
        """All `rows` of a table; a column's values lie side by side."""
        num_rows, num_columns = rows.shape
        array: AnyArray = self.zeros((num_columns, num_rows), rows.dtype).T
        start = 0
        for block in rows.blocks():
            array[start : start + len(block)] = block
            start += len(block)
        return array

    def concatenate(self, parts: Iterable[AnyArray], dtype: DTypeLike) -> AnyArray:
        """One array of all `parts`, which have one axis and come one at a time."""
        path = self._next_file()
        with path.open("wb") as file:
            for part in parts:
                file.write(np.ascontiguousarray(part, dtype).data)
            is_empty = file.tell() == 0
        return np.zeros(0, dtype) if is_empty else np.memmap(path, dtype, mode="r")

    def write_text(self, parts: Iterable[str]) -> Path:
        """A file of all `parts`, as UTF-8."""
        return self.write_blocks(part.encode() for part in parts)

    def write_blocks(self, blocks: Iterable[bytes]) -> Path:
        """A file of all `blocks`."""
        path = self._next_file()
        with path.open("wb") as file:
            file.writelines(blocks)
        return path

    def _next_file(self) -> Path:
        self._num_files += 1
        return self._folder / str(self._num_files)


@contextmanager
def scratch_in(folder: Path) -> Iterator[Scratch]:
    """Makes `folder`, and removes it at the end; arrays that are still in use stay readable."""
    folder.mkdir()
    try:
        yield Scratch(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@runtime_checkable
class Rows(Protocol):
    """Rows that are made when they are written, and never are in memory all at once."""

    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def blocks(self) -> Iterator[AnyArray]:
        """All rows in their order, some megabytes at a time."""
        ...


def save_rows(file: IO[bytes], rows: Rows) -> None:
    """As `np.save` does."""
    header = {"descr": np.lib.format.dtype_to_descr(rows.dtype), "fortran_order": False, "shape": rows.shape}
    np.lib.format.write_array_header_1_0(file, header)
    for block in rows.blocks():
        file.write(np.ascontiguousarray(block).data)


def block_slices(num_rows: int, row_bytes: int) -> Iterator[slice]:
    """All rows, some megabytes at a time."""
    step = max(1, _BLOCK_BYTES // max(1, row_bytes))
    return (slice(start, start + step) for start in range(0, num_rows, step))


@dataclass(frozen=True)
class Picked(Rows):
    """Rows of an array on disk."""

    array: AnyArray
    rows: NDArray[np.int64]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.array.shape[1:])

    def blocks(self) -> Iterator[AnyArray]:
        for block in block_slices(len(self.rows), self.array[:1].nbytes):
            yield self.array[self.rows[block]]
