"""Texts and their translations: two columns of a table, or the lines of two files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tuner.data.origins import Origins
from tuner.data.sources.files import split_paths
from tuner.data.sources.text_files import check_columns, read_frame, read_lines
from tuner.data.table import AnyArray, Table
from tuner.errors import DataError
from tuner.spec.sections import ParallelFiles, ParallelTableSource, ParallelTextSource

Sides = tuple[AnyArray, AnyArray]
"""Texts and translations, objects [rows]."""


def read_table(source: ParallelTableSource) -> Table:
    """All rows of the table, or of one table a split; DataError where a column is missing."""
    files = split_paths(source.path)
    return _joined([(part, str(path), _columns(path, source)) for part, path in files])


def read_files(source: ParallelTextSource) -> Table:
    """All lines of both files, or of two files a split; DataError where one has more than the other."""
    if isinstance(source.path, ParallelFiles):
        parts: list[tuple[str | None, ParallelFiles]] = [(None, source.path)]
    else:
        given = {name: getattr(source.path, name) for name in type(source.path).model_fields}
        parts = [(name, files) for name, files in given.items() if files is not None]
    return _joined([(part, f"{files.source} and {files.target}", _lines(files)) for part, files in parts])


def _columns(path: Path, source: ParallelTableSource) -> Sides:
    frame = read_frame(path, source.columns, source.delimiter)
    check_columns(frame, path, source.columns, [source.source, source.target])
    return frame[source.source].to_numpy(dtype=object), frame[source.target].to_numpy(dtype=object)


def _lines(files: ParallelFiles) -> Sides:
    texts, translations = read_lines(Path(files.source)), read_lines(Path(files.target))
    if len(texts) != len(translations):
        raise DataError(
            f"each line must have its translation, but {files.source} has {len(texts)} lines and "
            f"{files.target} has {len(translations)}; correct them"
        )
    return texts, translations


def _joined(parts: Sequence[tuple[str | None, str, Sides]]) -> Table:
    """Of each split, or under None of all rows, the name of its files and what is in them."""
    names, files, sides = zip(*parts, strict=True)
    texts, translations = zip(*sides, strict=True)
    lengths = [len(each) for each in texts]
    return Table(
        np.concatenate(texts),
        np.concatenate(translations),
        parts=None if names[0] is None else np.repeat(names, lengths),
        origins=Origins.of_files(files, lengths),
    )
