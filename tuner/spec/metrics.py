"""What each task reports, and which way is better.

Stands here, not with the tasks, so that an experiment can be checked where there is no torch.
"""

from typing import Literal, get_args

Mode = Literal["min", "max"]
TaskName = Literal[
    "image_classification",
    "tabular_classification",
    "regression",
    "text_classification",
    "language_modelling",
    "audio_classification",
]

TASKS: tuple[TaskName, ...] = get_args(TaskName)
CLASSIFICATION: tuple[TaskName, ...] = (
    "image_classification",
    "tabular_classification",
    "text_classification",
    "audio_classification",
)
AUDIO_CLASSIFICATION: TaskName = "audio_classification"
LANGUAGE_MODELLING: TaskName = "language_modelling"
TEXT_TASKS: tuple[TaskName, ...] = ("text_classification", LANGUAGE_MODELLING)
ROW_TASKS: tuple[TaskName, ...] = tuple(
    task for task in TASKS if task not in (*TEXT_TASKS, AUDIO_CLASSIFICATION)
)
"""Tasks on numbers and pictures."""

_COST_METRICS: dict[str, Mode] = {
    "train/step_seconds": "min",
    "train/samples_per_s": "max",
    "system/peak_memory_bytes": "min",
    "model/parameters": "min",
    "model/trained_parameters": "min",
}
"""What training costs. Trained parameters are those that no tuning freezes. Seconds of a step leave out the
first one of each report. Peak memory is of the rank that needs most: what was allocated on its GPU; on a CPU
what the whole warm process holds, a rough figure."""
_CLASSIFICATION_METRICS: dict[str, Mode] = {
    "val/accuracy": "max",
    "val/f1": "max",
    "val/loss": "min",
    "train/loss": "min",
    **_COST_METRICS,
}
_REGRESSION_METRICS: dict[str, Mode] = {
    "val/loss": "min",
    "val/mae": "min",
    "val/r2": "max",
    "train/loss": "min",
    **_COST_METRICS,
}
_LANGUAGE_METRICS: dict[str, Mode] = {
    "val/loss": "min",
    "val/perplexity": "min",
    "val/accuracy": "max",
    "train/loss": "min",
    **_COST_METRICS,
}
"""Loss in nats a token; accuracy: tokens that were the most probable ones."""

METRICS: dict[str, dict[str, Mode]] = {
    "image_classification": _CLASSIFICATION_METRICS,
    "tabular_classification": _CLASSIFICATION_METRICS,
    "regression": _REGRESSION_METRICS,
    "text_classification": _CLASSIFICATION_METRICS,
    "language_modelling": _LANGUAGE_METRICS,
    AUDIO_CLASSIFICATION: _CLASSIFICATION_METRICS,
}
"""task -> metric -> the better direction"""
