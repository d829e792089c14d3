"""Small files and specs for the data tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner.data import Store, prepare
from tuner.spec.sections import DataSpec

Prepare = Callable[..., Store]


@pytest.fixture
def csv_path(tmp_path: Path) -> Path:
    """40 rows of two features, a text label in two classes, and a folder name that quoting would break."""
    folder = tmp_path / "a folder with 'quotes'"
    folder.mkdir()
    lines = [f"{row}.5;{row % 7};{'yes' if row % 2 else 'no'}" for row in range(40)]
    path = folder / "rows.csv"
    path.write_text("\n".join(["first;second;answer", *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def npz_path(tmp_path: Path) -> Path:
    """40 grey images of 4 x 5 pixels in two classes."""
    pixels = np.random.default_rng(0).integers(0, 255, (40, 4, 5)).astype(np.uint8)
    path = tmp_path / "images.npz"
    np.savez(path, x=pixels, y=np.arange(40) % 2)
    return path


@pytest.fixture
def prepared(tmp_path: Path) -> Prepare:
    """prepared(source mapping, task, **other data fields) -> Store, under a fresh root."""

    def call(source: dict[str, Any], task: str = "tabular_classification", **fields: Any) -> Store:
        spec = DataSpec.model_validate({"source": source, **fields})
        return prepare(spec, task, tmp_path / "results" / "store")

    return call
