"""`decisions.jsonl` while it grows: what was decided, and who had which gang.

    log = FollowedLog(path)
    log.poll()                       # reads what is new
    log.columns, log.laps

Lines that were read are not kept, for a line holds all metrics of a report; the columns are a tenth of it.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from tuner.dashboard.laps import Laps
from tuner.execution.decisions import Line, damaged, number_of
from tuner.spec.domains import is_number

COLUMNS = (
    "at_s",
    "trial",
    "action",
    "report",
    "value",
    "cutoff",
    "rung",
    "reason",
    "state",
    "fault",
    "donor",
)
"""`at_s` in seconds of searching, the others as in the file; None where a line has none."""
DAMAGED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What a line that nobody wrote there may raise."""
TAIL_BYTES = 1 << 16
_NAMES = {"at_s": "spent_s"}


class FollowedLog:
    """Reads the file again and again, each time only what is new."""

    def __init__(self, path: Path) -> None:
        self.columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self.laps = Laps()
        self.held: set[int] = set()
        """Trials that somebody paused and nobody told to go on since."""
        self.began_s: float | None = None
        """Wall clock of the first line; None while there is none."""
        self._path, self._offset, self._num_lines = path, 0, 0

    @property
    def is_cut(self) -> bool:
        """Whether the file is no longer what was read: another one has its name, or it was put back."""
        return self._path.is_file() and self._path.stat().st_size < self._offset

    def poll(self) -> None:
        """Reads the whole lines that are new.

        Raises:
            ResultsError: one of them is not what a search wrote there; nothing can be read on after it.
        """
        for text in self._new_lines():
            try:
                self._keep(json.loads(text))
            except DAMAGED as error:
                raise damaged(self._path, self._num_lines + 1) from error
            self._num_lines += 1

    def _new_lines(self) -> Iterable[bytes]:
        if not self._path.is_file():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
        *lines, rest = content.split(b"\n")
        self._offset += len(content) - len(rest)
        return lines

    def _keep(self, line: Line) -> None:
        if self.began_s is None:
            self.began_s = line["time_s"] - line["spent_s"]
        for name, values in self.columns.items():
            values.append(line.get(_NAMES.get(name, name)))
        for name in ("value", "cutoff"):
            if isinstance(line.get(name), str):
                self.columns[name][-1] = number_of(line[name])
        self.laps.hear(line)
        if line["action"] == "COMMAND" and line["is_done"]:
            self._hear(line["name"], line["trial"])

    def _hear(self, command: str, trial: int) -> None:
        if command == "pause":
            self.held.add(trial)
        elif command == "unpause":
            self.held.discard(trial)


def first_and_last(path: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The file's first and last whole line, without what lies between; None where there are none."""
    try:
        with path.open("rb") as file:
            first = _object(file.readline())
            last = _object(_last_line(file))
    except OSError:
        return None
    return None if first is None or last is None else (first, last)


def _last_line(file: BinaryIO) -> bytes:
    size = file.seek(0, os.SEEK_END)
    width = TAIL_BYTES
    while True:
        start = file.seek(max(0, size - width))
        *lines, _ = file.read(size - start).split(b"\n")
        if len(lines) > 1 or start == 0:
            return lines[-1] if lines else b""
        width *= 8


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_line = isinstance(found, dict) and all(is_number(found.get(key)) for key in ("time_s", "spent_s"))
    return found if is_line else None
