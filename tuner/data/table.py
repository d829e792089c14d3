"""`Table`: what a source hands out, before the task, the split and the standardisation touch it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
AnyArray = NDArray[Any]


@dataclass(frozen=True)
class Table:
    """All rows of a source, in memory, in the source's own order."""

    features: AnyArray
    """Float32 [rows, features], images [rows, height, width] or [rows, channels, height, width].

    Texts are objects [rows].
    """
    targets: AnyArray
    """[rows]: numbers or text; the index into `class_names` where those are given."""
    feature_names: tuple[str, ...] | None = None
    """One name a column of a table; None for images and for tables without names."""
    class_names: tuple[str, ...] | None = None
    """The classes in the source's own order, where the source knows them."""
    parts: AnyArray | None = None
    """[rows]: "train", "val" or "test", where the source says it itself."""


def to_float32(values: AnyArray) -> FloatArray:
    """Cast to contiguous float32; what does not fit becomes infinite, which `check_finite` reports."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)
