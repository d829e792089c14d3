"""The tasks: what each takes and reports, a table with an entry a task.

Stands here so that an experiment can be checked where there is no torch; what a task does is its module in
`tuner/tasks/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from tuner.spec.metrics import CLASSIFICATION_METRICS, REGRESSION_METRICS, TOKEN_METRICS, Mode

TaskName = Literal[
    "image_classification",
    "tabular_classification",
    "regression",
    "text_classification",
    "language_modelling",
    "audio_classification",
    "translation",
]
TASKS: tuple[TaskName, ...] = get_args(TaskName)
AUDIO_CLASSIFICATION: TaskName = "audio_classification"
LANGUAGE_MODELLING: TaskName = "language_modelling"
TEXT_CLASSIFICATION: TaskName = "text_classification"
TRANSLATION: TaskName = "translation"
TEXT_TASKS: tuple[TaskName, ...] = (TEXT_CLASSIFICATION, LANGUAGE_MODELLING, TRANSLATION)


@dataclass(frozen=True, kw_only=True)
class TaskRules:
    """What fits a task; names as an experiment file has them."""

    metrics: Mapping[str, Mode]
    """Metric to the better direction."""
    sources: tuple[str, ...]
    """`data.source.type`; of sklearn the name of the set."""
    models: tuple[str, ...]
    """`model.type`."""
    losses: tuple[str, ...]
    """`train.loss`."""
    augmentations: tuple[str, ...] = ()
    """Keys of `train.augment`."""
    smooths_labels: bool = True
    """Whether `train.label_smoothing` has a meaning."""


_CLASSIFICATION_LOSSES = ("auto", "cross_entropy", "bce")
_TOKEN_LOSSES = ("auto", "cross_entropy")
_TABLES = ("csv", "jsonl", "parquet", "npz")
_MASKS = ("time_mask", "frequency_mask")
_MIXING = ("noise", "mixup")

RULES: dict[str, TaskRules] = {
    "image_classification": TaskRules(
        metrics=CLASSIFICATION_METRICS,
        sources=("digits", "npz", "image_folder"),
        models=("mlp", "cnn", "resnet", "pretrained"),
        losses=_CLASSIFICATION_LOSSES,
        augmentations=(
            *("rotate", "scale", "translate", "flip"),
            *("brightness", "contrast", "saturation", "hue", "crop", "cutout"),
            *_MASKS,
            *_MIXING,
        ),
    ),
    "tabular_classification": TaskRules(
        metrics=CLASSIFICATION_METRICS,
        sources=("digits", "iris", "wine", "breast_cancer", *_TABLES, "two_class", "huggingface"),
        models=("mlp",),
        losses=_CLASSIFICATION_LOSSES,
        augmentations=_MIXING,
    ),
    "regression": TaskRules(
        metrics=REGRESSION_METRICS,
        sources=("diabetes", *_TABLES, "huggingface"),
        models=("mlp",),
        losses=("auto", "mse", "huber"),
        augmentations=_MIXING,
        smooths_labels=False,
    ),
    TEXT_CLASSIFICATION: TaskRules(
        metrics=CLASSIFICATION_METRICS,
        sources=("labelled_text", "huggingface with text and label"),
        models=("rnn", "transformer", "pretrained"),
        losses=_CLASSIFICATION_LOSSES,
        augmentations=("token_dropout",),
    ),
    LANGUAGE_MODELLING: TaskRules(
        metrics=TOKEN_METRICS,
        sources=("text", "huggingface with text"),
        models=("rnn", "transformer", "pretrained"),
        losses=_TOKEN_LOSSES,
        augmentations=("token_dropout",),
    ),
    AUDIO_CLASSIFICATION: TaskRules(
        metrics=CLASSIFICATION_METRICS,
        sources=("audio",),
        models=("mlp", "cnn", "resnet", "rnn", "transformer", "pretrained"),
        losses=_CLASSIFICATION_LOSSES,
        augmentations=(*_MASKS, *_MIXING),
    ),
    TRANSLATION: TaskRules(
        metrics=TOKEN_METRICS,
        sources=("parallel_text", "parallel_table"),
        models=("encoder_decoder",),
        losses=_TOKEN_LOSSES,
    ),
}
METRICS: dict[str, Mapping[str, Mode]] = {task: rules.metrics for task, rules in RULES.items()}
"""task -> metric -> the better direction"""
CLASSIFICATION: tuple[str, ...] = tuple(
    task for task, rules in RULES.items() if rules.losses == _CLASSIFICATION_LOSSES
)
