"""The report of a store as a plain tree, kept beside the store; pictures and sounds are asked for by row.

Beside what `DataReport` holds, a column tells what it was before cleaning, and what was done to its values.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tuner.data import Manifest, Store, Table, localised, num_bytes
from tuner.data.sources import read
from tuner.data_report.columns import recipes
from tuner.data_report.numbers import distribution, most_frequent
from tuner.data_report.stores import report_file
from tuner.data_report.summary import summarise
from tuner.errors import DataError
from tuner.records.files import atomic_write
from tuner.records.paths import ExperimentPaths
from tuner.records.versions import read_versions
from tuner.spec.sections import TrialSpec

VERSION = 2
"""Raise it when the tree has another form, or counts otherwise."""
MOST_SOURCE_BYTES = 200_000_000
"""Of a larger source is not told what it was before cleaning."""
MOST_CATEGORIES = 20


def kept_report(store: Path) -> dict[str, Any] | None:
    """As it was kept beside the store; None where there is none of this version."""
    try:
        report = json.loads(report_file(store).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    is_ours = isinstance(report, dict) and report.get("version") == VERSION
    return report if is_ours else None


def make_report(paths: ExperimentPaths, spec: TrialSpec, store: Store) -> dict[str, Any]:
    """Reads all rows of the store, and those of the source where they are few; keeps what it tells."""
    manifest = store.manifest
    report = summarise(store, "", {}, with_pictures=False).as_json()
    before = _before(paths, spec) if report["columns"] else {}
    for column in report["columns"] or ():
        column["before"] = before.get(column["name"])
        column["done"] = _done(manifest).get(column["name"], {})
    report |= {"version": VERSION, "mean": None, "std": None}
    if report["kind"] == "image" and manifest.mean is not None and manifest.std is not None:
        report |= {"mean": list(manifest.mean), "std": list(manifest.std)}
    with suppress(OSError):  # Where nothing may be written it is made again.
        atomic_write(report_file(store.path), json.dumps(report, ensure_ascii=False))
    return report


def _done(manifest: Manifest) -> dict[str, dict[str, Any]]:
    """Column to what was fitted on its training rows: bounds, mean and deviation."""
    moments: dict[str, tuple[float, float]] = {}
    if manifest.mean is not None and manifest.std is not None:
        pairs = zip(manifest.mean, manifest.std, strict=True)
        moments = dict(zip(manifest.feature_names or (), pairs, strict=True))
    done = {}
    for recipe in recipes(manifest):
        mean, std = moments.get(recipe.name, (None, None)) if recipe.categories is None else (None, None)
        done[recipe.name] = {"low": recipe.low, "high": recipe.high, "mean": mean, "std": std}
    return done


def _before(paths: ExperimentPaths, spec: TrialSpec) -> dict[str, dict[str, Any]]:
    """Column to its values in all rows of the source; none where that is large, or cannot be read now."""
    try:
        source = localised(spec.data, paths.store_root, read_versions(paths), may_fetch=False).source
        if num_bytes(source) > MOST_SOURCE_BYTES:
            return {}
        return _columns_of(read(source))
    except (DataError, OSError):  # It may have gone while it was read.
        return {}


def _columns_of(table: Table) -> dict[str, dict[str, Any]]:
    numbers = [name for name in table.feature_names or () if name not in table.text_names]
    columns: dict[str, dict[str, Any]] = {}
    for name, values in zip(numbers, table.features.T, strict=True):
        finite = values[np.isfinite(values)]
        shown = asdict(distribution(finite)) if len(finite) else None
        columns[name] = {"numbers": shown, "categories": None, "missing": len(values) - len(finite)}
    for place, name in enumerate(table.text_names):
        assert table.texts is not None
        known = np.array([text for text in table.texts[:, place] if text is not None], dtype=object)
        names, counts = np.unique(known.astype(str), return_counts=True)
        shares = [asdict(share) for share in most_frequent(names, counts, MOST_CATEGORIES)]
        columns[name] = {"numbers": None, "categories": shares, "missing": len(table.texts) - len(known)}
    return columns
