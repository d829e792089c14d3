"""The table of trials: one `TrialRow` each, and `trials.csv`.

Columns: number, state, reason, param/<name> ..., best/<metric> ..., last/<metric> ..., objective/<metric>
..., confirmed/<figure> ..., reports, steps, seconds, gpu_seconds, retries, confirms, seed, donor, nodes.
An empty cell is absent, never 0. Parameters are written as JSON, so that text, numbers, booleans and null
come back as they were; a parameter that was not active is an empty cell. A table of an earlier version lacks
the columns that came later: they are absent.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import ResultsError
from tuner.records.files import atomic_write
from tuner.records.states import TrialState

if TYPE_CHECKING:
    import pandas as pd

_UNSOUND = {TrialState.FAILED, TrialState.DIVERGED, TrialState.INFEASIBLE}
_GROUPS = {
    "params": "param/",
    "best": "best/",
    "last": "last/",
    "objectives": "objective/",
    "confirmed": "confirmed/",
}
_NUMBERS = ["reports", "steps", "seconds", "gpu_seconds", "retries", "confirms", "seed", "donor"]
_READABLE = str.maketrans({"\r": "\n", "\0": "\\0"})
"""What csv's reader takes for the end of a line (progress bars write it) or, before Python 3.11, refuses."""
_TYPES = {
    "number": "int64",
    "state": "str",
    "reason": "str",
    "reports": "int64",
    "steps": "Int64",
    "seconds": "float64",
    "gpu_seconds": "float64",
    "retries": "int64",
    "confirms": "Int64",
    "seed": "Int64",
    "donor": "Int64",
    "nodes": "str",
}


@dataclass
class TrialRow:
    """What is known of one trial."""

    number: int
    state: TrialState
    params: dict[str, Any]
    reason: str = ""
    """Why it ended, in words."""
    best: dict[str, float] = field(default_factory=dict)
    """Metric to its best finite value over the reports."""
    last: dict[str, float] = field(default_factory=dict)
    """Metric to its value in the last report that had it."""
    objectives: dict[str, float] = field(default_factory=dict)
    """Of a search with several: each objective in the report with the best value of the first, whose weights
    are kept."""
    reports: int = 0
    steps: int | None = None
    """Updates of the weights; None where nobody counted them."""
    seconds: float | None = None
    """From its start to its last report or end."""
    gpu_seconds: float | None = None
    """`seconds` times the GPUs that it held; None where there were none."""
    nodes: tuple[str, ...] = ()
    """Host names of its ranks."""
    retries: int = 0
    """Times that it began again after a fault."""
    confirms: int | None = None
    """Number of the trial that this one repeats with a fresh seed; None for a trial of the search."""
    seed: int | None = None
    """The fresh seed; None for a trial of the search, whose seed is in the experiment."""
    donor: int | None = None
    """Number of the trial from whose checkpoint this one began; None where it began from scratch."""
    confirmed: dict[str, float] = field(default_factory=dict)
    """What fresh runs say of this trial: figures by name, see `tuner.records.confirmation.note`."""

    @property
    def is_sound(self) -> bool:
        """Whether it neither failed, diverged nor broke a constraint."""
        return self.state not in _UNSOUND

    @property
    def is_judged(self) -> bool:
        """Whether searcher and scheduler hear of it: it is neither a fresh run nor a clone."""
        return self.confirms is None and self.donor is None


def search_rows(rows: Iterable[TrialRow]) -> list[TrialRow]:
    """The rows of the search itself, without the runs that repeat one of them with a fresh seed."""
    return [row for row in rows if row.confirms is None]


def ranked_rows(rows: Iterable[TrialRow], metric: str, mode: str) -> list[TrialRow]:
    """The search's sound rows with a value of `metric`, the best first; among equals the earlier first."""
    sound = [row for row in search_rows(rows) if row.is_sound and metric in row.best]
    sign = 1 if mode == "min" else -1
    return sorted(sound, key=lambda row: sign * row.best[metric])


def best_row(rows: Iterable[TrialRow], metric: str, mode: str) -> TrialRow | None:
    """The search's row with the best value of `metric` among those that neither failed nor diverged."""
    return next(iter(ranked_rows(rows, metric, mode)), None)


def write_trials(path: Path, rows: Sequence[TrialRow]) -> None:
    """Writes the whole table, atomically."""
    atomic_write(path, as_csv(rows))


def as_csv(rows: Sequence[TrialRow]) -> bytes:
    """The table as `write_trials` writes it."""
    cells = [_cells(row) for row in rows]
    columns = column_names(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    # A reason may quote a file's name that is no valid text.
    return text.getvalue().encode(errors="backslashreplace")


def read_trials(path: Path) -> list[TrialRow]:
    """The rows of a table that `write_trials` wrote.

    Raises:
        ResultsError: it is damaged.
    """
    return TrialsTable(path).read()


class TrialsTable:
    """A table that is read again and again: rows that are as they were are not taken apart once more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._columns: list[str] = []
        self._rows: dict[tuple[str, ...], TrialRow] = {}
        """By their cells."""

    def read(self) -> list[TrialRow]:
        """As `read_trials`; a row that is as it was is the same object."""
        try:
            columns, *lines = _read_cells(self._path.read_bytes().decode())
            before = self._rows if columns == self._columns else {}
            apart = _Apart(columns)
            self._rows = {cells: before.get(cells) or apart.row(cells) for cells in map(tuple, lines)}
        except (OSError, ValueError, KeyError, csv.Error, RecursionError) as error:
            raise ResultsError(
                f"a table of trials must be as it was written, but {self._path} is not "
                f"({type(error).__name__}: {error}); put back a copy of it"
            ) from error
        self._columns = columns
        return list(self._rows.values())


def _read_cells(text: str) -> list[list[str]]:
    """Names of the columns, then the rows."""
    if not text.endswith("\n"):
        raise ValueError("it ends in the middle of a line")
    return list(csv.reader(io.StringIO(text, newline="")))


def trials_frame(rows: Sequence[TrialRow]) -> "pd.DataFrame":
    """One row a trial, columns as in `trials.csv`, typed; absent is missing, and so is NaN."""
    import pandas as pd

    records = ({name: _as_text(value) for name, value in flat(row).items()} for row in rows)
    frame: pd.DataFrame = pd.DataFrame(records, columns=column_names(rows)).astype(_TYPES)
    return frame


def _as_text(value: Any) -> Any:
    """Strings as pandas takes them: a parameter may be a file's name that is no valid text."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def column_names(rows: Iterable[TrialRow]) -> list[str]:
    """The columns of `trials.csv`: of its groups only those that some row has."""
    rows = list(rows)
    groups = [
        prefix + name
        for group, prefix in _GROUPS.items()
        for name in dict.fromkeys(name for row in rows for name in getattr(row, group))
    ]
    return ["number", "state", "reason", *groups, *_NUMBERS, "nodes"]


def by_column(rows: Sequence[TrialRow]) -> dict[str, list[Any]]:
    """Column to the values of all rows, as `flat` has them; None where a row lacks one."""
    groups = {
        prefix + name: [getattr(row, group).get(name) for row in rows]
        for group, prefix in _GROUPS.items()
        for name in dict.fromkeys(name for row in rows for name in getattr(row, group))
    }
    return {
        "number": [row.number for row in rows],
        "state": [row.state.value for row in rows],
        "reason": [row.reason for row in rows],
        **groups,
        **{name: [getattr(row, name) for row in rows] for name in _NUMBERS},
        "nodes": [",".join(row.nodes) for row in rows],
    }


def flat(row: TrialRow) -> dict[str, Any]:
    """Column -> value, without groups' columns that the row lacks."""
    return (
        {"number": row.number, "state": row.state.value, "reason": row.reason}
        | _grouped(row)
        | _numbers(row)
        | {"nodes": ",".join(row.nodes)}
    )


def _grouped(row: TrialRow) -> dict[str, Any]:
    return {
        prefix + name: value
        for group, prefix in _GROUPS.items()
        for name, value in getattr(row, group).items()
    }


def _numbers(row: TrialRow) -> dict[str, float | None]:
    return {name: getattr(row, name) for name in _NUMBERS}


def _cells(row: TrialRow) -> dict[str, str]:
    reason = row.reason.translate(_READABLE)
    return (
        {"number": str(row.number), "state": row.state.value, "reason": reason}
        | {f"param/{name}": json.dumps(value, ensure_ascii=False) for name, value in row.params.items()}
        | {f"best/{name}": repr(float(value)) for name, value in row.best.items()}
        | {f"last/{name}": repr(float(value)) for name, value in row.last.items()}
        | {f"objective/{name}": repr(float(value)) for name, value in row.objectives.items()}
        | {f"confirmed/{name}": repr(value) for name, value in row.confirmed.items()}
        | {name: "" if value is None else repr(value) for name, value in _numbers(row).items()}
        | {"nodes": ",".join(row.nodes)}
    )


class _Apart:
    """Takes the rows of a table apart."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._grouped = [
            (place, group, column.removeprefix(prefix), json.loads if group == "params" else float)
            for place, column in enumerate(columns)
            for group, prefix in _GROUPS.items()
            if column.startswith(prefix)
        ]

    def row(self, cells: Sequence[str]) -> TrialRow:
        cell = dict(zip(self._columns, cells, strict=True))
        groups: dict[str, dict[str, Any]] = {group: {} for group in _GROUPS}
        for place, group, name, read in self._grouped:
            if cells[place]:
                groups[group][name] = read(cells[place])
        if int(cell["number"]) < 0:
            raise ValueError("a trial has a negative number")
        return TrialRow(
            number=int(cell["number"]),
            state=TrialState(cell["state"]),
            reason=cell["reason"],
            reports=int(cell["reports"]),
            steps=_whole(cell["steps"]),
            seconds=_number(cell["seconds"]),
            gpu_seconds=_number(cell["gpu_seconds"]),
            nodes=tuple(cell["nodes"].split(",")) if cell["nodes"] else (),
            retries=_whole(cell.get("retries", "")) or 0,
            confirms=_whole(cell.get("confirms", "")),
            seed=_whole(cell.get("seed", "")),
            donor=_whole(cell.get("donor", "")),
            **groups,
        )


def _whole(cell: str) -> int | None:
    return int(cell) if cell else None


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
