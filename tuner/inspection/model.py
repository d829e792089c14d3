"""What the best model predicts on the validation split, as a plain tree, kept in the experiment's folder.

`report_of(best, store, model)` runs the model over the split once. It builds on what the task tells of a row:
probabilities of classes, values, or losses of texts. Rows are counted from 1.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.data import Manifest, Split, Store, input_suffixes, text_columns, tokens
from tuner.data_report.numbers import distribution, evenly
from tuner.errors import ResultsError
from tuner.inspection import scores
from tuner.inspection.scores import Array, Classes
from tuner.records.predictions import VERSION
from tuner.results.result import BestTrial
from tuner.tasks import RULES

if TYPE_CHECKING:  # Who asks for the data only need not wait for torch.
    from tuner.results.export import ExportedModel

SPLIT = "val"
MOST_ROWS = 20_000
MOST_EXAMPLES = 12
"""Rows of a cell of the confusion matrix."""
MOST_WORST = 24
MOST_CURVES, MOST_POINTS = 12, 100
MOST_DOTS = 2000
NUM_TEXTS, NUM_TOKENS = 4, 60


def report_of(best: BestTrial, store: Store, model: ExportedModel) -> dict[str, Any]:
    """Raises ResultsError where the model gives no numbers."""
    began_s = time.monotonic()
    split = store.split(SPLIT)
    num_rows = len(split.targets)
    rows = evenly(num_rows, MOST_ROWS)
    found = model.examine(split, rows)
    truth = split.targets.take(rows, axis=0)
    report: dict[str, Any] = dict.fromkeys(("classes", "numbers", "texts"))
    if "probabilities" in found:
        report["classes"] = _classes(truth, found["probabilities"], rows, model.manifest)
    elif "values" in found:
        report["numbers"] = _numbers(truth, found["values"], rows)
    else:
        report["texts"] = _texts(split, found["losses"], found["tokens"], rows, model)
    return report | {
        "version": VERSION,
        "trial": best.number,
        "kept": best.kept,
        "store": store.path.name,
        "task": model.spec.task,
        "split": SPLIT,
        "rows": num_rows,
        "looked_at": len(rows),
        "inputs": inputs_of(model.manifest),
        "seconds": time.monotonic() - began_s,
    }


def inputs_of(manifest: Manifest) -> dict[str, Any]:
    """What a new row is given as: texts with these names, cells of a row, or only a file."""
    texts = text_columns(manifest) if manifest.tokenizer is not None else []
    is_row = manifest.tokenizer is None and manifest.feature_names is not None
    names = [texts] if isinstance(texts, str) else texts
    return {"texts": names, "is_row": is_row, "suffixes": list(input_suffixes(manifest))}


def _classes(truth: Classes, probabilities: Array, rows: Classes, manifest: Manifest) -> dict[str, Any]:
    assert manifest.class_names is not None
    num_classes = len(manifest.class_names)
    predicted, losses = probabilities.argmax(axis=1), scores.losses(truth, probabilities)
    matrix = scores.confusion(truth, predicted, num_classes)
    calibration = scores.calibration(truth, probabilities)
    worst_first = scores.largest(losses, len(losses))
    wrong = worst_first[predicted[worst_first] != truth[worst_first]][:MOST_WORST]

    def example(place: int) -> dict[str, Any]:
        return {
            "row": int(rows[place]) + 1,
            "truth": int(truth[place]),
            "predicted": int(predicted[place]),
            "probability": _short(probabilities[place, predicted[place]]),
            "of_truth": _short(probabilities[place, truth[place]]),
        }

    examples: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for place in worst_first:
        cell = examples.setdefault((int(truth[place]), int(predicted[place])), [])
        if len(cell) < MOST_EXAMPLES:
            cell.append(example(place))
    return {
        "names": list(manifest.class_names),
        "accuracy": float(np.trace(matrix) / len(truth)),
        "loss": float(losses.mean()),
        "cells": [
            {"truth": cell[0], "predicted": cell[1], "count": int(matrix[cell]), "examples": examples[cell]}
            for cell in sorted(examples)
        ],
        "curves": _curves(truth, probabilities),
        "calibration": {
            "counts": calibration.counts.tolist(),
            "confidence": _short_list(calibration.confidence),
            "accuracy": _short_list(calibration.accuracy),
            "error": calibration.error,
        },
        "worst": [example(place) for place in wrong],
    }


def _curves(truth: Classes, probabilities: Array) -> list[dict[str, Any]]:
    """Of the classes with the lowest average precision, the lowest first."""
    found = [
        (label, scores.precision_recall(truth == label, probabilities[:, label].astype(np.float64)))
        for label in range(probabilities.shape[1])
    ]
    known = sorted(((label, curve) for label, curve in found if curve), key=lambda each: each[1].average)
    curves = []
    for label, curve in known[:MOST_CURVES]:
        # Thresholds below the last row of the class only add wrong ones.
        points = scores.thinned(int(np.argmax(curve.recall >= 1)) + 1, MOST_POINTS)
        curves.append(
            {
                "class": label,
                "average": curve.average,
                "positives": int(np.count_nonzero(truth == label)),
                "precision": _short_list(curve.precision[points]),
                "recall": _short_list(curve.recall[points]),
                "threshold": _short_list(curve.threshold[points]),
            }
        )
    return curves


def _numbers(truth: Array, values: Array, rows: Classes) -> dict[str, Any]:
    truth = truth.astype(np.float64)
    if not np.isfinite(values).all():
        raise ResultsError(
            "predictions are shown where they are numbers, but the model gives others; the trial diverged, "
            "so choose another"
        )
    found = scores.residuals(truth, values)
    dots = evenly(len(rows), MOST_DOTS)
    worst = scores.largest(np.abs(values - truth), MOST_WORST)

    def table(places: Classes) -> dict[str, Any]:
        return {
            "row": (rows[places] + 1).tolist(),
            "truth": _short_list(truth[places]),
            "value": _short_list(values[places]),
        }

    return {
        "mean": found.mean,
        "rmse": found.rmse,
        "mae": found.mae,
        "r2": found.r2,
        "edges": _short_list(found.edges),
        "counts": found.counts.tolist(),
        "dots": table(dots),
        "worst": table(worst),
    }


def _texts(
    split: Split, losses: Array, num_tokens: Array, rows: Classes, model: ExportedModel
) -> dict[str, Any]:
    worst = scores.largest(losses, MOST_WORST)
    mean = float(losses @ num_tokens / num_tokens.sum())
    spread = distribution(losses)
    return {
        "loss": mean,
        "perplexity": math.exp(mean) if mean < 700 else None,
        "quantiles": _short_list(np.array(spread.quantiles)),
        "counts": list(spread.counts),
        "samples": [_sample(split, int(row), model) for row in evenly(len(split.targets), NUM_TEXTS)],
        "worst": [{"row": int(rows[place]) + 1, "loss": _short(losses[place])} for place in worst],
    }


def _sample(split: Split, row: int, model: ExportedModel) -> dict[str, Any]:
    """What the model is given, what it makes of it, and what stands there."""
    assert model.manifest.tokenizer is not None
    tokenizer = tokens.from_json(model.manifest.tokenizer)
    features, targets = (part[row : row + 1][0].tolist() for part in split)
    if RULES[model.manifest.task].data == "pairs":
        given, truth = tokenizer.decode(features), tokenizer.decode(targets)
        (prediction,) = model.predict(np.array([given], dtype=object))
        (predicted,) = prediction.values()
        return {"row": row + 1, "given": given, "predicted": predicted, "truth": truth}
    half = max(1, len(features) // 2)
    given, rest = tokenizer.decode(features[:half]), features[half : half + NUM_TOKENS]
    predicted = model.continue_text(given, num_tokens=max(1, len(rest)))
    return {"row": row + 1, "given": given, "predicted": predicted, "truth": tokenizer.decode(rest)}


def _short(value: Any) -> float | None:
    """Five digits; None: not a number."""
    return float(f"{float(value):.5g}") if math.isfinite(value) else None


def _short_list(values: Array) -> list[float | None]:
    return [_short(value) for value in values.tolist()]
