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
    """Rows of the file before it, as far as every line is one."""

    def read(self, path: Path) -> bytes:
        with path.open("rb") as file:
            file.seek(self.start)
            return file.read(self.end - self.start)


def parts_of_lines(path: Path, part_bytes: int, *, without: bytes | None = None) -> list[Part]:
    """Whole lines, so many bytes and the rest of the last line each; none where `without` is found in one."""
    parts: list[Part] = []
    start = row = 0
    for lines in _blocks_of_lines(path, part_bytes):
        if without is not None and without in lines:
            return []
        if parts and not lines.strip():  # empty lines are no part of their own
            parts[-1] = replace(parts[-1], end=start + len(lines))
        else:
            parts.append(Part(start, start + len(lines), row))
        start += len(lines)
        row += lines.count(b"\n")
    return parts


def _blocks_of_lines(path: Path, part_bytes: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while lines := file.read(part_bytes):
            yield lines + file.readline()
