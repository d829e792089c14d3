"""A file that one process at a time holds, and that says who.

The operating system lets go of it (`flock`) when the process ends, however it ends: what is written in the
file only informs. The file stays where it is: were it removed, two processes could hold two files of one
name.
"""

import fcntl
import json
import os
import socket
import time
from datetime import datetime
from pathlib import Path

from tuner.errors import ResultsError

POLL_S = 0.1
LOOK_S = 0.5
"""Whoever only looks at a lock (`holder_of`) has it for a moment too: that must keep nobody from his work."""


class Lock:
    """Held from `hold` until `release`, or until this process ends. Programs that it starts do not inherit
    it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Lets go of the file; does nothing the second time."""
        if self._descriptor is not None:
            # Closing alone would leave it to processes that were forked meanwhile.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = None


def hold(path: Path, *, rule: str, fix: str, wait_s: float = 0.0) -> Lock:
    """Takes the lock at `path`, in whose folder this process alone is at work from now on.

    Args:
        rule, fix: first and last part of the error's sentence.
        wait_s: for so long a holder is given time to end; half a second at least.

    Raises:
        ResultsError: somebody else holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    until = time.monotonic() + max(wait_s, LOOK_S)
    while not _try_to_take(descriptor):
        if time.monotonic() >= until:
            holder = _read_holder(descriptor)
            os.close(descriptor)
            raise ResultsError(f"{rule}, but {path.parent} is being run by {holder}; {fix}.")
        time.sleep(POLL_S)
    _write_holder(descriptor)
    return Lock(descriptor)


def holder_of(path: Path) -> str | None:
    """Who holds the lock at `path`, in words; None where nobody does."""
    if not path.is_file():
        return None
    descriptor = os.open(path, os.O_RDONLY)
    try:
        # Shared, because NFS lets nobody hold alone what is open for reading.
        is_free = _try_to_take(descriptor, fcntl.LOCK_SH)
        return None if is_free else _read_holder(descriptor)
    finally:
        os.close(descriptor)


def _try_to_take(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_holder(descriptor: int) -> None:
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _read_holder(descriptor: int) -> str:
    text = os.pread(descriptor, 4096, 0)
    try:
        holder = json.loads(text)
    except json.JSONDecodeError:  # Taken a moment ago: not written yet.
        return "another process"
    return f"process {holder['pid']} on host {holder['host']} since {holder['since']}"
