"""From an experiment, or a prepared store, to its `DataReport`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tuner.data import Manifest, Split, Store, prepare, tokens
from tuner.data.store import Features
from tuner.data.table import AnyArray
from tuner.data_report import columns, leakage
from tuner.data_report.findings import findings
from tuner.data_report.numbers import are_the_same, distribution, most_frequent, rows_to_look_at
from tuner.data_report.report import DataReport, Images, SplitRows, Tokens
from tuner.data_report.samples import Sampler, kind_of, raw_image
from tuner.records.paths import ExperimentPaths
from tuner.spec import Experiment

MOST_FREQUENT = 20


def report_of(experiment: Experiment, results: Path) -> DataReport:
    """Prepares the data of `experiment`, or finds it prepared under `results`.

    What of it is searched is taken at its first value.

    Raises:
        DataError: the data cannot be used.
    """
    params = next(experiment.space.corners())
    spec = experiment.resolve(params)
    store = prepare(spec.data, spec.task, ExperimentPaths(results / experiment.name).store_root)
    searched = {name: value for name, value in params.items() if name.startswith("data.")}
    return summarise(store, experiment.name, searched)


def summarise(
    store: Store, name: str, searched: Mapping[str, Any], *, with_pictures: bool = True
) -> DataReport:
    """Reads all rows of the store once, to compare them, and those that are looked at."""
    manifest = store.manifest
    kind = kind_of(manifest)
    sampler = Sampler(store, with_pictures=with_pictures)
    splits = sampler.splits
    rows = rows_to_look_at(splits["train"].features)
    features, targets = (part.take(rows, axis=0) for part in splits["train"])
    content: dict[str, Any] = {
        "columns": columns.summarise(features, targets, manifest) if kind == "table" else None,
        "images": _images(features, manifest) if kind == "image" else None,
        "tokens": _tokens(splits, features, manifest) if kind == "tokens" else None,
        "leakage": leakage.find(splits, sampler, has_labels=len(splits["train"].targets.shape) == 1),
        "splits": tuple(_split(split, part, manifest) for split, part in splits.items()),
    }
    report = DataReport(
        name=name,
        task=manifest.task,
        kind=kind,
        store=str(store.path),
        source=manifest.source,
        searched=searched,
        input_shape=manifest.input_shape,
        class_names=manifest.class_names,
        dropped=manifest.dropped,
        looked_at=len(rows),
        samples=sampler.samples("train"),
        findings=(),
        **content,
    )
    return replace(report, findings=tuple(findings(report)))


def _split(name: str, split: Split, manifest: Manifest) -> SplitRows:
    targets = np.asarray(split.targets)
    classes = values = None
    if manifest.num_classes is not None:
        classes = tuple(np.bincount(targets, minlength=manifest.num_classes).tolist())
    elif targets.ndim == 1 and len(targets):
        values = distribution(targets)
    return SplitRows(name=name, rows=len(targets), classes=classes, targets=values)


def _images(features: AnyArray, manifest: Manifest) -> Images:
    raw = raw_image(features, manifest)
    channels = tuple(distribution(raw[:, channel]) for channel in range(raw.shape[1]))
    is_plain = are_the_same(raw.min(axis=(2, 3)), raw.max(axis=(2, 3))).all(axis=1)
    num_plain = int(np.count_nonzero(is_plain))
    return Images(are_spectrograms=manifest.audio is not None, channels=channels, num_plain=num_plain)


def _tokens(splits: Mapping[str, Split], train: AnyArray, manifest: Manifest) -> Tokens:
    assert manifest.tokenizer is not None
    assert manifest.num_tokens is not None
    tokenizer = tokens.from_json(manifest.tokenizer)
    counts = np.bincount(train.ravel(), minlength=manifest.num_tokens)
    if manifest.padding is not None:
        counts[manifest.padding] = 0
    places = np.argsort(-counts, kind="stable")[:MOST_FREQUENT]
    names = np.array([tokenizer.decode([int(place)]) for place in places], dtype=object)
    lengths = {name: _lengths(split.features, manifest) for name, split in splits.items()}
    return Tokens(
        vocabulary=manifest.num_tokens,
        used=int(np.count_nonzero(counts)),
        frequent=most_frequent(names, counts[places], MOST_FREQUENT),
        lengths={name: distribution(values) for name, values in lengths.items() if len(values)},
        full={name: int(np.count_nonzero(v == manifest.input_shape[0])) for name, v in lengths.items()},
    )


def _lengths(features: Features, manifest: Manifest) -> AnyArray:
    """Tokens of each of the rows that are looked at."""
    rows = features.take(rows_to_look_at(features), axis=0)
    if manifest.padding is None:
        return np.full(len(rows), rows.shape[1])
    return np.asarray(np.count_nonzero(rows != manifest.padding, axis=1))
