"""The tasks that an experiment can name: what a batch, a loss, a metric and a prediction is.

The metrics and their directions are in `tuner.spec.metrics`, which needs no torch.
"""

from __future__ import annotations

from tuner.errors import ExperimentError
from tuner.spec.metrics import LANGUAGE_MODELLING
from tuner.spec.sections import TrainSpec
from tuner.tasks.base import Targets, Task
from tuner.tasks.classification import BinaryClassification, SoftmaxClassification
from tuner.tasks.language_modelling import LanguageModelling
from tuner.tasks.regression import Regression

__all__ = ["Targets", "Task", "get"]

_CLASSIFICATION_LOSSES = ("auto", "cross_entropy", "bce")
_REGRESSION_LOSSES = ("auto", "mse", "huber")
_LANGUAGE_LOSSES = ("auto", "cross_entropy")


def get(task: str, train: TrainSpec, manifest: Targets) -> Task:
    """The task named `task` for the data of `manifest`; ExperimentError when `train.loss` does not fit."""
    if task == "regression":
        _check_loss(task, train.loss, _REGRESSION_LOSSES)
        assert manifest.target_mean is not None
        assert manifest.target_std is not None
        return Regression(manifest.target_mean, manifest.target_std, huber=train.loss == "huber")
    if task == LANGUAGE_MODELLING:
        _check_loss(task, train.loss, _LANGUAGE_LOSSES)
        assert manifest.num_tokens is not None
        return LanguageModelling(manifest.num_tokens, train.label_smoothing)
    _check_loss(task, train.loss, _CLASSIFICATION_LOSSES)
    assert manifest.class_names is not None
    if train.loss == "bce":
        return _binary(manifest.class_names, train.label_smoothing)
    return SoftmaxClassification(manifest.class_names, train.label_smoothing)


def _binary(class_names: tuple[str, ...], label_smoothing: float) -> Task:
    if len(class_names) != 2:
        raise ExperimentError(
            f"train.loss bce needs two classes, but the data has {len(class_names)}; use cross_entropy"
        )
    return BinaryClassification(class_names, label_smoothing)


def _check_loss(task: str, loss: str, allowed: tuple[str, ...]) -> None:
    if loss not in allowed:
        raise ExperimentError(
            f"train.loss must fit the task, but found {loss} with {task}; use one of {', '.join(allowed)}"
        )
