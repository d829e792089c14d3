"""What all sources that read a file share."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tuner.data.table import AnyArray
from tuner.errors import DataError
from tuner.spec.sections import ParallelSplits, Source, SplitFiles, TableFiles

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


def expand(path: str) -> list[Path]:
    """The file at `path`, or those that match it as a pattern, in alphabetical order; DataError for none."""
    if Path(path).exists() or not glob.has_magic(path):
        return [Path(path)]
    found = sorted(Path(name) for name in glob.glob(path, recursive=True) if Path(name).is_file())
    if not found:
        raise DataError(f"a pattern must match files, but none matches {path}; correct data.source.path")
    return found


def split_paths(path: str | SplitFiles) -> list[tuple[str | None, Path]]:
    """As `split_files`, of a source with one path a split."""
    if isinstance(path, str):
        return [(None, Path(path))]
    return [(part, Path(each)) for part, each in path.model_dump(exclude_none=True).items()]


def check_splits_differ(source: Source) -> None:
    """DataError where a file, or a folder, is given for two splits."""
    first: dict[Path, str | None] = {}
    for part, file in _files_of_splits(getattr(source, "path", None)):
        other = first.setdefault(file.resolve(), part)
        if other != part:
            raise DataError(
                f"every split must have rows of its own, but {file} is given for {other} and {part}; name "
                "another one, or leave test out"
            )


def _files_of_splits(path: object) -> list[tuple[str | None, Path]]:
    """All that is given split by split, with its split."""
    match path:
        case TableFiles():
            return split_files(path)
        case SplitFiles():
            return split_paths(path)
        case ParallelSplits():
            parts = path.model_dump(exclude_none=True)
            return [(part, Path(file)) for part, sides in parts.items() for file in sides.values()]
    return []


def split_files(files: str | list[str] | TableFiles) -> list[tuple[str | None, Path]]:
    """Each file with its split, or None where `data.split` decides; in the order in which they are read."""
    if not isinstance(files, TableFiles):
        return [(None, path) for path in listed(files)]
    parts = files.model_dump(exclude_none=True)
    return [(part, path) for part, each in parts.items() for path in listed(each)]


def parts_of(files: Sequence[tuple[str | None, Path]], lengths: Sequence[int]) -> AnyArray | None:
    """[rows]: the split of each, of files with so many rows; None where `data.split` decides."""
    return None if files[0][0] is None else np.repeat([str(part) for part, _ in files], lengths)


def broken_line(path: Path) -> str:
    """The first line of `path` that is no UTF-8, as a part of a sentence."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return f"line {number} is no UTF-8"
    return "it is no UTF-8"


def listed(files: str | list[str]) -> list[Path]:
    """The files of a path, or of several, in the order in which they are read."""
    return [path for each in ([files] if isinstance(files, str) else files) for path in expand(each)]
