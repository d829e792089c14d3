"""New rows for an exported model: read from a file, checked against what the model was trained on.

Recordings are a .wav file, or the .wav files of a folder.
A table (.csv, .tsv, .jsonl, .parquet) is read by the names of the columns (others, such as the label, are
ignored); .npz and .npy hold an array of rows in the training data's own units; a model of image files reads
an image, or all images below a folder. `preprocess` then does what training did. Every row gets a prediction,
so a row that cannot be used is an error here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuner.data import audio, clean, fill, images
from tuner.data.columns import Columns, StoredColumns, columns_of, no_texts, rows_of
from tuner.data.manifest import Column, Manifest
from tuner.data.rows import missing_value
from tuner.data.sources import image_folder
from tuner.data.sources.audio_files import wav_files
from tuner.data.sources.files import check_file
from tuner.data.sources.npz_file import load_arrays, numeric_features, take
from tuner.data.sources.table_files import TableFile, fault, numbers_of, read_file, texts_of
from tuner.data.sources.text_files import read_texts
from tuner.data.table import AnyArray, FloatArray
from tuner.data.text import check_texts
from tuner.errors import DataError
from tuner.spec.sections import AudioSpec

_TABLES = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
_ARRAYS = (".npz", ".npy")
_PAIRS = tuple(_TABLES)
_TEXTS = (".txt", *_TABLES)
_RECORDINGS = (".wav",)


def read_inputs(path: Path, manifest: Manifest) -> AnyArray:
    """Raw rows, as `preprocess` takes them; DataError when they are not what the model takes."""
    _check_kind(path, manifest)
    if manifest.tokenizer is not None:
        return _read_texts(path, manifest)
    if manifest.audio is not None:
        return audio.read_new(path, AudioSpec.model_validate(manifest.audio))
    if path.is_dir() or _suffix(path) in images.SUFFIXES:
        return _read_image_files(path, manifest)
    if manifest.feature_names is None:
        features = _read_numpy(path, manifest)
        clean.check_finite(features, None)
        return features
    recipe = manifest.columns or tuple(Column(name=name) for name in manifest.feature_names)
    columns = _read_columns(path, recipe, manifest)
    _check(columns, recipe)
    return rows_of(columns)


def input_names(path: Path, manifest: Manifest) -> list[str] | None:
    """A name for each row of `read_inputs`: its file, as seen from the folder; None: rows have numbers."""
    if not path.is_dir():
        return [path.name] if _suffix(path) in (*_RECORDINGS, *images.SUFFIXES) else None
    files = image_folder.files_below(path) if manifest.audio is None else wav_files(path)
    return [str(file.relative_to(path)) for file in files]


@dataclass(frozen=True)
class _Kind:
    """What a model takes."""

    model: str
    suffixes: tuple[str, ...]
    is_of_folders: bool = False


def _kind_of(manifest: Manifest) -> _Kind:
    if manifest.tokenizer is not None:
        is_pair = isinstance(text_columns(manifest), list)
        return _Kind("pairs of texts", _PAIRS) if is_pair else _Kind("texts", _TEXTS)
    if manifest.audio is not None:
        return _Kind("recordings", _RECORDINGS, is_of_folders=True)
    if manifest.source["type"] == "image_folder":
        return _Kind("images", (*images.SUFFIXES, *_ARRAYS), is_of_folders=True)
    if manifest.feature_names is None:
        return _Kind("images in arrays", _ARRAYS)
    if any(column.categories is not None for column in manifest.columns or ()):
        return _Kind("tables with text", tuple(_TABLES))
    return _Kind("tables", (*_TABLES, *_ARRAYS))


def input_suffixes(manifest: Manifest) -> tuple[str, ...]:
    """Of the files that `read_inputs` takes."""
    return _kind_of(manifest).suffixes


def _check_kind(path: Path, manifest: Manifest) -> None:
    """DataError unless something is at `path`, of a kind that the model takes."""
    if not path.exists():
        raise DataError(f"inputs must be read from a file, but at {path} nothing is there; correct the path")
    kind = _kind_of(manifest)
    if path.is_dir() and kind.is_of_folders:
        return
    if path.is_dir() or _suffix(path) not in kind.suffixes:
        takes = ", ".join(kind.suffixes) + (", or a folder of such" if kind.is_of_folders else "")
        found, fix = ("the folder ", "name a file") if path.is_dir() else ("", "convert it")
        raise DataError(
            f"a model of {kind.model} takes a file ending in {takes}, but found {found}{path}; {fix}"
        )
    check_file(path)


def _suffix(path: Path) -> str:
    """In small letters, as its kind is known by."""
    return path.suffix.lower()


def _read_image_files(path: Path, manifest: Manifest) -> AnyArray:
    """Bytes, resized to what the model takes."""
    files = image_folder.files_below(path) if path.is_dir() else [path]
    if not files:
        raise DataError(f"inputs must have an image, but the folder {path} has no file; give one with images")
    channels, height, width = manifest.input_shape
    rows, wrong = images.decode_files(files, "grey" if channels == 1 else "rgb", (height, width))
    if wrong:
        raise DataError(wrong[min(wrong)])
    return rows


def _read_texts(path: Path, manifest: Manifest) -> AnyArray:
    column = text_columns(manifest)
    texts = read_texts(path, column, "\t" if _suffix(path) == ".tsv" else _csv_delimiter(manifest))
    check_texts(texts)
    return texts


def text_columns(manifest: Manifest) -> str | list[str]:
    """Of a table of new texts: one, or two of pairs."""
    is_table_of_pairs = manifest.source["type"] == "parallel_table"
    columns: str | list[str] = (
        manifest.source["source"] if is_table_of_pairs else manifest.source.get("text", "text")
    )
    return columns


def _csv_delimiter(manifest: Manifest) -> str:
    """Of the training file; a comma where that was separated by tabs, or was no table."""
    delimiter = manifest.source.get("delimiter")
    return "," if delimiter in (None, "\t") else str(delimiter)


def _read_columns(path: Path, recipe: tuple[Column, ...], manifest: Manifest) -> Columns:
    if _suffix(path) in _ARRAYS:
        return columns_of(_read_numpy(path, manifest), recipe)
    text_names = tuple(column.name for column in recipe if column.categories is not None)
    delimiter = "\t" if _suffix(path) == ".tsv" else str(manifest.source.get("delimiter", ","))
    file = read_file(path, _TABLES[_suffix(path)], delimiter, text=text_names)
    names = tuple(column.name for column in recipe)
    numbers = [_numbers(file, column.name) for column in recipe if column.categories is None]
    texts = [texts_of(file, name) for name in text_names]
    num_rows = len(file.frame)
    return Columns(
        names,
        text_names,
        np.stack(numbers, axis=1) if numbers else np.empty((num_rows, 0), dtype=np.float32),
        np.stack(texts, axis=1) if texts else no_texts(num_rows),
    )


def _numbers(file: TableFile, name: str) -> FloatArray:
    values, others = numbers_of(file, name)
    if others.any():
        raise DataError(fault(file, name, int(np.flatnonzero(others)[0])))
    return values


def _check(columns: Columns, recipe: tuple[Column, ...]) -> None:
    """DataError for an infinite number, or for something missing that the training rows had no gaps for."""
    clean.check_finite(np.nan_to_num(columns.numbers, posinf=np.inf, neginf=-np.inf), columns.number_names)
    if all(column.fill is not None for column in recipe):
        return
    gaps = fill.has_gaps(StoredColumns(columns, np.arange(len(columns.numbers))))
    if gaps.any():
        row = int(np.flatnonzero(gaps)[0])
        raise missing_value(columns, row, f"row {row + 1} (the first one is 1)")


def _read_numpy(path: Path, manifest: Manifest) -> FloatArray:
    arrays = load_arrays(path)
    key = str(manifest.source.get("features", "x")) if manifest.source["type"] == "npz" else "x"
    values = next(iter(arrays.values())) if len(arrays) == 1 else take(arrays, key, path)
    features = numeric_features(values, path)
    if math.prod(features.shape[1:]) != math.prod(manifest.input_shape):
        raise DataError(
            f"inputs must have the shape (rows, {', '.join(map(str, manifest.input_shape))}), but {path} has "
            f"{features.shape}; give what the model was trained on"
        )
    return features.reshape(-1, *manifest.input_shape)
