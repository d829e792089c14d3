"""What is asked of a task without torch: `RULES` in `rules.py` of its folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tuner.tasks.metrics import Mode

DataKind = Literal["rows", "images", "recordings", "texts", "running_text", "pairs"]
"""What a row of the data is, which decides how it is prepared: a row of a table, an image, a recording, a
text (or two that belong together), a stretch of text, or a text and the text that it is to become."""
TargetKind = Literal["classes", "values", "tokens"]
"""What is told of a row: one of some classes, a number, or tokens."""

CLASSIFICATION_LOSSES = ("auto", "cross_entropy", "bce")
TOKEN_LOSSES = ("auto", "cross_entropy")
TABLES = ("csv", "jsonl", "parquet", "npz")
MASKS = ("time_mask", "frequency_mask")
MIXING = ("noise", "mixup")


@dataclass(frozen=True, kw_only=True)
class TaskRules:
    """What fits a task; names as an experiment file has them."""

    data: DataKind
    targets: TargetKind
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
    is_causal: bool = False
    """Whether what is told of a token may depend on those before it only."""
    place: int = 100
    """Where the task stands when tasks are listed; those of one place by their names."""

    @property
    def reads_texts(self) -> bool:
        """Whether a row is made of tokens."""
        return self.data in ("texts", "running_text", "pairs")
