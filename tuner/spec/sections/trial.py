"""One trial's sections together."""

from typing import Annotated

from pydantic import AfterValidator

from tuner.spec.domains import show
from tuner.spec.sections.base import Section, broken_rule
from tuner.spec.sections.data import DataSpec
from tuner.spec.sections.model import ModelSpec
from tuner.spec.sections.train import TrainSpec
from tuner.tasks import RULES


def _as_task(task: str) -> str:
    if task not in RULES:
        raise broken_rule(f"must be one of {', '.join(RULES)}; found {show(task)}")
    return task


class TrialSpec(Section):
    """One trial's concrete configuration."""

    task: Annotated[str, AfterValidator(_as_task)]
    data: DataSpec
    model: ModelSpec
    train: TrainSpec

    def with_seed(self, seed: int) -> "TrialSpec":
        """The same with other initial weights, order and dropout; the split of the data stays."""
        return self.model_copy(update={"train": self.train.model_copy(update={"seed": seed})})
