"""`decisions.jsonl`: all that a search heard and decided, a line each, in order; it resumes from that.

    log = DecisionLog(paths.decisions)
    log.write({"action": "START", "trial": 3, ...})     # on the disk when it returns
    for line in read_decisions(paths.decisions): ...    # without a torn last one, which never happened

Numbers that are not finite are written as text ("NaN"), for JSON has none; `number_of` reads them.
"""

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuner.errors import ResultsError

Line = Mapping[str, Any]
"""One line of the file; `docs/recovery.md` says what each action's line holds."""


class DecisionLog:
    """Appends to the file; half a line, which a killed process left, is cut off first."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_half_line(path)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, line: Line) -> None:
        """Raises OSError where the disk does not take it; what it took of the line is then cut off again."""
        text = json.dumps({"time_s": time.time(), **_plain(line)}, ensure_ascii=False, allow_nan=False)
        size = os.fstat(self._descriptor).st_size
        try:
            _write_all(self._descriptor, text.encode(errors="backslashreplace") + b"\n")
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, size)
            raise

    def close(self) -> None:
        os.close(self._descriptor)


def read_decisions(path: Path) -> Iterator[dict[str, Any]]:
    """The lines, without a torn last one; none where there is no file.

    Raises ResultsError where a line before the last one is no object: what followed it would mean nothing.
    """
    if not path.is_file():
        return
    *whole, _ = path.read_bytes().split(b"\n")
    for number, text in enumerate(whole, start=1):
        yield _parsed(path, number, text)


def damaged(path: Path, number: int) -> ResultsError:
    return ResultsError(
        f"each line of {path} must be what a search wrote there, but line {number} is not; put back a copy "
        f"of the file, or start the experiment under another name."
    )


def _parsed(path: Path, number: int, text: bytes) -> dict[str, Any]:
    try:
        line: Any = json.loads(text)
    except ValueError as error:
        raise damaged(path, number) from error
    if not isinstance(line, dict):
        raise damaged(path, number)
    return line


def number_of(value: float | str) -> float:
    """The number of a line, also one that is not finite."""
    return float(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _cut_half_line(path: Path) -> None:
    if path.is_file():
        content = path.read_bytes()
        if not content.endswith(b"\n"):
            with path.open("r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)
