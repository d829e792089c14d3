"""Trials of earlier experiments, as far as they lie in the space that is searched now.

    earlier = earlier_trials(space, search)        # of the folders in search.warm_start

A trial is used when every parameter that would be active here has a value inside its domain. The value is
what the earlier trial searched under the same name, else what its configuration had at that path: written in
its file, or the default of its section. Where a function of one's own trained and knew no such key, the value
is taken to be the middle of the range, or the first option. A trial that copied another one on its way, with
other parameters from there on, is left out, and so is one that began from another one's checkpoint.
Parameters that only the earlier search had are ignored. At least one parameter must have been searched in
both.

Whether metric and direction are the same is checked; whether data and length of training are, is not: an
experiment on other data is a fair start, as long as its values are on the same scale. Curves come from the
earlier study's journal where it is still there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import optuna

from tuner.errors import ExperimentError, ResultsError
from tuner.records.files import read_lines
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, read_trials, search_rows
from tuner.records.states import TrialState
from tuner.search.constraints import FITS, violations
from tuner.search.distributions import middle
from tuner.search.history import Observation, last_of
from tuner.search.storage import read_journal
from tuner.spec.domains import option_label
from tuner.spec.experiment import Experiment
from tuner.spec.points import as_value
from tuner.spec.problems import Problems
from tuner.spec.reading import read_file
from tuner.spec.sections import SearchSpec
from tuner.spec.space import Parameter, Space, space_of
from tuner.spec.template import materialise, parse


class _Outside(Exception):
    """The trial has no place in the space."""


def earlier_trials(space: Space, search: SearchSpec) -> list[Observation]:
    """The trials of all folders in `search.warm_start` that lie in `space`.

    Raises:
        ExperimentError: a folder is no experiment, has another metric, has no trial that ended, or none
            in the space.
        ResultsError: a folder's files are damaged.
    """
    return [seen for folder in search.warm_start for seen in _read(Path(folder), space, search)]


def _read(folder: Path, space: Space, search: SearchSpec) -> list[Observation]:
    paths = ExperimentPaths(folder)
    if not paths.experiment_yaml.is_file():
        raise ExperimentError(
            "search.warm_start must name folders of earlier experiments, which hold experiment.yaml; "
            f"{folder} has none; correct the path"
        )
    earlier = _Earlier.read(paths)
    _check_metric(folder, earlier, search)
    rows = search_rows(read_trials(paths.trials_csv)) if paths.trials_csv.is_file() else []
    copies = {line.get("trial") for line in read_lines(paths.decisions) if line.get("action") == "EXPLOIT"}
    rows = [row for row in rows if row.state.is_finished() and row.donor is None and row.number not in copies]
    if not rows:
        raise ExperimentError(
            f"search.warm_start needs trials that have ended; found none in {folder}; leave it out"
        )
    curves = _curves(paths.journal)
    found = [_observe(row, curves.get(row.number, {}), earlier, space, search) for row in rows]
    inside = [seen for seen in found if seen is not None]
    if not inside or not earlier.shares(space):
        theirs, ours = _names(earlier.space), _names(space)
        raise ExperimentError(
            "search.warm_start needs an experiment whose space overlaps with this one; found no trial of "
            f"{folder} inside (it searched {theirs}; this one searches {ours}); leave it out"
        )
    return inside


def _names(space: Space) -> str:
    return ", ".join(parameter.name for parameter in space.parameters) or "nothing"


def _check_metric(folder: Path, earlier: "_Earlier", search: SearchSpec) -> None:
    if (earlier.metric, earlier.mode) != (search.metric, search.mode):
        raise ExperimentError(
            f"search.warm_start needs experiments with the same metric; {folder} has {earlier.metric} "
            f"({earlier.mode}), not {search.metric} ({search.mode}); leave it out"
        )


@dataclass(frozen=True)
class _Earlier:
    """An earlier experiment's file."""

    metric: str
    mode: str
    template: Mapping[str, Any]
    space: Space
    experiment: Experiment | None
    """None where a function trained, which the file cannot hold."""

    @classmethod
    def read(cls, paths: ExperimentPaths) -> "_Earlier":
        tree, _ = read_file(paths.experiment_yaml)
        if isinstance(tree, dict) and "function" in tree:
            return cls._of_function(paths, tree)
        experiment = Experiment.load(paths.experiment_yaml)
        search = experiment.search
        return cls(search.metric, search.mode, experiment.template, experiment.space, experiment)

    @classmethod
    def _of_function(cls, paths: ExperimentPaths, tree: dict[str, Any]) -> "_Earlier":
        search: Any = tree.get("search")
        problems = Problems()
        template = parse({"space": tree.get("space")}, {}, problems)["space"]
        problems.raise_if_any()
        is_sound = isinstance(search, dict) and {"metric", "mode"} <= search.keys()
        if not (is_sound and isinstance(template, dict)):
            raise ResultsError(
                "an experiment's file must hold its space, metric and mode, but "
                f"{paths.experiment_yaml} does not; put back a copy of it"
            )
        return cls(search["metric"], search["mode"], template, space_of(template), None)

    def shares(self, space: Space) -> bool:
        """Whether something is searched in both."""
        names = {parameter.name for parameter in space.parameters}
        return any(parameter.name in names for parameter in self.space.parameters)

    def config(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """All that a trial was trained with, defaults included."""
        if self.experiment is not None:
            return self.experiment.resolve(params).model_dump()
        self.space.check(params)
        config: Mapping[str, Any] = materialise(self.template, params)
        return config


def _observe(
    row: TrialRow, curve: dict[int, float], earlier: _Earlier, space: Space, search: SearchSpec
) -> Observation | None:
    try:
        config = earlier.config(row.params)
        params = space.walk(partial(_value, row.params, config, earlier.experiment is None))
    except (_Outside, ExperimentError):  # the latter: a trial that broke a rule, also that of its own space
        return None
    metrics = row.last | row.objectives
    broken = violations(search.constraints, row.last)
    does_fit = row.state is not TrialState.INFEASIBLE or any(value > 0 for value in broken.values())
    return Observation(
        number=None,
        params=params,
        curve=curve or _last_report(row, search.metric),
        state=row.state,
        value=row.best.get(search.metric) if row.state is TrialState.COMPLETE else last_of(curve),
        metrics={name: metrics[name] for name in (*search.also, *search.constraints) if name in metrics},
        constraints=broken if does_fit else {**broken, FITS: 1.0},
    )


def _last_report(row: TrialRow, metric: str) -> dict[int, float]:
    return {row.reports: row.last[metric]} if metric in row.last else {}


def _value(params: Mapping[str, Any], config: Any, is_function: bool, parameter: Parameter) -> Any:
    """The value of our parameter in an earlier trial. Raises _Outside when there is none in its domain."""
    raw = params[parameter.name] if parameter.name in params else _at(config, parameter.name)
    if raw is _Outside:
        if not is_function:
            raise _Outside
        raw = middle(parameter.domain)
    value = as_value(parameter.domain, raw)
    if not parameter.domain.contains(value):
        raise _Outside
    return value


def _at(config: Any, name: str) -> Any:
    """What a configuration holds at a parameter's path, the label where that is a mapping; else _Outside."""
    node = config
    for part in name.split("."):
        if isinstance(node, Mapping) and part in node:
            node = node[part]
        elif not (isinstance(node, Mapping) and node.get("type") == part):
            return _Outside
    return option_label(node, 0)


def _curves(journal: Path) -> dict[int, dict[int, float]]:
    """Trial -> report -> value, of a study's journal; nothing where there is none."""
    if not journal.is_file():
        return {}
    storage = read_journal(journal)
    return {
        trial.number: dict(_sorted(trial))
        for study in storage.get_all_studies()
        for trial in storage.get_all_trials(study._study_id)
    }


def _sorted(trial: optuna.trial.FrozenTrial) -> Iterator[tuple[int, float]]:
    yield from sorted(trial.intermediate_values.items())
