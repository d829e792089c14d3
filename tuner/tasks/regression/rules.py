"""What fits rows with a number."""

from tuner.tasks.metrics import REGRESSION_METRICS
from tuner.tasks.rules import MIXING, TABLES, TaskRules

RULES = TaskRules(
    data="rows",
    targets="values",
    metrics=REGRESSION_METRICS,
    sources=("diabetes", *TABLES, "huggingface"),
    models=("mlp",),
    losses=("auto", "mse", "huber"),
    augmentations=MIXING,
    smooths_labels=False,
    place=3,
)
