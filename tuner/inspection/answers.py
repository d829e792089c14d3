"""What the process of `python -m tuner.inspection` answers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.data import Store, check_texts, read_inputs
from tuner.data_report.plain import kept_report, make_report
from tuner.data_report.stores import find_store, spec_to_look_at
from tuner.errors import DataError, ResultsError, TunerError
from tuner.inspection.model import report_of
from tuner.records.files import atomic_write
from tuner.records.paths import ExperimentPaths
from tuner.records.predictions import is_of, read_predictions, weights_written_ns
from tuner.results.experiment_trials import ExperimentTrials
from tuner.results.result import BestTrial, Result
from tuner.spec import Experiment

if TYPE_CHECKING:  # Who asks for the data only need not wait for torch.
    from tuner.results.export import ExportedModel

MOST_PREDICTIONS = 50
MOST_CLASSES = 5


class Answers:
    """Holds the last model that was asked."""

    def __init__(self) -> None:
        self._model: tuple[object, ExportedModel] | None = None

    def to(self, request: Mapping[str, Any]) -> Any:
        """Raises TunerError where it cannot be told."""
        paths = ExperimentPaths(Path(request["folder"]))
        if request["what"] == "data":
            return _data(paths)
        best = _result(paths).best
        if request["what"] == "model":
            return self._report(best)
        return self._predictions(best, request)

    def _report(self, best: BestTrial) -> dict[str, Any]:
        kept = read_predictions(best.paths)
        if kept is not None and is_of(kept, best.paths, best.kept):  # Somebody has asked meanwhile.
            return kept
        store = _store_of(best)
        written_ns = weights_written_ns(best.paths, best.kept)  # Before: newer ones then count as not seen.
        model = self._load(best, store)
        report = report_of(best, store, model) | {"weights_written_ns": written_ns}
        with suppress(OSError):  # Where nothing may be written it is made again.
            atomic_write(best.paths.predictions, json.dumps(report, ensure_ascii=False))
        return report

    def _predictions(self, best: BestTrial, request: Mapping[str, Any]) -> dict[str, Any]:
        model = self._load(best, _store_of(best))
        rows = _rows(request, model)
        shown = rows[:MOST_PREDICTIONS]
        told = model.predict(shown)
        probabilities = model.probabilities(shown)
        for prediction, each in zip(told, probabilities if probabilities is not None else (), strict=False):
            prediction["classes"] = _most_probable(each, model)
        return {"trial": best.number, "rows": len(rows), "predictions": told}

    def _load(self, best: BestTrial, store: Store) -> ExportedModel:
        key = (best.paths.root, best.kept, weights_written_ns(best.paths, best.kept))
        if self._model is None or self._model[0] != key:
            self._model = None  # Two need not fit.
            self._model = key, best.load(store.manifest)
        return self._model[1]


def _result(paths: ExperimentPaths) -> Result:
    """With the trials as they stand: while a search runs its table lags behind."""
    result, trials = Result(paths), ExperimentTrials(paths)
    trials.poll()
    result.rows = list(trials.rows.values())
    return result


def _data(paths: ExperimentPaths) -> dict[str, Any]:
    if Result(paths).is_function:
        raise ResultsError(
            "data is shown where it was prepared for a task of ours, but this experiment trains by a "
            "function of one's own; look at what that reads"
        )
    try:
        best = _result(paths).best.params
    except TunerError:  # No trial has a value yet; the data is there all the same.
        best = None
    spec, searched = spec_to_look_at(Experiment.load(paths.experiment_yaml), best)
    store = find_store(paths, spec, searched)
    return kept_report(store.path) or make_report(paths, spec, store)


def _store_of(best: BestTrial) -> Store:
    spec, searched = spec_to_look_at(best.experiment, best.params)
    return find_store(best.paths, spec, searched)


def _rows(request: Mapping[str, Any], model: ExportedModel) -> np.ndarray:
    """What is given, read as `tuner predict` does."""
    if "texts" in request:
        texts = request["texts"]
        given = np.array([texts[0] if len(texts) == 1 else texts], dtype=object)
        check_texts(given)
        return given
    if "row" in request:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "row.jsonl"
            file.write_text(json.dumps(request["row"]) + "\n", encoding="utf-8")
            return _read(file, "what is filled in", model)
    file = Path(request["file"])
    return _read(file, request["name"], model)


def _read(file: Path, name: str, model: ExportedModel) -> np.ndarray:
    """`name` is what the file is called where it came from."""
    try:
        return read_inputs(file, model.manifest)
    except DataError as error:
        raise DataError(str(error).replace(str(file), name)) from error


def _most_probable(probabilities: np.ndarray, model: ExportedModel) -> list[dict[str, Any]]:
    names = model.manifest.class_names
    assert names is not None
    places = np.argsort(-probabilities, kind="stable")[:MOST_CLASSES]
    return [{"label": names[place], "probability": float(probabilities[place])} for place in places]
