"""Parts of a large file, which can be read one without the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

PART_BYTES = 1 << 22
"""Of a file; a part in memory takes some times as many."""


@dataclass(frozen=True)
class Part:
    """Lines, or row groups of a Parquet file."""

    start: int
    """The first byte, or row group."""
    end: int
    """The one after the last."""
    first_row: int
    """Rows of the file before it."""
    first_line: int = 0
    """Lines before it, if it is one of lines."""

    def read(self, path: Path) -> bytes:
        with path.open("rb") as file:
            file.seek(self.start)
            return file.read(self.end - self.start)


def parts_of_lines(
    path: Path, part_bytes: int, *, without: bytes | None = None, empty: bytes | None = None
) -> list[Part]:
    """Whole lines, so many bytes and the rest of the last line each; none where `without` is found in one.

    A line of nothing but the bytes of `empty`, white space, is no row.
    """
    parts: list[Part] = []
    start = row = line = 0
    for lines in _blocks_of_lines(path, part_bytes):
        if without is not None and without in lines:
            return []
        if parts and not lines.strip(empty):  # empty lines are no part of their own
            parts[-1] = replace(parts[-1], end=start + len(lines))
        else:
            parts.append(Part(start, start + len(lines), row, line))
        start += len(lines)
        row += sum(1 for each in lines.split(b"\n") if each.strip(empty))
        line += lines.count(b"\n")
    return parts


def _blocks_of_lines(path: Path, part_bytes: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while lines := file.read(part_bytes):
            yield lines + file.readline()
