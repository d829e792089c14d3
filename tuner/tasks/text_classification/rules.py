"""What fits texts of classes."""

from tuner.tasks.metrics import CLASSIFICATION_METRICS
from tuner.tasks.rules import CLASSIFICATION_LOSSES, TaskRules

RULES = TaskRules(
    data="texts",
    targets="classes",
    metrics=CLASSIFICATION_METRICS,
    sources=("labelled_text", "huggingface with text and label"),
    models=("rnn", "transformer", "pretrained"),
    losses=CLASSIFICATION_LOSSES,
    augmentations=("token_dropout",),
    place=4,
)
