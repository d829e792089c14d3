"""What all sources that read a file share."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tuner.errors import DataError

_BLOCK_BYTES = 1 << 20


def check_file(path: Path) -> None:
    """DataError unless `path` is a file with something in it."""
    if not path.is_file():
        found = "a folder is there" if path.is_dir() else "nothing is there"
        raise DataError(f"data must be read from a file, but at {path} {found}; correct the path")
    if path.stat().st_size == 0:
        raise DataError(f"data must have rows, but the file {path} is empty; give a file with data")


def content_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def reason(error: Exception) -> str:
    """A library's message as a part of our sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
