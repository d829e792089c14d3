"""Texts and their translations: two columns of a table, or the lines of two files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tuner.data.sources.text_files import check_columns, read_frame, read_lines
from tuner.data.table import AnyArray, Table
from tuner.errors import DataError
from tuner.spec.sections import ParallelFiles, ParallelTableSource, ParallelTextSource

Sides = tuple[AnyArray, AnyArray]
"""Texts and translations, objects [rows]."""


def read_table(source: ParallelTableSource) -> Table:
    """All rows of the table, or of one table a split; DataError where a column is missing."""
    if isinstance(source.path, str):
        return Table(*_columns(Path(source.path), source))
    files = source.path.model_dump(exclude_none=True)
    return _joined({part: _columns(Path(path), source) for part, path in files.items()})


def read_files(source: ParallelTextSource) -> Table:
    """All lines of both files, or of two files a split; DataError where one has more than the other."""
    if isinstance(source.path, ParallelFiles):
        return Table(*_lines(source.path))
    parts = {name: getattr(source.path, name) for name in type(source.path).model_fields}
    return _joined({part: _lines(files) for part, files in parts.items() if files is not None})


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


def _joined(parts: Mapping[str, Sides]) -> Table:
    texts = np.concatenate([texts for texts, _ in parts.values()])
    translations = np.concatenate([translations for _, translations in parts.values()])
    names = np.repeat(list(parts), [len(texts) for texts, _ in parts.values()])
    return Table(texts, translations, parts=names)
