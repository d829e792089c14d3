"""Writing that a crash cannot tear, and reading that tolerates what one left.

`atomic_write` is seen whole or not at all; a line of `append_line` may be cut by a crash or a full disk, the
next one then starts a line of its own, and `read_lines` leaves the cut one out.
"""

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tuner.errors import TunerError

LOCK_POLL_S = 0.05


def atomic_write(path: Path, content: str | bytes) -> None:
    """Writes to a temporary name beside `path`, fsyncs, and renames; makes the folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def atomic_write_json(path: Path, content: Any) -> None:
    atomic_write(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def append_line(path: Path, mapping: Mapping[str, Any]) -> None:
    """Adds one JSON object as a line, in a single write; several writers do not mix their lines."""
    line = json.dumps(mapping, ensure_ascii=False).encode() + b"\n"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, b"\n" + line if _ends_torn(descriptor) else line)
    finally:
        os.close(descriptor)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file that `append_line` wrote, without torn lines; none when there is no file."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line in file:
            # A torn line lacks its closing brace, so it is no JSON; nothing else can stand there.
            with suppress(ValueError):
                yield json.loads(line)


@contextmanager
def holding(path: Path, patience_s: float) -> Iterator[None]:
    """Holds the lock file `path`, which stays; the operating system lets go of it when the process dies.

    Raises:
        TunerError: another process still holds it after `patience_s`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(descriptor, path, time.monotonic() + patience_s)
        try:
            yield
        finally:
            # Closing alone would leave it to processes that were forked meanwhile.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path, ends_s: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > ends_s:
                raise TunerError(
                    f"one process at a time may work on {path.parent}, but another one holds {path.name}; "
                    f"end it, or wait for it."
                ) from error
            time.sleep(LOCK_POLL_S)


def _ends_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
