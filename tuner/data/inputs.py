"""New rows for an exported model: read from a file, checked against what the model was trained on.

Recordings are a .wav file, or the .wav files of a folder.
A table (.csv, .tsv, .jsonl, .parquet) is read by the names of the columns (others, such as the label, are
ignored); .npz and .npy hold an array of rows in the training data's own units; a model of image files reads
an image, or all images below a folder. `preprocess` then does what training did. Every row gets a prediction,
so a row that cannot be used is an error here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tuner.data import audio, clean, fill, images
from tuner.data.columns import Columns, columns_of, no_texts, rows_of
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

_KINDS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
_SUFFIXES = (*_KINDS, ".npz", ".npy")
_IMAGE_FOLDER = "image_folder"
_TABLE_SUFFIXES: tuple[str, ...] = (".tsv", ".csv")
_TEXT_SUFFIXES = (".txt", *_TABLE_SUFFIXES)


def read_inputs(path: Path, manifest: Manifest) -> AnyArray:
    """Raw rows, as `preprocess` takes them; DataError when they are not what the model takes."""
    if manifest.tokenizer is not None:
        return _read_texts(path, manifest)
    if manifest.audio is not None:
        return _read_recordings(path, manifest.audio)
    if manifest.source["type"] == _IMAGE_FOLDER and (path.is_dir() or path.suffix.lower() in images.SUFFIXES):
        return _read_image_files(path, manifest)
    if path.suffix not in _SUFFIXES:
        raise DataError(
            f"inputs must be a file ending in {', '.join(_SUFFIXES)}, but found {path}; convert it"
        )
    check_file(path)
    if manifest.feature_names is None:
        features = _read_images(path, manifest)
        clean.check_finite(features, None)
        return features
    recipe = manifest.columns or tuple(Column(name=name) for name in manifest.feature_names)
    columns = _read_columns(path, recipe, manifest)
    _check(columns, recipe)
    return rows_of(columns)


def input_names(path: Path, manifest: Manifest) -> list[str] | None:
    """A name for each row of `read_inputs`: its file, in a folder of such; None: rows have numbers."""
    if not path.is_dir():
        return None
    if manifest.audio is not None:
        return [str(file.relative_to(path)) for file in wav_files(path)]
    if manifest.source["type"] == _IMAGE_FOLDER:
        return [str(file.relative_to(path)) for file in image_folder.files_below(path)]
    return None


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
    is_table_of_pairs = manifest.source["type"] == "parallel_table"
    column = manifest.source["source"] if is_table_of_pairs else manifest.source.get("text", "text")
    is_pair = not isinstance(column, str)
    suffixes = _TABLE_SUFFIXES if is_pair else _TEXT_SUFFIXES
    if path.suffix not in suffixes:
        kind = "pairs of texts" if is_pair else "texts"
        raise DataError(
            f"{kind} must be a file ending in {', '.join(suffixes)}, but found {path}; convert it"
        )
    check_file(path)
    texts = read_texts(path, column, "\t" if path.suffix == ".tsv" else _csv_delimiter(manifest))
    check_texts(texts)
    return texts


def _read_recordings(path: Path, recipe: Mapping[str, Any]) -> FloatArray:
    if not path.is_dir():
        if path.suffix.lower() != ".wav":
            raise DataError(
                f"recordings must be a file ending in .wav or a folder of such, but found {path}; convert it"
            )
        check_file(path)
    return audio.read_new(path, AudioSpec.model_validate(recipe))


def _csv_delimiter(manifest: Manifest) -> str:
    """Of the training file; a comma where that was separated by tabs, or was no table."""
    delimiter = str(manifest.source.get("delimiter", "\t"))
    return "," if delimiter == "\t" else delimiter


def _read_images(path: Path, manifest: Manifest) -> FloatArray:
    if path.suffix in _KINDS:
        raise DataError(
            f"a model of images takes .npz or .npy, but found {path}; save the images with numpy.save"
        )
    return _read_numpy(path, manifest)


def _read_columns(path: Path, recipe: tuple[Column, ...], manifest: Manifest) -> Columns:
    text_names = tuple(column.name for column in recipe if column.categories is not None)
    if path.suffix in _KINDS:
        return _of_table(path, recipe, text_names, manifest)
    if text_names:
        raise DataError(
            f"a model with columns of text takes .csv, .tsv, .jsonl or .parquet, but found {path}; save it so"
        )
    return columns_of(_read_numpy(path, manifest), recipe)


def _of_table(
    path: Path, recipe: tuple[Column, ...], text_names: tuple[str, ...], manifest: Manifest
) -> Columns:
    delimiter = "\t" if path.suffix == ".tsv" else str(manifest.source.get("delimiter", ","))
    file = read_file(path, _KINDS[path.suffix], delimiter, text=text_names)
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
    gaps = fill.has_gaps(columns)
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
