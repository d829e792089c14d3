"""`tuner results`: the table of trials or their curves, of our folders and of others, in three forms."""

import io
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tuner.cli import main
from tuner.records.events import EventWriter

RECORDED = Path(__file__).parents[1] / "fixtures" / "recorded" / "0.1.0" / "function"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RECORDED, tmp_path / "function"))


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for number, name in enumerate(["run_2", "run_10"]):
        writer = EventWriter(tmp_path / "logs" / name)
        writer.hparams({"lr": 0.1, "size": "auto" if number else 8})
        for step, value in enumerate([0.5, math.nan, math.inf]):
            writer.scalars(step, {"loss": value + number})
    return tmp_path / "logs"


def run(capfdbinary: Any, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["results", *map(str, arguments)])
    out, err = capfdbinary.readouterr()
    return int(ended.value.code or 0), out.decode(), err.decode()


def test_trials_as_csv(folder: Path, capfdbinary: Any) -> None:
    status, out, err = run(capfdbinary, folder)
    assert (status, err) == (0, "")
    frame, table = pd.read_csv(io.StringIO(out)), pd.read_csv(folder / "trials.csv")
    shared = [name for name in table if not name.startswith("param/")]
    pd.testing.assert_frame_equal(frame[shared], table[shared])


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_curves_of_one_tag(logs: Path, tmp_path: Path, kind: str, capfdbinary: Any) -> None:
    out = tmp_path / f"curves.{kind}"
    assert run(capfdbinary, logs, "--curves", "loss", "-o", out) == (0, "", "")
    frame = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[kind](out)
    assert list(frame.columns) == ["trial", "step", "wall_time_s", "value"]
    assert frame["trial"].tolist() == [0] * 3 + [1] * 3
    values = frame["value"].tolist()
    assert values[0] == 0.5
    assert math.isnan(values[1])
    assert values[2] == math.inf or (kind == "json" and math.isnan(values[2]))


def test_curves_of_all_tags_keep_each_digit_in_json(folder: Path, capfdbinary: Any) -> None:
    _, as_csv, _ = run(capfdbinary, folder, "--curves", "all")
    _, as_json, _ = run(capfdbinary, folder, "--curves", "all", "--format", "json")
    lines = [line.split(",") for line in as_csv.splitlines()[1:]]
    points = [[repr(value) for value in point.values()] for point in json.loads(as_json)]
    assert [[value.strip("'").replace("None", "NaN") for value in point] for point in points] == lines


def test_logs_of_others_are_in_natural_order_with_mixed_parameters(
    logs: Path, tmp_path: Path, capfdbinary: Any
) -> None:
    run(capfdbinary, logs, "--format", "parquet", "-o", tmp_path / "table")
    frame = pd.read_parquet(tmp_path / "table")
    assert frame["name"].tolist() == ["run_2", "run_10"]
    assert frame["param/size"].tolist() == ["8.0", "auto"]
    assert frame["last/loss"].tolist() == [math.inf, math.inf]
    assert frame["max/loss"].tolist() == [0.5, 1.5]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--format", "xml"], "--format must be csv, parquet or json; found xml"),
        (["--format", "parquet"], "parquet is no text to print"),
        (["--curves", "los"], "found los, which .* does not have; did you mean 'loss'"),
        (["-o", "nowhere/x.csv"], "-o needs a file in a folder that is there; found nowhere/x.csv"),
    ],
)
def test_wrong_requests(logs: Path, arguments: list[str], found: str, capfdbinary: Any) -> None:
    status, out, err = run(capfdbinary, logs, *arguments)
    assert (status, out) == (2, "")
    assert pd.Series([err]).str.contains(found).all()


def test_a_folder_without_logs(tmp_path: Path, capfdbinary: Any) -> None:
    status, _, err = run(capfdbinary, tmp_path)
    assert status == 2
    assert "experiment.yaml, or TensorBoard logs" in err
