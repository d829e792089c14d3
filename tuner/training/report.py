"""What a trial hands out at each validation, and what the search wants of it. Light: imports no torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tuner.records.states import TrialState


@dataclass(frozen=True)
class Objective:
    """The searched metric and its direction."""

    metric: str
    mode: Literal["min", "max"]
    also: tuple[str, ...] = ()
    """What else every report must hold: further objectives, bounded metrics."""

    def of(self, metrics: Mapping[str, float]) -> float | None:
        return metrics.get(self.metric)

    def is_better(self, value: float, than: float | None) -> bool:
        """Non-finite values are never better; anything finite is better than None."""
        if not math.isfinite(value):
            return False
        if than is None:
            return True
        return value < than if self.mode == "min" else value > than


Fault = Literal["error", "lost", "memory"]
"""The trial raised an error; a rank or its node is gone or hangs; out of memory."""


@dataclass(frozen=True)
class Report:
    """One row of metrics; `state` is set when the trial ended by itself with this report."""

    step: int
    """Reports so far, from 1: the resource that schedulers see."""
    metrics: dict[str, float]
    """Tag to value, e.g. `val/loss`."""
    state: TrialState | None = None
    reason: str = ""
    num_steps: int | None = None
    """Optimizer steps so far; None where they are not counted, as in a function of one's own."""
    fault: Fault | None = None
    """Why there is no report: the step failed, `reason` says how; `step` is that of the last report."""
    has_left: bool = False
    """The trial was told to leave: where it stands it is saved, if it can be, and there is no report."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a user's own training function is told about its trial."""

    number: int
    folder: str
    """The trial's folder under `results/`; files written here stay."""
    rank: int
    num_ranks: int
    device: str
    """`cpu` or `cuda:0`, ready for `torch.device`."""
    seed: int
    """`search.seed` in the search, another one in each fresh run of a confirmation. Whatever is random in the
    function must follow from it: fresh runs that ignore it repeat the search's luck."""
    num_reports: int = 0
    """Reports already handed out; above 0 the trial goes on: `folder` holds what the function had kept when
    it gave out the last of them, and its next `yield` is report `num_reports` + 1."""


@dataclass
class Patience:
    """Ends a training after `patience` reports without an improvement of more than `min_delta`."""

    objective: Objective
    patience: int
    min_delta: float
    best: float | None = None
    num_waited: int = 0

    def is_exhausted_by(self, value: float) -> bool:
        margin = -self.min_delta if self.objective.mode == "max" else self.min_delta
        if self.objective.is_better(value + margin, self.best):
            self.best, self.num_waited = value, 0
        else:
            self.num_waited += 1
        return self.num_waited >= self.patience

    def state(self) -> dict[str, Any]:
        return {"best": self.best, "num_waited": self.num_waited}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.best, self.num_waited = state["best"], state["num_waited"]
