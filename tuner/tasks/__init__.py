"""The tasks that an experiment can name: what a batch, a loss, a metric and a prediction is.

A task is a module here with `make(train, data) -> Task`, and an entry in `_MAKERS`; what fits it and what it
reports is its entry in `tuner.spec.tasks`, which needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable

from tuner.errors import ExperimentError
from tuner.spec.sections import TrainSpec
from tuner.spec.tasks import AUDIO_CLASSIFICATION, LANGUAGE_MODELLING, RULES, TRANSLATION
from tuner.tasks import classification, language_modelling, regression, translation
from tuner.tasks.base import Preparation, Targets, Task

__all__ = ["Preparation", "Targets", "Task", "get"]

_MAKERS: dict[str, Callable[[TrainSpec, Targets], Task]] = {
    "image_classification": classification.make,
    "tabular_classification": classification.make,
    "text_classification": classification.make,
    AUDIO_CLASSIFICATION: classification.make,
    "regression": regression.make,
    LANGUAGE_MODELLING: language_modelling.make,
    TRANSLATION: translation.make,
}


def get(task: str, train: TrainSpec, manifest: Targets) -> Task:
    """The task named `task` for the data of `manifest`; ExperimentError when `train.loss` does not fit."""
    allowed = RULES[task].losses
    if train.loss not in allowed:
        raise ExperimentError(
            f"train.loss must fit the task, but found {train.loss} with {task}; "
            f"use one of {', '.join(allowed)}"
        )
    return _MAKERS[task](train, manifest)
