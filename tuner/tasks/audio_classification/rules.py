"""What fits recordings of classes."""

from tuner.tasks.metrics import CLASSIFICATION_METRICS
from tuner.tasks.rules import CLASSIFICATION_LOSSES, MASKS, MIXING, TaskRules

RULES = TaskRules(
    data="recordings",
    targets="classes",
    metrics=CLASSIFICATION_METRICS,
    sources=("audio",),
    models=("mlp", "cnn", "resnet", "rnn", "transformer", "pretrained"),
    losses=CLASSIFICATION_LOSSES,
    augmentations=(*MASKS, *MIXING),
    place=6,
)
