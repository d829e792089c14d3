"""Parquet files, and Arrow streams as `save_to_disk` of datasets writes them, as frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from tuner.data.sources.files import reason
from tuner.errors import DataError


def read_frame(path: Path) -> pd.DataFrame:
    """A frame with at least one row and text as names."""
    return to_frame(read_table(path), path)


def read_table(path: Path) -> Any:
    """An Arrow table; DataError where `path` cannot be read."""
    try:
        return _read_stream(path) if path.suffix == ".arrow" else _read_parquet(path)
    except Exception as error:
        # What pyarrow raises for a damaged file depends on the place of the damage.
        raise _unreadable(path, error) from error


def to_frame(table: Any, path: Path) -> pd.DataFrame:
    """The Arrow table of `path` as a frame; DataError where it has no rows, or a name twice."""
    try:
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    except Exception as error:
        # As above: text that is no UTF-8 is found here only.
        raise _unreadable(path, error) from error
    if frame.empty:
        raise DataError(f"data must have rows, but {path} has none; give a file with data")
    frame.columns = frame.columns.astype(str)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(f"columns must have different names, but {path} has '{twice[0]}' twice; rename one")
    return frame


def _read_parquet(path: Path) -> Any:
    from pyarrow import parquet  # here: only this source needs it

    return parquet.ParquetFile(path).read()


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
