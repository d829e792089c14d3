"""One trial's sections together."""

from tuner.spec.sections.base import Section
from tuner.spec.sections.data import DataSpec
from tuner.spec.sections.model import ModelSpec
from tuner.spec.sections.train import TrainSpec
from tuner.spec.tasks import TaskName


class TrialSpec(Section):
    """One trial's concrete configuration."""

    task: TaskName
    data: DataSpec
    model: ModelSpec
    train: TrainSpec

    def with_seed(self, seed: int) -> "TrialSpec":
        """The same with other initial weights, order and dropout; the split of the data stays."""
        return self.model_copy(update={"train": self.train.model_copy(update={"seed": seed})})
