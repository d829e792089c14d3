"""New rows for an exported model: read from a file, checked against what the model was trained on.

A CSV file is read by the names of the feature columns (others, such as the label, are ignored); .npz and .npy
hold an array of rows in the training data's own units. `preprocess` then does what training did.
"""

from __future__ import annotations

import math
from pathlib import Path

from tuner.data import clean
from tuner.data.manifest import Manifest
from tuner.data.sources.csv_file import feature_columns, read_frame
from tuner.data.sources.files import check_file
from tuner.data.sources.npz_file import load_arrays, numeric_features, take
from tuner.data.sources.text_files import read_texts
from tuner.data.table import AnyArray, FloatArray
from tuner.data.text import check_texts
from tuner.errors import DataError

_SUFFIXES = (".csv", ".npz", ".npy")
_TEXT_SUFFIXES = (".txt", ".tsv", ".csv")


def read_inputs(path: Path, manifest: Manifest) -> AnyArray:
    """Raw rows [rows, *input_shape], or texts [rows]; DataError when they are not what the model takes."""
    if manifest.tokenizer is not None:
        return _read_texts(path, manifest)
    if path.suffix not in _SUFFIXES:
        raise DataError(
            f"inputs must be a file ending in {', '.join(_SUFFIXES)}, but found {path}; convert it"
        )
    check_file(path)
    features = _read_csv(path, manifest) if path.suffix == ".csv" else _read_numpy(path, manifest)
    clean.check_finite(features, manifest.feature_names)
    return features


def _read_texts(path: Path, manifest: Manifest) -> AnyArray:
    if path.suffix not in _TEXT_SUFFIXES:
        raise DataError(
            f"texts must be a file ending in {', '.join(_TEXT_SUFFIXES)}, but found {path}; convert it"
        )
    check_file(path)
    column = str(manifest.source.get("text", "text"))
    texts = read_texts(path, column, "\t" if path.suffix == ".tsv" else _csv_delimiter(manifest))
    check_texts(texts)
    return texts


def _csv_delimiter(manifest: Manifest) -> str:
    """Of the training file; a comma where that was separated by tabs, or was no table."""
    delimiter = str(manifest.source.get("delimiter", "\t"))
    return "," if delimiter == "\t" else delimiter


def _read_csv(path: Path, manifest: Manifest) -> FloatArray:
    if manifest.feature_names is None:
        raise DataError(
            f"a model of images takes .npz or .npy, but found {path}; save the images with numpy.save"
        )
    frame = read_frame(path, str(manifest.source.get("delimiter", ",")))
    return feature_columns(frame, manifest.feature_names, path)


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
