"""How good predictions are, in numpy: confusion, precision and recall, calibration, residuals.

Shapes: `truth` [rows] holds classes 0 .. C - 1 or numbers, `probabilities` is [rows, C].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]
Classes = NDArray[np.int64]

NUM_BINS = 10


@dataclass(frozen=True)
class PrecisionRecall:
    """Of one class against the others; a point for each threshold, the highest first."""

    precision: Floats
    recall: Floats
    threshold: Floats
    average: float
    """Average precision: the sum of the precisions, each weighed by the recall that it adds."""


@dataclass(frozen=True)
class Calibration:
    """Predictions in equal bins of their confidence; a bin holds its upper end."""

    counts: Classes
    confidence: Floats
    """[bins]: its mean; NaN in an empty bin."""
    accuracy: Floats
    """[bins]: the share of right predictions; NaN in an empty bin."""
    error: float
    """Expected calibration error: the mean distance of the two, over the rows (Guo et al., 2017)."""


@dataclass(frozen=True)
class Residuals:
    """Of predicted minus true numbers."""

    mean: float
    """The bias."""
    rmse: float
    mae: float
    r2: float | None
    """None: all true numbers are the same."""
    edges: Floats
    """[bins + 1]"""
    counts: Classes


def confusion(truth: Classes, predicted: Classes, num_classes: int) -> Classes:
    """[true class, predicted class]: rows."""
    cells = np.bincount(truth * num_classes + predicted, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def precision_recall(is_class: Array, scores: Floats) -> PrecisionRecall | None:
    """Of the rows that are of the class, [rows] booleans, and its scores; None where no row is."""
    if not is_class.any():
        return None
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    right = np.cumsum(is_class[order])[ends]
    precision, recall = right / (ends + 1), right / right[-1]
    average = float(np.diff(recall, prepend=0.0) @ precision)
    return PrecisionRecall(precision, recall, ordered[ends].astype(np.float64), average)


def calibration(truth: Classes, probabilities: Array, num_bins: int = NUM_BINS) -> Calibration:
    """Of the predicted class, which is the most probable one."""
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities[np.arange(len(truth)), predicted].astype(np.float64)
    bins = np.clip(np.ceil(confidence * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    counts = np.bincount(bins, minlength=num_bins)
    sums = np.bincount(bins, weights=confidence, minlength=num_bins)
    right = np.bincount(bins, weights=(predicted == truth).astype(np.float64), minlength=num_bins)
    with np.errstate(invalid="ignore"):
        means, accuracy = sums / counts, right / counts
    return Calibration(counts, means, accuracy, float(np.abs(sums - right).sum() / len(truth)))


def losses(truth: Classes, probabilities: Array) -> Floats:
    """[rows]: cross-entropy in nats; a probability of 0 counts as the least that float32 has."""
    of_truth = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    nats: Floats = -np.log(np.maximum(of_truth, np.finfo(np.float32).tiny))
    return nats


def residuals(truth: Array, values: Array, num_bins: int = 30) -> Residuals:
    """Bins are equally wide, from the least to the greatest."""
    error = values.astype(np.float64) - truth
    total = float(np.square(truth - np.mean(truth, dtype=np.float64)).sum())
    squared = float(np.square(error).sum())
    counts, edges = np.histogram(error, bins=num_bins)
    return Residuals(
        mean=float(error.mean()),
        rmse=float(np.sqrt(squared / len(error))),
        mae=float(np.abs(error).mean()),
        r2=1 - squared / total if total > 0 else None,
        edges=edges,
        counts=counts,
    )


def largest(values: Array, most: int) -> Classes:
    """Places of the largest values, the largest first; of equal ones the first first."""
    return np.argsort(-values, kind="stable")[:most]


def thinned(num_points: int, most: int) -> Classes:
    """Places of at most `most` points, evenly spaced, the first and the last among them."""
    if num_points <= most:
        return np.arange(num_points)
    return np.unique(np.rint(np.linspace(0, num_points - 1, most)).astype(np.int64))
