"""Where each row of a table came from, and which rows were dropped for which reason."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.data.manifest import Dropped, Example

Indices = NDArray[np.int64]
MOST_EXAMPLES = 3


@dataclass(frozen=True)
class Origins:
    """The file of each row, and its place there."""

    files: tuple[str, ...]
    """Empty for sources that are no files."""
    file: Indices
    """[rows]: index into `files`."""
    row: Indices | None
    """[rows]: the first one of a file is 1; None: each file is a row."""

    @classmethod
    def of_length(cls, num_rows: int) -> Origins:
        """Of a source that is no table in files."""
        return cls((), np.zeros(num_rows, dtype=np.int64), np.arange(1, num_rows + 1))

    @classmethod
    def of_files(cls, files: Sequence[str], lengths: Sequence[int]) -> Origins:
        """Of files with so many rows each."""
        rows = [np.arange(1, length + 1) for length in lengths]
        return cls(tuple(files), np.repeat(np.arange(len(files)), lengths), np.concatenate(rows))

    @classmethod
    def of_whole_files(cls, files: Sequence[str]) -> Origins:
        """Of images or recordings, each a file."""
        return cls(tuple(files), np.arange(len(files)), None)

    def __len__(self) -> int:
        return len(self.file)

    def example(self, index: int) -> Example:
        file = self.files[self.file[index]] if self.files else None
        return Example(file=file, row=None if self.row is None else int(self.row[index]))

    def short_names(self) -> NDArray[np.bytes_]:
        """[files], as bytes: their paths below the folder that all of them are in."""
        paths = [os.path.abspath(file) for file in self.files]
        start = len(os.path.join(os.path.commonpath([os.path.dirname(path) for path in paths]), ""))
        return np.array([os.fsencode(path[start:]) for path in paths])

    def name(self, index: int) -> str:
        """The row as a part of a sentence."""
        example = self.example(index)
        if example.row is None:
            return str(example.file)
        of_file = "" if example.file is None else f" of {example.file}"
        return f"row {example.row}{of_file} (the first one is 1)"


class Ledger:
    """The rows that were dropped, by reason."""

    def __init__(self, origins: Origins) -> None:
        self.origins = origins
        self._rows: dict[str, list[int]] = {}

    def add(self, reason: str, rows: Sequence[int] | Indices) -> None:
        if len(rows):
            self._rows.setdefault(reason, []).extend(int(row) for row in rows)

    def dropped(self) -> dict[str, Dropped]:
        return {reason: self._summary(sorted(rows)) for reason, rows in sorted(self._rows.items())}

    def _summary(self, rows: list[int]) -> Dropped:
        examples = tuple(self.origins.example(row) for row in rows[:MOST_EXAMPLES])
        return Dropped(count=len(rows), examples=examples)
