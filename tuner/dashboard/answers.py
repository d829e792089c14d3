"""What the dashboard says of an experiment of ours, as plain trees for JSON."""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, nan
from pathlib import Path
from typing import Any

from tuner.dashboard.decision_log import COLUMNS as DECISION_COLUMNS
from tuner.dashboard.decision_log import first_and_last
from tuner.dashboard.dependences import Dependences
from tuner.dashboard.following import POLL_S, Method
from tuner.dashboard.laps import COLUMNS as LAP_COLUMNS
from tuner.dashboard.reading import Reading
from tuner.dashboard.tables import plain, rows_of, table
from tuner.errors import TunerError
from tuner.records.passwords import masked
from tuner.records.paths import TrialPaths
from tuner.records.rows import as_csv, best_row, by_column, flat, search_rows
from tuner.records.states import TrialState
from tuner.results.confirmation import as_json, in_words
from tuner.results.experiment_trials import note_columns
from tuner.spec import Choice, Parameter
from tuner.tasks.metrics import SYSTEM_METRICS

STATES = {"running": "running", "done": "ended", "interrupted": "interrupted"}


class Answering(Reading):
    """An experiment of ours that tells of itself what `Followed` asks."""

    def __init__(self, folder: Path, poll_s: float = POLL_S) -> None:
        super().__init__(folder, poll_s)
        self._dependences = Dependences()

    @property
    def first_tag(self) -> str:
        return next(iter(_metrics(self)), self.result.metric)

    def trials(self, numbers: Sequence[int]) -> dict[str, Any]:
        rows = [self.rows[number] for number in numbers]
        columns = by_column(rows) | note_columns(self.notes, numbers)
        return table(list(columns), columns)

    def summary(self) -> dict[str, Any]:
        result, rows = self.result, search_rows(self.rows.values())
        best = best_row(rows, result.metric, result.mode)
        begun, last = first_and_last(self.paths.decisions) or ({}, {})
        standing = self.standing
        running = [row for row in self.rows.values() if row.state is TrialState.RUNNING]
        return {
            "name": self.name,
            "task": result.settings.get("task"),
            "state": STATES[standing],
            "metric": result.metric,
            "mode": result.mode,
            "best": best and best.best[result.metric],
            "best_trial": best and best.number,
            "finished": sum(row.state.is_finished() for row in rows),
            "trials": self.num_planned,
            "running": len(running) if standing == "running" else 0,
            "failed": sum(row.state is TrialState.FAILED for row in rows),
            "seconds": last.get("spent_s"),
            "trial_seconds": _sum(row.seconds for row in self.rows.values()),
            "gpu_seconds": _sum(row.gpu_seconds for row in self.rows.values()),
            "started_s": begun.get("time_s"),
            "event_age_s": max(0.0, time.time() - last["time_s"]) if last else None,
            "error": None,
        }

    def details(self) -> dict[str, Any]:
        result, standing = self.result, self.standing
        confirmation = self.confirmation
        return {
            "name": self.name,
            "task": result.settings.get("task"),
            "metric": result.metric,
            "mode": result.mode,
            "state": STATES[standing],
            "settings": masked(plain(result.settings)),
            "axes": [_axis(parameter) for parameter in self.experiment.space.parameters],
            "metrics": _metrics(self),
            "system": list(SYSTEM_METRICS),
            "objectives": result.objectives,
            "max_reports": result.max_reports,
            "environment": _environment(self),
            "confirmation": confirmation and as_json(confirmation) | {"in_words": in_words(confirmation)},
            "hints": _hints(self, standing),
        }

    def decisions(self) -> dict[str, Any]:
        return table(DECISION_COLUMNS, self.log.columns)

    def timeline(self) -> dict[str, Any]:
        laps = self.log.laps
        return table(LAP_COLUMNS, laps.columns) | {"num_gangs": laps.num_gangs, "began_s": self.log.began_s}

    def trial(self, number: int) -> dict[str, Any]:
        row = self.rows[number]
        best = best_row(self.rows.values(), self.result.metric, self.result.mode)
        log = self.log
        told = rows_of(log.columns, number)
        return {
            "row": {column: plain(value) for column, value in flat(row).items()},
            "params": plain(row.params),
            "best": best and {"trial": best.number, "params": best.params},
            "checkpoints": _checkpoints(self.paths.trial(number)),
            "faults": _faults(told),
            "decisions": table(DECISION_COLUMNS, told),
            "timeline": table(LAP_COLUMNS, rows_of(log.laps.columns, number)),
            "is_held": number in log.held and not row.state.is_finished(),
        }

    def importance(self, metric: str | None, method: Method) -> dict[str, Any]:
        from tuner.search.importance import MIN_TRIALS, importances  # Optuna takes a second to load.

        with self.now() as now:
            metric = metric or now.result.metric
            mode, space = now.mode_of(metric), now.experiment.space
            tried = _tried(now, metric)
        # Others need not wait for it.
        found = importances(space, tried, mode, method)
        need = f"importances need {MIN_TRIALS} trials with values of {metric} that are not all equal"
        return {
            "importances": [
                {"name": name, "importance": plain(share), "spread": plain(spread)}
                for name, share, spread in found
            ],
            "n": len(tried),
            "note": None if found else f"{need}; found {len(tried)}.",
        }

    def dependence(self, metric: str | None, names: Sequence[str]) -> dict[str, Any]:
        with self.now() as now:
            metric = metric or now.result.metric
            space, tried, of = now.experiment.space, _tried(now, metric), (now.version, metric)
        return self._dependences.told(of, space, tried, tuple(names))

    def table(self) -> bytes:
        return as_csv(list(self.rows.values()))


def _sum(values: Iterable[float | None]) -> float | None:
    """Of those that are known, if any is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _tried(now: Reading, metric: str) -> list[tuple[Mapping[str, Any], float]]:
    """Parameters and values of the search's sound trials that have a finite one."""
    rows = [row for row in search_rows(now.rows.values()) if row.is_sound]
    return [(row.params, row.best[metric]) for row in rows if isfinite(row.best.get(metric, nan))]


def _axis(parameter: Parameter) -> dict[str, Any]:
    domain = parameter.domain
    axis = {"name": parameter.name, "kind": type(domain).__name__.lower(), "when": dict(parameter.conditions)}
    if isinstance(domain, Choice):
        return axis | {"choices": list(domain.labels)}
    return axis | {"low": domain.low, "high": domain.high, "log": domain.log, "step": domain.step}


def _metrics(now: Reading) -> list[str]:
    """Tags of curves: what is compared first, then validation, then the rest."""
    known = {tag for row in now.rows.values() for tag in row.last}
    compared = [metric for metric in now.result.objectives if metric in known]
    rest = sorted(known.difference(compared), key=lambda tag: (not tag.startswith("val/"), tag))
    return [*compared, *rest]


def _environment(now: Reading) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = masked(now.result.environment())
        return found
    except TunerError:  # It is told of the experiment, but nothing depends on it.
        return None


def _hints(now: Reading, standing: str) -> list[str]:
    """What can be done from a terminal."""
    root = now.paths.root
    if standing == "running":
        return [f"tuner stop {root}"]
    if standing == "done":
        return [f"tuner best {root} --export best"]
    if now.result.is_function:
        return [f'tuner.resume("{root}", train=function)']
    return [f"tuner resume {root}"]


def _checkpoints(trial: TrialPaths) -> list[dict[str, Any]]:
    """The newest first, and the weights of the best report."""
    if not trial.checkpoints.is_dir():
        return []
    found = [path for path in trial.checkpoints.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return [_checkpoint(path) for path in sorted(found, reverse=True)]


def _checkpoint(folder: Path) -> dict[str, Any]:
    position = re.fullmatch(r"(\d{6,})_\d{10,}", folder.name)
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    return {
        "name": folder.name,
        "report": int(position[1]) if position else None,
        "bytes": sum(sizes),
        "at_s": folder.stat().st_mtime,
    }


def _faults(told: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Each time that it began again, or failed."""
    lines = [dict(zip(told, values, strict=True)) for values in zip(*told.values(), strict=True)]
    return [
        {"at_s": line["at_s"], "fault": line["fault"], "reason": line["reason"]}
        for line in lines
        if line["action"] == "RETRY" or line["state"] == TrialState.FAILED.value
    ]
