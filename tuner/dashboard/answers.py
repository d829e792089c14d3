"""What the dashboard says of experiments, as plain trees for JSON.

A table is columnar, `{"columns": [names], "data": {name: [values]}}`. In JSON a number that is not finite is
null.
"""

import codecs
import math
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.dashboard.decision_log import COLUMNS as DECISION_COLUMNS
from tuner.dashboard.decision_log import first_and_last
from tuner.dashboard.laps import COLUMNS as LAP_COLUMNS
from tuner.dashboard.reading import Reading
from tuner.errors import TunerError
from tuner.records.paths import TrialPaths
from tuner.records.rows import TrialRow, best_row, column_names, flat, search_rows
from tuner.records.states import TrialState
from tuner.results.confirmation import as_json, in_words
from tuner.spec import Choice, Parameter

if TYPE_CHECKING:
    from tuner.search.importance import Method

LOG_BYTES = 1 << 16
STATES = {"running": "running", "done": "ended", "interrupted": "interrupted"}


def table(columns: Sequence[str], data: Mapping[str, Iterable[Any]]) -> dict[str, Any]:
    """A table as it is sent."""
    return {
        "columns": list(columns),
        "data": {name: [plain(value) for value in data[name]] for name in columns},
    }


def plain(value: Any) -> Any:
    """As JSON can hold it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def trials(rows: Sequence[TrialRow]) -> dict[str, Any]:
    """One row a trial, columns as in `trials.csv`."""
    flats = [flat(row) for row in rows]
    columns = column_names(rows)
    return table(columns, {name: [each.get(name) for each in flats] for name in columns})


def summary(name: str, reading: Reading) -> dict[str, Any]:
    """An experiment's line in the overview; of one that cannot be read its error."""
    try:
        with reading.now() as now:
            return _summary(name, now)
    except TunerError as error:
        return {key: None for key in _SUMMARY} | {"name": name, "state": "unreadable", "error": str(error)}


_SUMMARY = (
    *(
        "name",
        "task",
        "state",
        "metric",
        "mode",
        "best",
        "best_trial",
        "finished",
        "trials",
        "running",
        "failed",
    ),
    *("seconds", "gpu_seconds", "started_s", "event_age_s", "error"),
)


def _summary(name: str, now: Reading) -> dict[str, Any]:
    result, rows = now.result, search_rows(now.rows.values())
    best = best_row(rows, result.metric, result.mode)
    gpu_seconds = [row.gpu_seconds for row in now.rows.values() if row.gpu_seconds is not None]
    begun, last = first_and_last(now.paths.decisions) or ({}, {})
    found = {
        "name": name,
        "task": result.settings.get("task"),
        "state": STATES[now.standing],
        "metric": result.metric,
        "mode": result.mode,
        "best": best and best.best[result.metric],
        "best_trial": best and best.number,
        "finished": sum(row.state.is_finished() for row in rows),
        "trials": result.settings["search"]["trials"],
        "running": sum(row.state is TrialState.RUNNING for row in now.rows.values()),
        "failed": sum(row.state is TrialState.FAILED for row in rows),
        "seconds": last.get("spent_s"),
        "gpu_seconds": sum(gpu_seconds) if gpu_seconds else None,
        "started_s": begun.get("time_s"),
        "event_age_s": max(0.0, time.time() - last["time_s"]) if last else None,
        "error": None,
    }
    assert tuple(found) == _SUMMARY
    return found


def details(name: str, now: Reading) -> dict[str, Any]:
    """What one experiment is: its file, its axes, its metrics, how it goes on."""
    result, standing = now.result, now.standing
    confirmation = now.confirmation
    return {
        "name": name,
        "task": result.settings.get("task"),
        "metric": result.metric,
        "mode": result.mode,
        "state": STATES[standing],
        "settings": plain(result.settings),
        "axes": [_axis(parameter) for parameter in now.experiment.space.parameters],
        "metrics": _metrics(now),
        "objectives": result.objectives,
        "max_reports": result.max_reports,
        "environment": _environment(now),
        "confirmation": confirmation and as_json(confirmation) | {"in_words": in_words(confirmation)},
        "hints": _hints(now, standing),
    }


def decisions(columns: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """All lines of `decisions.jsonl`, or of one trial, without the metrics of the reports."""
    return table(DECISION_COLUMNS, columns)


def timeline(now: Reading) -> dict[str, Any]:
    """Who had which gang, from when to when, in seconds of searching."""
    laps = now.log.laps
    return table(LAP_COLUMNS, laps.columns) | {"num_gangs": laps.num_gangs, "began_s": now.log.began_s}


def trial(now: Reading, number: int) -> dict[str, Any]:
    """All that is known of one trial, and what the best one has instead."""
    row = now.rows[number]
    best = best_row(now.rows.values(), now.result.metric, now.result.mode)
    told = rows_of(now.log.columns, number)
    return {
        "row": {column: plain(value) for column, value in flat(row).items()},
        "params": plain(row.params),
        "best": best and {"trial": best.number, "params": best.params},
        "checkpoints": _checkpoints(now.paths.trial(number)),
        "faults": _faults(told),
        "decisions": decisions(told),
        "timeline": table(LAP_COLUMNS, rows_of(now.log.laps.columns, number)),
    }


def importance(reading: Reading, metric: str | None, method: "Method") -> dict[str, Any]:
    """The parameters that a metric (None: the searched one) depends on, or why nobody can tell."""
    from tuner.search.importance import MIN_TRIALS, importances  # Optuna takes a second to load.

    with reading.now() as now:
        metric = metric or now.result.metric
        mode, space = now.mode_of(metric), now.experiment.space
        rows = [row for row in search_rows(now.rows.values()) if row.is_sound and metric in row.best]
        tried = [(row.params, row.best[metric]) for row in rows]
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


def log_part(log: Path, offset: int | None) -> dict[str, Any]:
    """At most 64 KiB of a trial's log from `offset`, in bytes; None: its end. Whole characters only."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            begin = max(0, size - LOG_BYTES) if offset is None else min(offset, size)
            file.seek(begin)
            content = file.read(LOG_BYTES)
    except OSError:  # It has printed nothing yet.
        size, begin, content = 0, 0, b""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(content)
    unread, _ = decoder.getstate()
    return {"text": text, "offset": begin, "next": begin + len(content) - len(unread), "size": size}


def rows_of(columns: Mapping[str, Sequence[Any]], trial: int) -> dict[str, list[Any]]:
    """The rows of a table that are about the trial."""
    found = [index for index, number in enumerate(columns["trial"]) if number == trial]
    return {name: [values[index] for index in found] for name, values in columns.items()}


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
        return now.result.environment()
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
