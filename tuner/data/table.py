"""`Table`: what a source hands out, before the task, the split and the standardisation touch it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.origins import Origins

FloatArray = NDArray[np.float32]
AnyArray = NDArray[Any]


@dataclass(frozen=True)
class Faults:
    """Rows that cannot be used, for one reason."""

    reason: str
    """Under which they are counted where they are dropped."""
    rows: NDArray[np.int64]
    """Ascending; at least one."""
    message: str
    """The error about the first one."""


@dataclass(frozen=True)
class Table:
    """All rows of a source, in memory, in the source's own order."""

    features: AnyArray
    """Float32 [rows, features], images [rows, height, width] or [rows, channels, height, width].

    NaN is missing. Of a table with `text_names` only its columns of numbers. Texts are objects [rows], and so
    are recordings: the paths of their files.
    """
    targets: AnyArray
    """[rows]: numbers or text, NaN or None where missing; the index into `class_names` where those are given.
    """
    feature_names: tuple[str, ...] | None = None
    """One name a column of a table, those of text too; None for images and for tables without names."""
    class_names: tuple[str, ...] | None = None
    """The classes in the source's own order, where the source knows them."""
    parts: AnyArray | None = None
    """[rows]: "train", "val" or "test", where the source says it itself."""
    text_names: tuple[str, ...] = ()
    """The columns of a table that hold text."""
    texts: AnyArray | None = None
    """Objects [rows, text_names]: text, or None where missing."""
    origins: Origins | None = None
    """Where the rows are in the files; None: the source is no table in files."""
    faults: tuple[Faults, ...] = ()
    """Rows with values that do not fit their column."""
    attributes: Mapping[str, AnyArray] = field(default_factory=dict)
    """What else the source knows of the rows, by name: objects [rows], text, or None where missing."""


def to_float32(values: AnyArray) -> FloatArray:
    """Cast to contiguous float32; what does not fit becomes infinite, which `check_finite` reports."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)
