"""A table of files as arrays without objects: its texts and labels as places among those that there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tuner.data.origins import Origins
from tuner.data.stages import Packed, Stage
from tuner.data.table import AnyArray, Faults, Table


def _pack(table: Table) -> Packed:
    assert table.origins is not None
    assert table.origins.row is not None
    arrays = {"features": table.features, "origin_file": table.origins.file, "origin_row": table.origins.row}
    about: dict[str, Any] = {
        "feature_names": table.feature_names,
        "class_names": table.class_names,
        "text_names": table.text_names,
        "files": table.origins.files,
        "faults": [[fault.reason, fault.message] for fault in table.faults],
    }
    for place, fault in enumerate(table.faults):
        arrays[f"fault_{place}"] = fault.rows
    if table.parts is not None:
        arrays["parts"] = table.parts
    for name, values in (("targets", table.targets), ("texts", table.texts)):
        if values is not None:
            arrays[name], about[name] = _without_objects(values)
    return Packed(arrays, about)


def _unpack(packed: Packed) -> Table:
    arrays, about = packed
    return Table(
        features=arrays["features"],
        targets=_with_objects(arrays["targets"], about["targets"]),
        feature_names=_names(about["feature_names"]),
        class_names=_names(about["class_names"]),
        parts=arrays.get("parts"),
        text_names=tuple(about["text_names"]),
        texts=_with_objects(arrays["texts"], about["texts"]) if "texts" in arrays else None,
        origins=Origins(tuple(about["files"]), arrays["origin_file"], arrays["origin_row"]),
        faults=tuple(
            Faults(reason, arrays[f"fault_{place}"], message)
            for place, (reason, message) in enumerate(about["faults"])
        ),
    )


TABLE: Stage[Table] = Stage("table", (), _pack, _unpack)
"""Of csv, jsonl, parquet and huggingface: as it was read."""


def _without_objects(values: AnyArray) -> tuple[AnyArray, list[str] | None]:
    """The place of each text in the list, -1 where it is missing; or `values`, where they are no objects."""
    if values.dtype != object:
        return values, None
    codes, found = pd.factorize(values.ravel())
    return codes.reshape(values.shape), found.tolist()


def _with_objects(values: AnyArray, found: list[str] | None) -> AnyArray:
    if found is None:
        return values
    objects: AnyArray = np.array([*found, None], dtype=object)[values]
    return objects


def _names(names: list[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)
