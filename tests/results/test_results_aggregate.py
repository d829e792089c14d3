"""The tables of an experiment's folder, whole and followed while it is written."""

import importlib
import shutil
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from damage import spoil
from results_folder import experiment, row, write, write_curve

from tuner.errors import ResultsError, TunerError
from tuner.records.event_reader import Points, read_scalars
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import read_trials
from tuner.results import aggregate
from tuner.results.aggregate import Changes, Follower, Tables, read_tables
from tuner.spec import Experiment

RECORDED = sorted((Path(__file__).parents[1] / "fixtures" / "recorded").glob("*/*"))


class Reader:
    """Keeps what the polls of a follower give, as its words say."""

    def __init__(self, folder: Path) -> None:
        self.follower = Follower(folder)
        self.rows: dict[int, dict[str, Any]] = {}
        self.curves: dict[tuple[int, str], list[tuple[int, float, float]]] = {}
        self.num_cut = 0

    def poll(self) -> Changes:
        changes = self.follower.poll()
        for one in changes.trials.to_dict("records"):
            self.rows[one["number"]] = {name: value for name, value in one.items() if not pd.isna(value)}
        for key, first in changes.cut.items():
            self.curves[key] = [point for point in self.curves[key] if point[0] < first]
            self.num_cut += 1
        for point in changes.curves.itertuples():
            key = (point.trial, point.tag)
            self.curves.setdefault(key, []).append((point.step, point.wall_time_s, point.value))
        return changes


def rows_of(tables: Tables) -> dict[int, dict[str, Any]]:
    return {
        one["number"]: {name: value for name, value in one.items() if not pd.isna(value)}
        for one in tables.trials.to_dict("records")
    }


def curves_of(tables: Tables) -> dict[tuple[int, str], list[tuple[int, float, float]]]:
    found: dict[tuple[int, str], list[tuple[int, float, float]]] = {}
    for point in tables.curves.itertuples():
        key = (point.trial, point.tag)
        found.setdefault(key, []).append((point.step, point.wall_time_s, point.value))
    return found


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("_made_search")


def digits(**overrides: Any) -> Experiment:
    spec = Path(__file__).parents[2] / "search_spaces" / "digits_cnn.yaml"
    settings = {"train.epochs": 5, "search.trials": 26, **overrides}
    return Experiment.load(spec, [f"{name}={value}" for name, value in settings.items()])


@pytest.mark.parametrize("part", [1, 1 << 16])
@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: folder.name)
def test_tables_hold_what_the_files_do(folder: Path, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregate, "_PART_POINTS", part)
    tables, paths = read_tables(folder), ExperimentPaths(folder)
    rows = read_trials(paths.trials_csv)
    assert tables.trials["number"].tolist() == [one.number for one in rows]
    assert tables.trials["name"].tolist() == [f"trials/{one.number:05d}" for one in rows]
    assert tables.trials["state"].tolist() == [one.state.value for one in rows]
    for number in tables.trials["number"]:
        mine = tables.curves[tables.curves["trial"] == number]
        scalars = read_scalars(paths.trial(number).root)
        assert mine["tag"].tolist() == scalars["tag"].tolist()
        for name, other in (("step", "step"), ("wall_time_s", "wall_time"), ("value", "value")):
            np.testing.assert_array_equal(mine[name].to_numpy(), scalars[other].to_numpy())
        finite = scalars[np.isfinite(scalars["value"])].groupby("tag")["value"]
        told = tables.trials.set_index("number").loc[number]
        for tag, (least, most) in finite.agg(["min", "max"]).iterrows():
            assert (told[f"min/{tag}"], told[f"max/{tag}"]) == (least, most)


@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: folder.name)
def test_extremes_of_a_tag_are_those_of_the_table(folder: Path) -> None:
    follower = Follower(folder)
    follower.poll()
    trials = follower.tables.trials.set_index("number")
    for tag in follower.tags:
        known = trials[[f"min/{tag}", f"max/{tag}"]].dropna()
        found = follower.extremes(tag)
        assert found.index.tolist() == known.index.tolist()
        np.testing.assert_array_equal(found.to_numpy(), known.to_numpy())
        one = known.index[-1]
        assert follower.extremes(tag, [one]).index.tolist() == [one]
    assert len(follower.extremes("no such tag")) == 0


@pytest.mark.parametrize("every", [1, 7, 10_000])
def test_following_gives_what_reading_gives(made: Any, tmp_path: Path, every: int) -> None:
    """A whole search with faults, pauses and fresh runs, polled after every so many lines."""
    paths, experiment = ExperimentPaths(tmp_path / "made"), digits()
    folder = made.MadeFolder(paths, experiment, begin_s=time.time())
    reader = Reader(paths.root)
    for number, line in enumerate(made.MadeSearch(experiment, num_gangs=3).lines()):
        folder.take(line)
        if number % every == 0:
            reader.poll()
    reader.poll()
    live = read_tables(paths.root)
    folder.close()
    reader.poll()
    tables = read_tables(paths.root)
    assert repr(rows_of(live)) == repr(rows_of(tables))
    assert repr(reader.curves) == repr({key: curves_of(tables)[key] for key in reader.curves})
    assert reader.curves.keys() == curves_of(tables).keys()
    assert {number: sorted(row.items(), key=repr) for number, row in reader.rows.items()} == {
        number: sorted(row.items(), key=repr) for number, row in rows_of(tables).items()
    }
    assert (reader.num_cut > 0) == (every < 10_000)
    assert not reader.poll()
    pd.testing.assert_frame_equal(reader.follower.tables.curves, tables.curves)


def test_a_poll_tells_only_what_is_new(made: Any, tmp_path: Path) -> None:
    paths, experiment = ExperimentPaths(tmp_path / "made"), digits(**{"search.trials": 4, "confirm": "null"})
    folder = made.MadeFolder(paths, experiment, begin_s=time.time())
    follower = Follower(paths.root)
    for line in made.MadeSearch(experiment, num_gangs=2).lines():
        folder.take(line)
        changes = follower.poll()
        if "metrics" in line:
            assert set(changes.trials["number"]) == {line["trial"]}
            assert len(changes.curves) == len(line["metrics"])
            assert changes.curves["step"].tolist() == [line["report"]] * len(line["metrics"])
        assert not follower.poll()


def test_what_has_ended_is_not_looked_at_again(made: Any, tmp_path: Path) -> None:
    paths, experiment = ExperimentPaths(tmp_path / "made"), digits(**{"search.trials": 6})
    folder = made.MadeFolder(paths, experiment, begin_s=time.time())
    for line in made.MadeSearch(experiment, num_gangs=2).lines():
        folder.take(line)
    folder.close()
    follower = Follower(paths.root)
    before = follower.poll()
    shutil.rmtree(paths.trials)
    assert not follower.poll()
    pd.testing.assert_frame_equal(follower.tables.curves, before.curves)


def test_a_file_that_grows_byte_by_byte_gives_each_point_once(tmp_path: Path) -> None:
    result = write(tmp_path / "e", [row(0, "RUNNING", 0.5)], experiment())
    write_curve(result, 0, "val/accuracy", [0.5, 0.25, 0.75])
    [file] = result.paths.trial(0).root.iterdir()
    content = file.read_bytes()
    file.write_bytes(b"")
    follower, found = Follower(result.paths.root), []
    for size in range(len(content) + 1):
        file.write_bytes(content[:size])
        changes = follower.poll()
        assert not changes.cut
        found += changes.curves["value"].tolist()
    assert found == [0.5, 0.25, 0.75]


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    result = write(tmp_path / "e", [row(0, "RUNNING", 0.5)], experiment())
    write_curve(result, 0, "val/accuracy", [0.5, 0.25, 0.75])
    reader = Reader(result.paths.root)
    reader.poll()
    shutil.rmtree(result.paths.trial(0).root)
    write_curve(result, 0, "val/accuracy", [0.5, 0.125])
    reader.poll()
    assert [value for _, _, value in reader.curves[0, "val/accuracy"]] == [0.5, 0.125]


def test_putting_points_in_order_takes_little_beside_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregate, "_PART_POINTS", 1 << 14)
    each, steps = np.zeros(5000), np.arange(5000)
    trials = {number: Points(steps.astype(np.int32) % 3, steps, each, each) for number in range(100)}
    tracemalloc.start()
    curves = aggregate._curves_frame(trials, {"b": 0, "a": 1, "c": 2})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.3 * curves.memory_usage().sum()
    assert curves["tag"][:5000].tolist() == sorted(curves["tag"][:5000])


def test_an_experiment_that_has_no_trial_yet(tmp_path: Path) -> None:
    result = write(tmp_path / "e", [], experiment())
    result.paths.trials_csv.unlink()
    tables = read_tables(result.paths.root)
    assert (len(tables.trials), len(tables.curves)) == (0, 0)
    assert list(tables.curves.columns) == ["trial", "tag", "step", "wall_time_s", "value"]
    assert not Follower(result.paths.root).poll()


@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: folder.name)
def test_damaged_decisions_leave_the_table(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    paths, whole = ExperimentPaths(copy), read_tables(folder)
    for _ in spoil(paths.decisions):
        try:
            tables = read_tables(copy)
        except TunerError:
            continue
        assert set(tables.trials["number"]) <= set(whole.trials["number"])


def test_damaged_decisions_without_a_table(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(RECORDED[0], tmp_path / "copy"))
    paths = ExperimentPaths(copy)
    paths.trials_csv.unlink()
    assert len(read_tables(copy).trials)
    content = paths.decisions.read_bytes().splitlines(keepends=True)
    paths.decisions.write_bytes(b"".join([*content[:3], b"{}\n", *content[3:]]))
    with pytest.raises(ResultsError, match="line 4 is not"):
        read_tables(copy)


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: None])
def test_a_folder_without_results(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "empty")
    with pytest.raises(ResultsError, match=r"experiment.yaml, or TensorBoard logs.*tfevents.*has neither"):
        read_tables(tmp_path / "empty")
