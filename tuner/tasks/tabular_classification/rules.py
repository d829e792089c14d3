"""What fits rows of classes."""

from tuner.tasks.metrics import CLASSIFICATION_METRICS
from tuner.tasks.rules import CLASSIFICATION_LOSSES, MIXING, TABLES, TaskRules

RULES = TaskRules(
    data="rows",
    targets="classes",
    metrics=CLASSIFICATION_METRICS,
    sources=("digits", "iris", "wine", "breast_cancer", *TABLES, "two_class", "huggingface"),
    models=("mlp",),
    losses=CLASSIFICATION_LOSSES,
    augmentations=MIXING,
    place=2,
)
