"""A NumPy .npz file with one array of features and one of labels, a row each.

Features are tables [rows, features] or images [rows, height, width] or [rows, channels, height, width].
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tuner.data.sources.files import reason
from tuner.data.table import AnyArray, FloatArray, Table, to_float32
from tuner.errors import DataError
from tuner.spec.sections import NpzSource

_BEGINNINGS = (b"PK", b"\x93NUMPY")
"""Of .npz and .npy; numpy takes all else for a pickle, and says how one is loaded."""


def read(source: NpzSource) -> Table:
    """Read both arrays; DataError for a missing key, for shapes that do not fit, or for no rows."""
    path = Path(source.path)
    arrays = load_arrays(path)
    features = numeric_features(take(arrays, source.features, path), path)
    targets = take(arrays, source.labels, path)
    if targets.shape != features.shape[:1]:
        raise DataError(
            f"labels must be one a row, but {path} has features of shape {features.shape} and "
            f"labels of shape {targets.shape}; give labels of shape ({len(features)},)"
        )
    return Table(features, targets)


def load_arrays(path: Path) -> dict[str, AnyArray]:
    """All arrays of a .npz file by key, or the one of a .npy file under the key ''."""
    try:
        with path.open("rb") as file:
            if not file.peek(6).startswith(_BEGINNINGS):
                raise ValueError("it is neither .npz nor .npy")
            content = np.load(file, allow_pickle=False)
            return dict(content) if isinstance(content, Mapping) else {"": content}
    except Exception as error:
        # What numpy and zipfile raise for a damaged file depends on the place of the damage.
        raise DataError(
            f"data must be readable by numpy without pickle, but {path} is not: {reason(error)}; "
            "save it with numpy.savez, as arrays of numbers and of text, not of objects"
        ) from error


def take(arrays: Mapping[str, AnyArray], key: str, path: Path) -> AnyArray:
    """The array under `key`; DataError lists the keys that are there."""
    if key not in arrays:
        keys = ", ".join(f"'{name}'" for name in arrays) or "none"
        raise DataError(f"the file must have the array '{key}', but {path} has {keys}; correct the key")
    return arrays[key]


def numeric_features(values: AnyArray, path: Path) -> FloatArray:
    """Features as float32; DataError unless they are numbers of two to four dims and at least one row."""
    if values.dtype.kind not in "biuf":
        raise DataError(
            f"features must be numbers, but those of {path} have the type {values.dtype}; "
            "save them as float32"
        )
    if not 2 <= values.ndim <= 4 or values.size == 0:
        raise DataError(
            f"features must have two to four dims and no empty one, but those of {path} have the shape "
            f"{values.shape}; give (rows, features) or (rows, channels, height, width)"
        )
    return to_float32(values)
