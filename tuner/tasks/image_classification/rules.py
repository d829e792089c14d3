"""What fits images of classes."""

from tuner.tasks.metrics import CLASSIFICATION_METRICS
from tuner.tasks.rules import CLASSIFICATION_LOSSES, MASKS, MIXING, TaskRules

RULES = TaskRules(
    data="images",
    targets="classes",
    metrics=CLASSIFICATION_METRICS,
    sources=("digits", "npz", "image_folder"),
    models=("mlp", "cnn", "resnet", "pretrained"),
    losses=CLASSIFICATION_LOSSES,
    augmentations=(
        *("rotate", "scale", "translate", "flip"),
        *("brightness", "contrast", "saturation", "hue", "crop", "cutout"),
        *MASKS,
        *MIXING,
    ),
    place=1,
)
