"""Folders that are whole or absent: written to a temporary name, checksummed, fsynced and renamed.

They are written one process at a time, under a lock (`tuner.data.lock`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tuner.data.scratch import Rows, save_rows
from tuner.data.sources.files import content_sha256
from tuner.data.table import AnyArray

_TEMPORARY = "tmp-"
_SUMS = "sha256sums"


def make_sealed(path: Path, fill: Callable[[Path], None]) -> None:
    """The folder `path`, of which `fill` writes the files; nothing is left of it when that raises."""
    temporary = path.with_name(_TEMPORARY + path.name)
    temporary.mkdir()
    try:
        fill(temporary)
        write_bytes(temporary / _SUMS, _sums(temporary))
        _sync_folder(temporary)
        temporary.rename(path)
        _sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def is_sealed(path: Path) -> bool:
    """Whether every file is there, as it was written; reads them all."""
    try:
        return (path / _SUMS).read_bytes() == _sums(path)
    except OSError:
        return False


def write_array(path: Path, values: AnyArray | Rows) -> None:
    with path.open("wb") as file:
        if isinstance(values, Rows):
            save_rows(file, values)
        else:
            np.save(file, values, allow_pickle=False)
        os.fsync(file.fileno())


def write_bytes(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        os.fsync(file.fileno())


def remove_leftovers(folder: Path) -> None:
    """Removes what a killed process left half written; the lock says that nobody writes now."""
    for leftover in folder.glob(_TEMPORARY + "*"):
        remove(leftover)


def remove(path: Path) -> None:
    """Removes what is at `path`, if anything; of a link only the link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sums(folder: Path) -> bytes:
    """The checksums of all files, as `sha256sum` writes them."""
    files = sorted(file for file in folder.iterdir() if file.name != _SUMS)
    return "".join(f"{content_sha256(file)}  {file.name}\n" for file in files).encode()


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
