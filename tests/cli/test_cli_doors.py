"""The commands: those that need no search, and all others on one real search that they share."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from cli_program import Ended, Program, tree

from tuner.data.sources import two_class
from tuner.records.lock import hold
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, write_trials
from tuner.records.states import TrialState
from tuner.spec import Experiment
from tuner.spec.sections import TwoClassSource

TRIALS, EPOCHS, ROWS = 3, 6, 400
EXPERIMENT = {
    "name": "answers",
    "task": "tabular_classification",
    "data": {"source": {"type": "csv", "path": "rows.csv", "label": "answer"}},
    "model": {"type": "mlp", "width": {"int": [8, 16]}, "depth": 1},
    "train": {
        "epochs": EPOCHS,
        "batch_size": 10,
        "optimizer": {"type": "adam", "lr": {"float": [0.01, 0.02]}},
    },
    "search": {"metric": "val/accuracy", "trials": TRIALS, "scheduler": "none"},
}


def write_experiment(folder: Path) -> None:
    """answers.yaml and rows.csv: two overlapping classes, `no` and `yes`."""
    table = two_class.read(TwoClassSource(samples=ROWS, features=3))
    lines = [
        ",".join([*(f"{value:.6f}" for value in x), "yes" if y else "no"])
        for x, y in zip(table.features, table.targets, strict=True)
    ]
    (folder / "rows.csv").write_text("\n".join(["x0,x1,x2,answer", *lines]) + "\n")
    (folder / "answers.yaml").write_text(yaml.safe_dump(EXPERIMENT, sort_keys=False))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with an experiment that has not run."""
    monkeypatch.chdir(tmp_path)
    write_experiment(tmp_path)
    return tmp_path


# --- without a search ---


def test_alone_it_says_what_it_can(program: Program) -> None:
    ended = program()
    assert (ended.status, ended.err) == (0, "")
    for command in ("check", "run", "status", "best", "predict", "submit"):
        assert f"\n  {command} " in ended.out


def test_a_prediction_is_one_line_whatever_it_holds(
    program: Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = SimpleNamespace(manifest=None, predict=lambda rows: [{"continuation": "one\ntwo\x1b[2J"}])
    monkeypatch.setattr("tuner.results.export.ExportedModel.open", lambda folder: model)
    monkeypatch.setattr("tuner.data.read_inputs", lambda path, manifest: ["zero"])
    monkeypatch.setattr("tuner.data.input_names", lambda path, manifest: None)

    assert program("predict", "out", "new.txt").out == "1  continuation=one\\ntwo\\x1b[2J\n"


def test_check_shows_experiment_and_space(program: Program, folder: Path) -> None:
    ended = program("check", "answers.yaml", "--set", "train.batch_size={choice: [10, 20]}")

    assert (ended.status, ended.err) == (0, "")
    head, space = ended.out.split("\nspace")
    assert yaml.safe_load(head)["name"] == "answers"
    assert [line.split() for line in space.splitlines()[2:-1]] == [
        ["model.width", "int", "8", "..", "16"],
        ["train.batch_size", "choice", "10,", "20"],
        ["train.optimizer.lr", "float", "0.01", "..", "0.02"],
    ]
    assert ended.out.endswith(f"ok: 3 trials, at most {EPOCHS} reports each. Next: tuner run answers.yaml\n")
    assert not (folder / "results").exists()


def test_check_as_json(program: Program, folder: Path) -> None:
    optimizer = "train.optimizer={choice: [{type: adam}, {type: sgd, lr: {float: [0.1, 1], log: true}}]}"

    checked = json.loads(program("check", "answers.yaml", "--json", "--set", optimizer).out)

    assert (checked["name"], checked["trials"], checked["max_reports"]) == ("answers", 3, EPOCHS)
    assert checked["space"] == [
        {"name": "model.width", "domain": {"int": [8, 16]}, "when": {}},
        {"name": "train.optimizer", "domain": {"choice": ["adam", "sgd"]}, "when": {}},
        {
            "name": "train.optimizer.sgd.lr",
            "domain": {"float": [0.1, 1.0], "log": True},
            "when": {"train.optimizer": "sgd"},
        },
    ]


def test_status_where_nothing_ran(program: Program, folder: Path) -> None:
    assert program("status").out == "no experiment in results; start one with: tuner run SPEC\n"
    assert program("status", "--json").out == "[]\n"
    assert not (folder / "results").exists()


def test_a_search_in_which_all_failed_has_no_best(program: Program, folder: Path) -> None:
    paths = ExperimentPaths(folder / "results" / "answers")
    paths.root.mkdir(parents=True)
    paths.experiment_yaml.write_text(Experiment.load("answers.yaml").to_yaml())
    failed = TrialRow(number=0, state=TrialState.FAILED, params={}, reason="RuntimeError: broken")
    write_trials(paths.trials_csv, [failed])

    ended = program("best", "results/answers")

    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("tuner: a best trial needs a finite val/accuracy")
    assert "1 FAILED" in program("status").out
    assert json.loads(program("status", "--json").out)[0]["best"] is None


def test_a_search_without_a_report_says_how_it_goes_on(program: Program, folder: Path) -> None:
    paths = ExperimentPaths(folder / "results" / "answers")
    paths.root.mkdir(parents=True)
    paths.experiment_yaml.write_text(Experiment.load("answers.yaml").to_yaml())

    running = hold(paths.lock, rule="one process at a time", fix="wait")
    assert program("best", "results/answers").err.endswith("has one (states: none); wait for it.\n")
    assert program("status", "results/answers").out.endswith(
        "running; end it with: tuner stop results/answers\n"
    )
    running.release()

    assert "(states: none); go on with: tuner resume " in program("best", "results/answers").err
    assert program("status", "results/answers").out.endswith("go on with: tuner resume results/answers\n")


def test_an_interrupt_leaves_no_traceback(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tuner.cli._load", interrupted)

    ended = program("check", "answers.yaml")

    assert (ended.status, ended.out, ended.err) == (130, "", "tuner: interrupted.\n")


# --- one search, shared ---


@dataclass(frozen=True)
class Finished:
    """A search that ran in a process of its own, into pipes."""

    folder: Path
    ended: Ended


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("it's a folder")
    write_experiment(folder)
    command = [sys.executable, "-m", "tuner.cli", "run", "answers.yaml"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return Finished(folder, Ended(ended.returncode, ended.stdout, ended.stderr))


@pytest.fixture
def finished(search: Finished, monkeypatch: pytest.MonkeyPatch) -> Finished:
    """The search, with its folder as the working directory."""
    monkeypatch.chdir(search.folder)
    return search


@pytest.fixture
def exported(finished: Finished, program: Program, tmp_path: Path) -> Path:
    assert program("best", "results/answers", "--export", tmp_path / "out").status == 0
    return tmp_path / "out"


real = [pytest.mark.ray, pytest.mark.slow]


class TestAfterASearch:
    pytestmark = real

    def test_run_prints_one_line_a_trial_and_the_summary(self, finished: Finished) -> None:
        status, out, err = finished.ended.status, finished.ended.out, finished.ended.err
        lines = out.splitlines()

        assert (status, err) == (0, "")
        assert "\x1b" not in out
        assert [line.split()[:3:2] for line in lines[:TRIALS]] == [["trial", "COMPLETE"]] * TRIALS
        assert lines[TRIALS - 1].endswith(f"finished=3/3: trained {EPOCHS} epochs")
        assert lines[TRIALS].startswith("best trial: ")
        assert "test/accuracy" in out
        assert "\n3 of 3 trials in " in out
        assert "early stopping saved 0% of the compute: 18 of 18 reports were trained" in out
        assert lines[-4:] == [
            "results in results/answers. Next:",
            "  tuner status results/answers",
            "  tuner best results/answers --export best",
            "  tensorboard --logdir results/answers/trials",
        ]

    def test_status_of_all_and_of_one(self, finished: Finished, program: Program) -> None:
        experiments = program("status").out.splitlines()
        assert [line.split()[0] for line in experiments] == ["experiment", "answers"]
        assert "3 COMPLETE" in experiments[1]

        trials = program("status", "results/answers").out.splitlines()
        assert trials[0].split() == ["trial", "state", "val/accuracy", "reports", "seconds", "reason"]
        assert [line.split()[:2] for line in trials[1:]] == [[str(n), "COMPLETE"] for n in range(TRIALS)]

    def test_status_as_json(self, finished: Finished, program: Program) -> None:
        (experiment,) = json.loads(program("status", "--json").out)
        trials = json.loads(program("status", "results/answers", "--json").out)

        assert (experiment["experiment"], experiment["states"]) == ("answers", {"COMPLETE": TRIALS})
        assert experiment["best"] == max(trial["best/val/accuracy"] for trial in trials)
        assert [trial["number"] for trial in trials] == list(range(TRIALS))

    def test_best_in_words_and_as_json(self, finished: Finished, program: Program) -> None:
        shown = program("best", "results/answers")
        best = json.loads(program("best", "results/answers", "--json").out)

        assert (shown.status, shown.err) == (0, "")
        assert shown.out.startswith(f"best trial: {best['trial']}")
        assert best["params"].keys() == {"model.width", "train.optimizer.lr"}
        assert best["value"] == best["metrics"]["val/accuracy"] > 0.85
        assert best["test"]["accuracy"] > 0.85

    def test_export_says_how_to_go_on_and_overwrites_nothing(
        self, finished: Finished, program: Program, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        ended = program("best", "results/answers", "--export", out)
        assert ended.out.endswith(f"exported to {out}. Next: tuner predict {out} INPUT\n")
        before = tree(tmp_path)

        again = program("best", "results/answers", "--export", out)

        assert (again.status, again.out) == (2, "")
        assert again.err.startswith("tuner: an export needs a new or empty folder")
        assert tree(tmp_path) == before

    def test_predict_a_csv_by_its_columns_names(self, exported: Path, program: Program) -> None:
        lines = program("predict", exported, "rows.csv").out.splitlines()

        predictions = [dict(part.split("=") for part in line.split()[1:]) for line in lines]
        answers = [line.rsplit(",", 1)[1] for line in Path("rows.csv").read_text().splitlines()[1:]]
        right = [
            prediction["label"] == answer for prediction, answer in zip(predictions, answers, strict=True)
        ]
        assert np.mean(right) > 0.9
        assert all(0.5 <= float(prediction["probability"]) <= 1 for prediction in predictions)

    def test_predict_arrays_as_json(self, exported: Path, program: Program, tmp_path: Path) -> None:
        x = np.loadtxt("rows.csv", delimiter=",", skiprows=1, usecols=(0, 1, 2), dtype=np.float32)[:5]
        np.savez(tmp_path / "x.npz", x=x)
        np.save(tmp_path / "x.npy", x)

        answers = [
            json.loads(program("predict", exported, file, "--json").out)
            for file in ("rows.csv", tmp_path / "x.npz", tmp_path / "x.npy")
        ]

        assert answers[0][:5] == answers[1] == answers[2]
        assert {frozenset(row) for row in answers[1]} == {frozenset({"label", "probability"})}

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("x0,x1,other\n1,2,3\n", "the file must have the column 'x2'"),
            ("x0,x1,x2\n1,2,nan\n", "features must have values, but feature 'x2' has none in row 1"),
            ("x0,x1,x2\n1,2,red\n", "a column of numbers must hold numbers, but column 'x2'"),
            ("", "data must have rows"),
        ],
    )
    def test_predict_refuses_what_the_model_cannot_take(
        self, exported: Path, program: Program, tmp_path: Path, text: str, sentence: str
    ) -> None:
        (tmp_path / "new.csv").write_text(text)

        ended = program("predict", exported, tmp_path / "new.csv")

        assert (ended.status, ended.out) == (2, "")
        assert ended.err.startswith("tuner: ")
        assert sentence in ended.err

    def test_a_second_run_leaves_the_first_alone(self, finished: Finished, program: Program) -> None:
        before = tree(finished.folder)

        ended = program("run", "answers.yaml")

        assert (ended.status, ended.out) == (2, "")
        assert ended.err.startswith("tuner: an experiment needs a folder of its own")
        assert tree(finished.folder) == before

    def test_best_can_do_without_the_data(self, finished: Finished, program: Program) -> None:
        os.rename("rows.csv", "away.csv")
        try:
            ended = program("best", "results/answers")
        finally:
            os.rename("away.csv", "rows.csv")

        assert ended.status == 0
        assert "best val/accuracy" in ended.out
        assert ended.err.startswith("tuner: not measured on the test split: data must be read from a file")
