"""Parquet files, and Arrow streams as `save_to_disk` of datasets writes them, as frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from tuner.data.sources.files import reason
from tuner.data.sources.parts import Part
from tuner.errors import DataError


def parts_of(path: Path, part_bytes: int) -> list[Part]:
    """Row groups, as many as have so many bytes; none of an Arrow stream."""
    from pyarrow import parquet  # here: only this source needs it

    if path.suffix == ".arrow":
        return []
    try:
        metadata = parquet.read_metadata(path)
        groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    except Exception as error:
        raise _unreadable(path, error) from error
    parts, start, row, size, num_rows = [], 0, 0, 0, 0
    for index, group in enumerate(groups, start=1):
        size, num_rows = size + group.total_byte_size, num_rows + group.num_rows
        if size >= part_bytes or index == len(groups):
            parts.append(Part(start, index, row))
            start, row, size, num_rows = index, row + num_rows, 0, 0
    return parts


def read_frame(path: Path, part: Part | None = None) -> pd.DataFrame:
    """A frame with text as names, and of a whole file at least one row."""
    return to_frame(read_table(path, part), path, may_be_empty=part is not None)


def read_table(path: Path, part: Part | None = None) -> Any:
    """An Arrow table; DataError where `path` cannot be read."""
    try:
        return _read_stream(path) if path.suffix == ".arrow" else _read_parquet(path, part)
    except Exception as error:
        # What pyarrow raises for a damaged file depends on the place of the damage.
        raise _unreadable(path, error) from error


def to_frame(table: Any, path: Path, *, may_be_empty: bool = False) -> pd.DataFrame:
    """The Arrow table of `path` as a frame; DataError where it has no rows, or a name twice."""
    try:
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    except Exception as error:
        # As above: text that is no UTF-8 is found here only.
        raise _unreadable(path, error) from error
    if frame.empty and not may_be_empty:
        raise DataError(f"data must have rows, but {path} has none; give a file with data")
    frame.columns = frame.columns.astype(str)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(f"columns must have different names, but {path} has '{twice[0]}' twice; rename one")
    return frame


def _read_parquet(path: Path, part: Part | None) -> Any:
    from pyarrow import parquet

    file = parquet.ParquetFile(path)
    return file.read() if part is None else file.read_row_groups(range(part.start, part.end))


def _read_stream(path: Path) -> Any:
    import pyarrow

    with pyarrow.OSFile(str(path)) as file:
        table = pyarrow.ipc.open_stream(file).read_all()
    # A stream is memory as it was, and says itself where in it each value lies.
    table.validate(full=True)
    return table


def _unreadable(path: Path, error: Exception) -> DataError:
    kind = "an Arrow stream" if path.suffix == ".arrow" else "Parquet"
    return DataError(f"data must be readable as {kind}, but {path} is not: {reason(error)}; correct the file")
