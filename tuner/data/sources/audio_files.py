"""Recordings in files: which ones, and what their names or a table say of each.

`read` opens no recording: the rows of its table are paths, in the order of the names or of the table.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuner.data.origins import Origins
from tuner.data.pool import in_order
from tuner.data.sources import csv_file
from tuner.data.sources.files import check_file, content_sha256, split_files
from tuner.data.sources.table_files import missing_column
from tuner.data.table import AnyArray, Faults, Table
from tuner.errors import DataError
from tuner.spec.sections import AudioSource, pattern_parts

_SUFFIX = ".wav"
_FIX = "correct it, or drop such files with data.clean.invalid"


@dataclass(frozen=True)
class Recording:
    """A file, and what is known of it without opening it."""

    split: str | None
    path: Path
    label: str | None
    """None where it cannot be told."""
    attributes: Mapping[str, str | None]
    """By the name of the pattern's part or of the table's column."""


def read(source: AudioSource) -> Table:
    """A row a file: features are objects [rows], the paths; DataError where there are no files."""
    recordings = _recordings(source)
    labels = _objects([recording.label for recording in recordings])
    names = dict.fromkeys(name for recording in recordings for name in recording.attributes)
    files = [str(recording.path) for recording in recordings]
    return Table(
        features=_objects(files),
        targets=labels,
        parts=None if recordings[0].split is None else _objects([each.split for each in recordings]),
        attributes={name: _objects([each.attributes.get(name) for each in recordings]) for name in names},
        origins=Origins.of_whole_files(files),
        faults=_without_label(labels, files, source),
    )


def identity(source: AudioSource) -> list[list[Any]]:
    """Of each recording its split, what is known of it, and the hash of its content."""
    recordings = _recordings(source)
    hashes = in_order(_content_sha256, [recording.path for recording in recordings])
    return [
        [recording.split, recording.label, dict(recording.attributes), sha256]
        for recording, sha256 in zip(recordings, hashes, strict=True)
    ]


def wav_files(path: Path) -> list[Path]:
    """`path` itself, or the .wav files of the folder and those below it, in order; DataError for none."""
    if not path.is_dir():
        return [path]
    found = sorted(
        Path(folder, name)
        for folder, folders, names in os.walk(path, onerror=_refuse)
        for name in names
        if name.lower().endswith(_SUFFIX) and not name.startswith(".")
    )
    if not found:
        raise DataError(f"a folder of recordings must hold .wav files, but {path} has none; correct the path")
    return found


def _refuse(error: OSError) -> None:
    raise DataError(
        f"a folder of recordings must be readable, but {error.filename} is not: {error.strerror}; correct it"
    ) from error


def _recordings(source: AudioSource) -> list[Recording]:
    listed = split_files(source.path)
    if source.is_table:
        return [recording for split, path in listed for recording in _of_table(split, path, source)]
    files = [(split, file) for split, path in listed for file in wav_files(path)]
    return [_of_name(split, file, source) for split, file in files]


def _of_name(split: str | None, path: Path, source: AudioSource) -> Recording:
    if source.pattern is None:
        return Recording(split, path, path.absolute().parent.name, {})
    match = _regex(source.pattern).fullmatch(path.stem)
    parts = {} if match is None else match.groupdict()
    return Recording(split, path, parts.pop("label", None), parts)


def _regex(pattern: str) -> re.Pattern[str]:
    """A part goes on to the next character of the pattern, the last one to the end."""
    (first, *literals), names = pattern_parts(pattern)
    parts = (
        f"(?P<{name}>{f'[^{re.escape(text[0])}]' if text else '.'}+){re.escape(text)}"
        for name, text in zip(names, literals, strict=True)
    )
    return re.compile(re.escape(first) + "".join(parts), re.DOTALL)


def _of_table(split: str | None, path: Path, source: AudioSource) -> list[Recording]:
    check_file(path)
    columns = csv_file.read_frame(path, ",").columns
    for name in (source.file, source.label):
        if name not in columns:
            raise missing_column(path, name, list(columns))
    frame = csv_file.read_frame(path, ",", text=columns).astype(object)
    rows = frame.where(frame.notna(), None).to_dict("records")
    missing = [number for number, row in enumerate(rows, start=1) if row[source.file] is None]
    if missing:
        raise DataError(
            f"a table of recordings must name a file in each row, but {path} has none in row {missing[0]} "
            f"(the first one is 1); fill in column '{source.file}'"
        )
    return [Recording(split, path.parent / row.pop(source.file), row.pop(source.label), row) for row in rows]


def _content_sha256(path: Path) -> str:
    """Of an empty file too: whether that is a fault, the cleaning decides."""
    if not path.is_file():
        found = "a folder is there" if path.is_dir() else "nothing is there"
        raise DataError(f"a recording must be a file, but at {path} {found}; correct the path")
    try:
        return content_sha256(path)
    except OSError as error:
        raise DataError(
            f"a recording must be readable, but {path} is not: {error.strerror}; correct it"
        ) from error


def _without_label(labels: AnyArray, files: list[str], source: AudioSource) -> tuple[Faults, ...]:
    rows = np.flatnonzero(pd.isna(labels))
    if not len(rows):
        return ()
    rule = (
        "a table must have a label for each recording"
        if source.is_table
        else f"a file's name must match data.source.pattern = '{source.pattern}'"
    )
    found = "has none" if source.is_table else "does not"
    return (Faults("label_missing", rows, f"{rule}, but {files[rows[0]]} {found}; {_FIX}"),)


def _objects(values: list[Any]) -> AnyArray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
