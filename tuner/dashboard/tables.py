"""Tables as they are sent: `{"columns": [names], "data": {name: [values]}}`.

In JSON a number that is not finite is null, and so is what is absent.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from tuner.results.aggregate import Follower


def table(columns: Sequence[str], data: Mapping[str, Iterable[Any]]) -> dict[str, Any]:
    """A table as it is sent."""
    return {
        "columns": list(columns),
        "data": {name: [plain(value) for value in data[name]] for name in columns},
    }


def plain(value: Any) -> Any:
    """As JSON can hold it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def of_frame(frame: pd.DataFrame) -> dict[str, Any]:
    """The frame, with what is missing as null."""
    known = frame.astype(object).where(frame.notna(), None)
    return table(list(frame.columns), {name: known[name].tolist() for name in frame.columns})


def extremes_of(curves: Follower, tag: str) -> dict[str, Any]:
    """The lowest and the highest point of each trial's curve of the tag."""
    return of_frame(curves.extremes(tag).rename_axis("number").reset_index())


def rows_of(columns: Mapping[str, Sequence[Any]], trial: int) -> dict[str, list[Any]]:
    """The rows of a table that are about the trial."""
    found = [index for index, number in enumerate(columns["trial"]) if number == trial]
    return {name: [values[index] for index in found] for name, values in columns.items()}


def nothing(columns: Sequence[str]) -> dict[str, Any]:
    """A table without rows."""
    return table(columns, {name: [] for name in columns})
