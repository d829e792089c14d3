"""Parquet files, as frames."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tuner.data.sources.files import reason
from tuner.errors import DataError


def read_frame(path: Path) -> pd.DataFrame:
    """A frame with at least one row and text as names."""
    from pyarrow import parquet  # here: only this source needs it

    try:
        table = parquet.ParquetFile(path).read()
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    except Exception as error:
        # What pyarrow raises for a damaged file depends on the place of the damage.
        raise DataError(
            f"data must be readable as Parquet, but {path} is not: {reason(error)}; correct the file"
        ) from error
    if frame.empty:
        raise DataError(f"data must have rows, but {path} has none; give a file with data")
    frame.columns = frame.columns.astype(str)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(f"columns must have different names, but {path} has '{twice[0]}' twice; rename one")
    return frame
