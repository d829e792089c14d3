"""One process at a time in a folder, over a lock file that is gone afterwards.

The lock file is removed while it is held, so a waiter may wake up on a file that is no longer there: it looks
whether its file is still the one at the path, and tries again otherwise. A folder that is still empty then
(the work failed) is removed as well, and so are its parents as far as they were made for it.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NAME = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make `folder` and hold its lock; leaves nothing behind when the body raises before writing."""
    made = [folder, *(path for path in folder.parents if not path.exists())]
    descriptor = _acquire(folder / _NAME)
    try:
        yield
    finally:
        (folder / _NAME).unlink()
        _remove_empty(made)
        os.close(descriptor)


def _acquire(path: Path) -> int:
    while True:
        with suppress(FileNotFoundError):  # another process has just removed the folder or the file
            _make(path.parent)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if is_at(descriptor, path):
                return descriptor
            os.close(descriptor)


def _make(folder: Path) -> None:
    """`mkdir` of pathlib takes a folder that another process removes meanwhile for a file in its way."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        if not stat.S_ISDIR(folder.lstat().st_mode) and not folder.is_dir():
            raise


def is_at(descriptor: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _remove_empty(folders: list[Path]) -> None:
    with suppress(OSError):  # not empty
        for folder in folders:
            folder.rmdir()
