"""The table of trials comes back as it was written."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tuner.records.rows import (
    TrialRow,
    TrialsTable,
    best_row,
    by_column,
    column_names,
    flat,
    ranked_rows,
    read_trials,
    trials_frame,
    write_trials,
)
from tuner.records.states import TrialState

FULL = TrialRow(
    number=0,
    state=TrialState.COMPLETE,
    params={"train.optimizer": "adamw", "train.optimizer.adamw.lr": 1e-3, "train.batch_size": 32},
    reason="trained to its full budget",
    best={"val/loss": 0.1 + 0.2, "val/accuracy": 0.97},
    last={"val/loss": 0.4, "val/accuracy": 0.96, "train/loss": math.inf},
    reports=27,
    steps=270,
    seconds=1.5,
    gpu_seconds=0.0,
    nodes=("head", "worker-1"),
    confirmed={"runs": 2, "mean": 0.1 + 0.7, "gap": -0.5},
)
BARE = TrialRow(number=1, state=TrialState.QUEUED, params={"train.optimizer": "sgd"})
FRESH = TrialRow(number=2, state=TrialState.QUEUED, params={}, confirms=0, seed=2**31 - 1)


def written(tmp_path: Path, *rows: TrialRow) -> list[TrialRow]:
    write_trials(tmp_path / "trials.csv", rows)
    return read_trials(tmp_path / "trials.csv")


def header(tmp_path: Path) -> list[str]:
    return (tmp_path / "trials.csv").read_text().splitlines()[0].split(",")


def test_rows_come_back(tmp_path: Path) -> None:
    assert written(tmp_path, FULL, BARE, FRESH) == [FULL, BARE, FRESH]


def test_columns(tmp_path: Path) -> None:
    written(tmp_path, FULL, BARE)
    params = ["param/train.optimizer", "param/train.optimizer.adamw.lr", "param/train.batch_size"]
    metrics = ["best/val/loss", "best/val/accuracy", "last/val/loss", "last/val/accuracy", "last/train/loss"]
    figures = ["confirmed/runs", "confirmed/mean", "confirmed/gap"]
    numbers = ["reports", "steps", "seconds", "gpu_seconds", "retries", "confirms", "seed", "donor"]
    assert header(tmp_path) == ["number", "state", "reason", *params, *metrics, *figures, *numbers, "nodes"]


def test_absent_is_empty(tmp_path: Path) -> None:
    written(tmp_path, FULL, BARE)
    bare = (tmp_path / "trials.csv").read_text().splitlines()[2]
    assert bare == '1,QUEUED,,"""sgd""",,,,,,,,,,,0,,,,0,,,,'


def test_a_table_from_before_confirmation_is_read(tmp_path: Path) -> None:
    columns = "number,state,reason,param/x,best/loss,last/loss,reports,steps,seconds,gpu_seconds,nodes"
    (tmp_path / "trials.csv").write_text(f"{columns}\n0,STOPPED,cut,1,0.5,0.6,2,8,1.5,,here\n")
    (row,) = read_trials(tmp_path / "trials.csv")
    assert (row.confirms, row.seed, row.donor, row.confirmed) == (None, None, None, {})
    assert (row.best, row.nodes) == ({"loss": 0.5}, ("here",))


def test_no_rows(tmp_path: Path) -> None:
    assert written(tmp_path) == []


VALUES = [
    1,
    -2,
    0,
    1.0,
    0.1,
    1e-300,
    True,
    False,
    None,
    "",
    "1",
    "true",
    "null",
    "a,b",
    'q"',
    "two\nlines",
    "ü\r",
]


@pytest.mark.parametrize("value", [*VALUES, [1, "a", None], {"type": "x", "deep": [1]}], ids=repr)
def test_parameter_keeps_value_and_type(tmp_path: Path, value: Any) -> None:
    (row,) = written(tmp_path, TrialRow(0, TrialState.RUNNING, {"x": value}))
    assert row.params == {"x": value}
    assert type(row.params["x"]) is type(value)


def test_inactive_parameter_is_not_null(tmp_path: Path) -> None:
    rows = [TrialRow(0, TrialState.RUNNING, {"x": None}), TrialRow(1, TrialState.RUNNING, {})]
    assert [row.params for row in written(tmp_path, *rows)] == [{"x": None}, {}]


def test_non_finite_metrics_are_not_absent(tmp_path: Path) -> None:
    odd = {"nan": math.nan, "inf": math.inf, "minus": -math.inf}
    first, second = written(
        tmp_path, TrialRow(0, TrialState.DIVERGED, {}, last=odd), TrialRow(1, TrialState.RUNNING, {})
    )
    assert math.isnan(first.last.pop("nan"))
    assert first.last == {"inf": math.inf, "minus": -math.inf}
    assert second.last == {}


@pytest.mark.parametrize("reason", ["a, b", 'said "no"', "two\nlines", " spaces ", "ünïcode \u2028"])
def test_reason_comes_back(tmp_path: Path, reason: str) -> None:
    (row,) = written(tmp_path, TrialRow(0, TrialState.FAILED, {}, reason=reason))
    assert row.reason == reason


@pytest.mark.parametrize(
    ("reason", "read"),
    [("10%\r20%", "10%\n20%"), ("no file \udcff.csv", "no file \\udcff.csv"), ("nul \0", "nul \\0")],
)
def test_reason_that_csv_cannot_hold_is_made_readable(tmp_path: Path, reason: str, read: str) -> None:
    rows = [TrialRow(0, TrialState.FAILED, {}, reason=reason), FULL]
    assert [row.reason for row in written(tmp_path, *rows)] == [read, FULL.reason]


def test_table_is_replaced_whole(tmp_path: Path) -> None:
    written(tmp_path, FULL)
    assert written(tmp_path, BARE) == [BARE]
    assert [file.name for file in tmp_path.iterdir()] == ["trials.csv"]


def test_frame_is_typed() -> None:
    frame = trials_frame([FULL, BARE])
    assert list(frame["number"]) == [0, 1]
    assert list(frame["state"]) == ["COMPLETE", "QUEUED"]
    assert list(frame["nodes"]) == ["head,worker-1", ""]
    types = frame.dtypes[["number", "reports", "steps", "seconds", "gpu_seconds", "best/val/loss"]]
    assert [str(kind) for kind in types] == ["int64", "int64", "Int64", "float64", "float64", "float64"]
    assert [str(kind) for kind in frame.dtypes[["confirms", "seed"]]] == ["Int64", "Int64"]


def test_frame_has_the_columns_of_the_file(tmp_path: Path) -> None:
    written(tmp_path, FULL, BARE)
    assert list(trials_frame([FULL, BARE]).columns) == header(tmp_path)


def test_absent_is_missing_in_the_frame() -> None:
    bare = trials_frame([FULL, BARE]).iloc[1]
    absent = ["param/train.batch_size", "best/val/loss", "steps", "seconds", "gpu_seconds", "confirms"]
    assert bare[absent].isna().all()


def test_a_value_that_is_no_valid_text_is_escaped_in_the_frame(tmp_path: Path) -> None:
    rows = written(tmp_path, replace(FULL, params={"path": "caf\udce9"}))
    assert rows[0].params == {"path": "caf\udce9"}
    assert trials_frame(rows)["param/path"].tolist() == ["caf\\udce9"]


def test_empty_frame_has_columns() -> None:
    frame = trials_frame([])
    assert len(frame) == 0
    assert {"number", "state", "seconds"} <= set(frame.columns)
    assert pd.api.types.is_float_dtype(frame["seconds"])


def rows_with(metric: str, values: list[float | None], states: list[TrialState]) -> list[TrialRow]:
    return [
        TrialRow(number, state, {}, best={} if value is None else {metric: value})
        for number, (value, state) in enumerate(zip(values, states, strict=True))
    ]


@pytest.mark.parametrize(("mode", "number"), [("min", 1), ("max", 3)])
def test_best_row_is_of_a_sound_trial(mode: str, number: int) -> None:
    ended = [
        TrialState.FAILED,
        TrialState.STOPPED,
        TrialState.COMPLETE,
        TrialState.RUNNING,
        TrialState.DIVERGED,
    ]
    best = best_row(rows_with("loss", [0.0, 0.2, None, 0.5, 9.0], ended), "loss", mode)
    assert best is not None
    assert best.number == number


def test_no_best_row() -> None:
    assert best_row([BARE], "val/loss", "min") is None


@pytest.mark.parametrize(("mode", "numbers"), [("min", [2, 0, 1]), ("max", [0, 1, 2])])
def test_ranked_rows_are_of_the_search_and_the_earlier_first_among_equals(
    mode: str, numbers: list[int]
) -> None:
    rows = rows_with("loss", [0.5, 0.5, 0.1, None], [TrialState.STOPPED] * 4)
    fresh = TrialRow(4, TrialState.COMPLETE, {}, best={"loss": 0.0 if mode == "min" else 9.0}, confirms=0)
    assert [row.number for row in ranked_rows([*rows, fresh], "loss", mode)] == numbers


def test_a_table_that_is_read_again_keeps_the_rows_that_are_as_they_were(tmp_path: Path) -> None:
    table = TrialsTable(tmp_path / "trials.csv")
    ill = replace(FULL, last={"val/loss": math.nan, "val/accuracy": 0.5})
    write_trials(tmp_path / "trials.csv", [ill, BARE])
    first = table.read()
    write_trials(tmp_path / "trials.csv", [ill, replace(BARE, state=TrialState.RUNNING)])
    again = table.read()
    assert again[0] is first[0]
    assert (first[1].state, again[1].state) == (TrialState.QUEUED, TrialState.RUNNING)
    write_trials(tmp_path / "trials.csv", [replace(ill, objectives={"val/loss": 0.5}), BARE])
    assert table.read()[0].objectives == {"val/loss": 0.5}


def test_columns_hold_what_rows_do() -> None:
    rows = [FULL, BARE, FRESH]
    columns = by_column(rows)
    assert list(columns) == column_names(rows)
    assert columns == {name: [flat(row).get(name) for row in rows] for name in columns}
