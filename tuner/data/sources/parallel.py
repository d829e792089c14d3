"""Texts and their translations: two columns of a table, or the lines of two files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tuner.data.sources import text_files
from tuner.data.sources.files import parts_of, split_files
from tuner.data.sources.table_files import texts_of
from tuner.data.table import AnyArray, Table
from tuner.errors import DataError
from tuner.spec.sections import ParallelFiles, ParallelTableSource, ParallelTextSource

Sides = tuple[AnyArray, AnyArray]
"""Texts and translations, objects [rows]."""


def read_table(source: ParallelTableSource) -> Table:
    """All rows of the files; DataError where a column is missing."""
    files = split_files(source.path)
    tables = [text_files.read_table(path, source, [source.source, source.target]) for _, path in files]
    texts, translations = (
        np.concatenate([texts_of(table, name) for table in tables]) for name in (source.source, source.target)
    )
    parts = parts_of(files, [len(table.frame) for table in tables])
    return Table(texts, translations, parts=parts)


def read_files(source: ParallelTextSource) -> Table:
    """All lines of both files, or of two files a split; DataError where one has more than the other."""
    if isinstance(source.path, ParallelFiles):
        return Table(*_lines(source.path))
    parts = {name: getattr(source.path, name) for name in type(source.path).model_fields}
    return _joined({part: _lines(files) for part, files in parts.items() if files is not None})


def _lines(files: ParallelFiles) -> Sides:
    texts, translations = text_files.read_lines(Path(files.source)), text_files.read_lines(Path(files.target))
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
