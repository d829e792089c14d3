"""Commands to a search that runs, through its folder: whoever may write there asks, and the run answers.

    answer = ask(paths, Command("stop", trial=3))        # another process; None: not answered in time
    for command in Inbox(paths.commands).new(): ...      # the run

A command is a line of `commands.jsonl`; its answer is the line of `decisions.jsonl` with its key. A line that
is no command is nobody's: it has no key to answer.
"""

import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tuner.errors import ResultsError, StorageError
from tuner.records.files import ends_whole
from tuner.records.lock import holder_of
from tuner.records.paths import ExperimentPaths

WAIT_S, POLL_S = 30.0, 0.05


@dataclass(frozen=True)
class Command:
    """What is asked of a search."""

    name: str
    """`stop`, `pause`, `unpause` or `clone` a trial; `enqueue` a configuration; set the number of `gangs`."""
    trial: int | None = None
    """That trial; or one whose parameters the enqueued one has where `params` does not say otherwise."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Parameter to value, as `search.points` has them; or `gangs` to their number."""
    key: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class Answer:
    """What became of a command, in words."""

    is_done: bool
    reason: str


class Inbox:
    """The commands of a folder in their order; `new` gives each once."""

    def __init__(self, path: Path) -> None:
        self._tail = _Tail(path)

    def new(self) -> Iterator[Command]:
        for line in self._tail.lines():
            with suppress(KeyError, TypeError, ValueError):
                yield command_of(line)


def ask(
    paths: ExperimentPaths, command: Command, wait_s: float = WAIT_S, *, is_done: bool = False
) -> Answer | None:
    """Gives the command to the search that runs in the folder; None where that has not answered in time.

    Raises ResultsError where no search runs; `is_done`: because it has nothing left to do.
    """
    _holder(paths, "change its gangs" if command.name == "gangs" else command.name, is_done)
    answers = _Tail(paths.decisions, os.path.getsize(paths.decisions))
    send(paths.commands, command)
    until = time.monotonic() + wait_s
    while time.monotonic() < until:
        for line in answers.lines():
            if line.get("key") == command.key:
                return Answer(line["is_done"], line["reason"])
        time.sleep(POLL_S)
    return None


def ask_to_leave(paths: ExperimentPaths, *, is_done: bool = False) -> str:
    """Tells the search as a whole to save what trains and end, as Ctrl-C does; returns who runs it, in words.

    Raises ResultsError where no search runs; `is_done`: because it has nothing left to do.
    """
    holder = _holder(paths, "stop", is_done)
    paths.leave.touch()
    return holder


def send(path: Path, command: Command) -> None:
    """Writes the command; on the disk when it returns. Raises StorageError where it cannot be written."""
    line = json.dumps(asdict(command), ensure_ascii=False, allow_nan=False).encode(errors="backslashreplace")
    try:
        with path.open("ab+") as file:
            # A torn line stands by itself then, and harms no other.
            file.write(line + b"\n" if ends_whole(file.fileno()) else b"\n" + line + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(
            f"commands are given in {path}, but it cannot be written ({error}); set that right"
        ) from error


def _holder(paths: ExperimentPaths, asked: str, is_done: bool) -> str:
    holder = holder_of(paths.lock)
    if holder is None:
        found, way = f"nothing runs in {paths.root}", "go on with it by: tuner resume"
        if is_done:
            found, way = f"that in {paths.root} is done", "see what it found by: tuner best"
        raise ResultsError(f"only a search that runs can be told to {asked}, but {found}; {way} {paths.root}")
    return holder


class _Tail:
    """The whole lines that a file has got since it was last looked at, as objects."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._path, self._offset = path, offset

    def lines(self) -> Iterator[dict[str, Any]]:
        try:
            if os.path.getsize(self._path) <= self._offset:
                return
            with self._path.open("rb") as file:
                file.seek(self._offset)
                whole = file.read().rpartition(b"\n")[0]
        except FileNotFoundError:
            return
        self._offset += len(whole) + bool(whole)
        for text in whole.split(b"\n"):
            with suppress(ValueError, RecursionError):
                line = json.loads(text)
                if isinstance(line, dict):
                    yield line


def command_of(line: Mapping[str, Any]) -> Command:
    """From its line; raises KeyError, TypeError or ValueError where the line is none."""
    key, name, trial = line["key"], line["name"], line.get("trial")
    if not isinstance(key, str) or not isinstance(name, str) or not isinstance(trial, int | None):
        raise TypeError(line)
    return Command(name, trial, dict(line.get("params") or {}), key)
