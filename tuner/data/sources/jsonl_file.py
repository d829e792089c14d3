"""Files with a JSON object a line, as frames; empty lines are passed over."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from tuner.data.sources.files import reason
from tuner.data.sources.parts import Part, parts_of_lines
from tuner.errors import DataError

_LONGEST_WHOLE = 300
"""Digits of a number that is read as a whole one; longer ones are beyond a float."""


def parts_of(path: Path, part_bytes: int) -> list[Part]:
    return parts_of_lines(path, part_bytes)


def read_frame(path: Path, part: Part | None = None) -> pd.DataFrame:
    """A frame with at least one row; a key that a line does not have is missing there."""
    first = 1 if part is None else part.first_line + 1
    try:
        with path.open("rb") if part is None else BytesIO(part.read(path)) as file:
            rows = [_row(line, number, path) for number, line in enumerate(file, first) if line.strip()]
    except OSError as error:
        raise DataError(f"data must be readable, but {path} is not: {reason(error)}; correct it") from error
    if not rows and part is None:
        raise DataError(f"data must have rows, but {path} has none; give a file with data")
    frame: pd.DataFrame = pd.DataFrame(rows)
    return frame


def _row(line: bytes, number: int, path: Path) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"), parse_int=_whole)
        # Half of a character is valid in JSON, and in no file.
        json.dumps(row, ensure_ascii=False).encode() if b"\\u" in line else None
    except UnicodeDecodeError as error:
        raise _unreadable(path, f"line {number} is no UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, f"line {number}: {reason(error)}") from error
    if not isinstance(row, dict):
        raise _unreadable(path, f"line {number} is no object")
    return row


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_WHOLE else float(digits)


def _unreadable(path: Path, found: str) -> DataError:
    return DataError(
        f"data must be readable as a JSON object a line, but {path} is not: {found}; correct the file"
    )
