"""Every path, in folders with the oddest names."""

from pathlib import Path

import pytest

from tuner.records.event_reader import read_scalars
from tuner.records.events import EventWriter
from tuner.records.files import atomic_write, atomic_write_json, read_lines
from tuner.records.paths import ExperimentPaths, list_experiments
from tuner.records.rows import TrialRow, read_trials, write_trials
from tuner.records.states import TrialState

NAMES = [
    "plain",
    "two words",
    'it\'s "quoted"',
    "two\nlines",
    "ünïcödé 试验",
    "[a-z]*?",
    "s3:bucket",
    "%s {x} $HOME",
    "-x",
]


@pytest.fixture(params=NAMES)
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder: Path = tmp_path / request.param / request.param
    return folder


def test_experiment_paths(tmp_path: Path) -> None:
    paths = ExperimentPaths(tmp_path / "digits")
    names = {
        "experiment_yaml": "experiment.yaml",
        "environment_json": "environment.json",
        "journal": "study.journal",
        "decisions": "decisions.jsonl",
        "trials_csv": "trials.csv",
        "trials": "trials",
        "tune": ".tune",
        "lock": ".lock",
    }
    expected = {name: paths.root / file for name, file in names.items()}
    assert {name: getattr(paths, name) for name in names} == expected


def test_trial_paths(tmp_path: Path) -> None:
    trial = ExperimentPaths(tmp_path).trial(7)
    assert trial.root == tmp_path / "trials" / "00007"
    assert trial.params_json == trial.root / "params.json"
    assert trial.log == trial.root / "log.txt"
    assert trial.best_checkpoint == trial.root / "checkpoints" / "best"


def test_trials_sort_by_number_up_to_100000(tmp_path: Path) -> None:
    names = [ExperimentPaths(tmp_path).trial(number).root.name for number in (0, 9, 10, 99_999)]
    assert names == sorted(names)


def test_store_is_shared_by_the_experiments_of_a_folder(tmp_path: Path) -> None:
    stores = {ExperimentPaths(tmp_path / name).store_root for name in ("a", "b")}
    assert stores == {tmp_path / ".store"}


@pytest.mark.parametrize("root", [".", "../a", "trials/..", "../b/../a"])
def test_store_is_found_from_inside_the_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    inside = tmp_path / "a"
    (inside / "trials").mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert ExperimentPaths(Path(root)).store_root == tmp_path / ".store"


def test_list_experiments(root: Path) -> None:
    for name in ("b", "a", "c d"):
        atomic_write(ExperimentPaths(root / name).experiment_yaml, "name: x\n")
    (root / ".store").mkdir()
    (root / "benchmarks").mkdir()
    assert [paths.root for paths in list_experiments(root)] == [root / "a", root / "b", root / "c d"]


def test_list_experiments_of_no_folder(tmp_path: Path) -> None:
    assert list(list_experiments(tmp_path / "missing")) == []


def test_everything_is_written_and_read_in_an_odd_folder(root: Path) -> None:
    paths = ExperimentPaths(root)
    row = TrialRow(0, TrialState.RUNNING, {"lr": 0.1})
    writer = EventWriter(paths.trial(0).root)
    writer.scalars(1, {"loss": 0.5})
    writer.close()
    atomic_write_json(paths.trial(0).params_json, row.params)
    write_trials(paths.trials_csv, [row])
    paths.decisions.write_text('{"trial": 0}\n')
    assert read_scalars(paths.trial(0).root)["value"].tolist() == [0.5]
    assert read_trials(paths.trials_csv) == [row]
    assert list(read_lines(paths.decisions)) == [{"trial": 0}]
    assert sorted(path.name for path in root.iterdir()) == ["decisions.jsonl", "trials", "trials.csv"]
