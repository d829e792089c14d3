"""`predictions.json`: the kept report of what the best model predicts, and of which weights it is."""

import json
from collections.abc import Mapping
from typing import Any

from tuner.records.paths import ExperimentPaths

VERSION = 2
"""Raise it when the tree of `tuner.inspection.model` has another form."""


def read_predictions(paths: ExperimentPaths) -> dict[str, Any] | None:
    """None: there is no report, or none of this version."""
    try:
        report = json.loads(paths.predictions.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    is_ours = isinstance(report, dict) and report.get("version") == VERSION
    return report if is_ours else None


def weights_written_ns(paths: ExperimentPaths, number: int) -> int | None:
    """When the kept weights of a run were written; None where there are none."""
    try:
        return (paths.trial(number).best_checkpoint / "weights.pt").stat().st_mtime_ns
    except OSError:
        return None


def is_of(report: Mapping[str, Any], paths: ExperimentPaths, number: int) -> bool:
    """Whether the report is of the run's weights as they are now."""
    written_ns = weights_written_ns(paths, number)
    return report.get("kept") == number and report.get("weights_written_ns") == written_ns
