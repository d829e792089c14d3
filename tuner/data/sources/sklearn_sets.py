"""The small real data sets that come inside scikit-learn: no download, values as scikit-learn has them.

Digits are images of shape (1, 8, 8) with values 0..16; the others are tables. Diabetes is read unscaled
(age in years, ...), because scikit-learn's scaled form was fitted on all rows, the held-out ones included.
"""

from __future__ import annotations

from typing import Any

from tuner.data.table import Table, to_float32
from tuner.spec.sections import SklearnSource


def read(source: SklearnSource) -> Table:
    """Load the set `source.name`."""
    bunch = _load(source.name)
    features = bunch.images[:, None] if source.name == "digits" else bunch.data
    class_names = bunch.get("target_names")
    return Table(
        features=to_float32(features),
        targets=bunch.target,
        feature_names=tuple(str(name) for name in bunch.feature_names),
        class_names=None if class_names is None else tuple(str(name) for name in class_names),
    )


def _load(name: str) -> Any:
    from sklearn import datasets  # here: half of the room's import time (0.9 of 1.9 s), and no rank needs it

    if name == "diabetes":
        return datasets.load_diabetes(scaled=False)
    return getattr(datasets, f"load_{name}")()
