"""The tasks that an experiment can name: what a batch, a loss, a metric and a prediction is.

A task is a folder here, found by its name. Its `rules.py` says in `RULES` what fits it and what it reports,
and needs no torch, so that an experiment is checked anywhere. Its `task.py` has what it does, as a function
`make(train, data) -> Task`. Others ask the rules and name no task: `docs/tasks.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from tuner.errors import ExperimentError
from tuner.tasks.rules import TaskRules

if TYPE_CHECKING:  # Who asks for the rules only need not wait for torch.
    from tuner.tasks.base import Targets, Task, Training

__all__ = ["RULES", "TaskRules", "get", "names_of"]


def _find() -> dict[str, TaskRules]:
    names = [module.name for module in iter_modules(__path__) if module.ispkg]
    rules = {name: import_module(f"{__name__}.{name}.rules").RULES for name in names}
    return dict(sorted(rules.items(), key=lambda item: item[1].place))


RULES = _find()
"""Of each task by its name."""


def names_of(fits: Callable[[TaskRules], bool]) -> list[str]:
    """The tasks whose rules are such."""
    return [name for name, rules in RULES.items() if fits(rules)]


def get(task: str, train: Training, manifest: Targets) -> Task:
    """The task named `task` for the data of `manifest`; ExperimentError when `train.loss` does not fit."""
    allowed = RULES[task].losses
    if train.loss not in allowed:
        raise ExperimentError(
            f"train.loss must fit the task, but found {train.loss} with {task}; "
            f"use one of {', '.join(allowed)}"
        )
    made: Task = import_module(f"{__name__}.{task}.task").make(train, manifest)
    return made
