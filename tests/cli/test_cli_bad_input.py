"""Wrong input through the real command line: one sentence on stderr, status 2, nothing left behind."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from cli_program import Program, tree

from tuner.execution.placement import local_node
from tuner.records.rows import TrialRow, write_trials
from tuner.records.states import TrialState
from tuner.spec import Experiment
from tuner.training.precision import resolve_precision

EXPERIMENT = {
    "name": "rows",
    "task": "tabular_classification",
    "data": {"source": {"type": "csv", "path": "rows.csv", "label": "answer"}},
    "model": {"type": "mlp", "width": {"int": [4, 8]}},
    "train": {"epochs": 1, "batch_size": 8, "optimizer": {"type": "adam", "lr": {"float": [1e-3, 1e-1]}}},
    "search": {"metric": "val/accuracy", "trials": 2},
}
OTHER_SOURCE = "{choice: [{type: two_class}, {type: csv, path: rows.csv, label: nothing}]}"


def write_rows(path: Path, answers: list[str], first: str = "0.5") -> None:
    rows = [f"{first if row == 0 else row / 7:.5},{row % 5},{answer}" for row, answer in enumerate(answers)]
    path.write_text("\n".join(["a,b,answer", *rows]) + "\n")


def write_wide_search(root: Path) -> None:
    """An earlier experiment with one trial, of a network that is too wide for the space of this one."""
    root.mkdir()
    wide = EXPERIMENT | {"model": {"type": "mlp", "width": {"int": [64, 65]}}}
    (root / "experiment.yaml").write_text(Experiment.from_dict(wide).to_yaml())
    params = {"model.width": 64, "train.optimizer.lr": 0.01}
    write_trials(root / "trials.csv", [TrialRow(0, TrialState.COMPLETE, params, best={"val/accuracy": 0.5})])


@pytest.fixture(params=["no results folder", "results of others"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory whose name needs quoting, with an experiment and its data."""
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "rows.yaml").write_text(yaml.safe_dump(EXPERIMENT, sort_keys=False))
    (folder / "rows.txt").write_text("name: [rows\n")
    write_rows(folder / "rows.csv", ["yes", "no"] * 30)
    write_rows(folder / "one_class.csv", ["yes"] * 60)
    write_rows(folder / "nan.csv", ["yes", "no"] * 30, first="nan")
    np.save(folder / "wide.npy", np.zeros((3, 7), dtype=np.float32))
    write_wide_search(folder / "wide")
    if request.param == "results of others":
        for name in ("results/taken/experiment.yaml", "results/.store/0123/manifest.json"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("of others")
    return folder


def accelerator_has_fp16() -> bool:
    try:
        resolve_precision("fp16", "cpu")
    except Exception:  # any refusal is one
        return False
    return True


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["run", "no.yaml"], "no.yaml: an experiment file must be readable", id="missing file"),
        pytest.param(["run", "rows.txt"], "rows.txt:2: the text must be valid YAML", id="no YAML"),
        pytest.param(
            ["run", "rows.yaml", "--set", "model.widht=3"],
            "model.widht is not a known key of model (type mlp); did you mean 'width'?",
            id="unknown key",
        ),
        pytest.param(
            ["run", "rows.yaml", "--set", "search.metric=val/mae"],
            "search.metric is not reported by task tabular_classification; found 'val/mae'",
            id="metric the task does not report",
        ),
        pytest.param(
            ["run", "rows.yaml", "--set", "model.width={int: [8, 4]}"],
            "model.width is no valid domain: the range of int is empty",
            id="empty range",
        ),
        pytest.param(
            ["run", "rows.yaml", "--set", "resources.gpus_per_worker=4096"],
            "a trial must fit into the cluster, but resources asks for 1 workers of 1 CPUs and 4096 GPUs",
            id="more GPUs than there are",
        ),
        pytest.param(
            ["run", "rows.yaml", "--set", "resources.cpus_per_worker=4096"],
            "a trial must fit into the cluster, but resources asks for 1 workers of 4096 CPUs",
            id="more CPUs than there are",
        ),
        pytest.param(
            ["run", "rows.yaml", "--set", "train.batch_size=4096", "--set", "resources.workers=4096"],
            "a trial must fit into the cluster, but resources asks for 4096 workers",
            id="more workers than fit",
        ),
        pytest.param(
            ["run", "rows.yaml", "--set", "train.precision=fp16", "--set", "resources.gpus_per_worker=0"],
            "train.precision fp16 needs an accelerator that trains in half precision",
            marks=pytest.mark.skipif(accelerator_has_fp16(), reason="this CPU trains in fp16"),
            id="fp16 where it cannot be",
        ),
        pytest.param(
            ["run", "rows.yaml", "--set", "data.source.label=anwser"],
            "the file must have the column 'anwser'",
            id="no label column",
        ),
        pytest.param(
            ["run", "rows.yaml", "--set", "data.source.path=no.csv"],
            "data must be read from a file, but at",
            id="no data file",
        ),
        pytest.param(
            ["run", "rows.yaml", "--set", "data.source.path=one_class.csv"],
            "classification needs at least two classes, but all 60 rows have the label 'yes'",
            id="one class",
        ),
        pytest.param(
            ["run", "rows.yaml", "--set", "data.source.path=nan.csv"],
            "features must have values, but feature 'a' has none in row 1",
            id="NaN in features",
        ),
        pytest.param(
            ["run", "rows.yaml", "--set", f"data.source={OTHER_SOURCE}"],
            "the file must have the column 'nothing'",
            id="one of two sources is wrong",
        ),
        pytest.param(
            ["run", "rows.yaml", "--set", "search.sampler=grid"],
            "rows.yaml:19: train.optimizer.lr must have finitely many values for the sampler grid; found "
            "{'float': [0.001, 0.1]} without a step; give it a step",
            id="a grid without steps",
        ),
        pytest.param(
            ["check", "rows.yaml", "--set", "search.sampler=brute_force"],
            "rows.yaml:19: train.optimizer.lr must have finitely many values for the sampler brute_force",
            id="a grid without steps, only checked",
        ),
        pytest.param(
            ["run", "rows.yaml", "--set", "search.stop.gpu_hours=1", "--set", "data.source.path=no.csv"],
            "search.stop.gpu_hours needs trials that hold GPUs, but found 1 and trials without any",
            marks=pytest.mark.skipif(local_node().gpus > 0, reason="this machine has GPUs"),
            id="GPU hours without GPUs, before the data is read",
        ),
        pytest.param(
            ["run", "rows.yaml", "--set", "search.warm_start=[no]", "--set", "data.source.path=no.csv"],
            "search.warm_start must name folders of earlier experiments, which hold experiment.yaml",
            id="no warm start, before the data is read",
        ),
        pytest.param(
            ["check", "rows.yaml", "--set", "search.warm_start=[no]"],
            "search.warm_start must name folders of earlier experiments, which hold experiment.yaml",
            id="no warm start, only checked",
        ),
        pytest.param(
            [
                *("run", "rows.yaml", "--set", "search.storage=sqlite:///study.db"),
                *("--set", "search.warm_start=[wide]"),
            ],
            "search.warm_start needs an experiment whose space overlaps with this one",
            id="a warm start elsewhere leaves no study in a database",
        ),
        pytest.param(
            ["run", "rows.yaml", "--set", "search.storage=nosuch://host/study"],
            "storage",
            id="no such storage",
        ),
        pytest.param(["run", "rows.yaml", "--results", "rows.csv"], "rows.csv", id="results is a file"),
        pytest.param(["run", "rows.yaml", "--name", "a/b"], "name names a folder", id="a name with a slash"),
        pytest.param(["run", "rows.yaml", "--trials", "0"], "search.trials must be >= 1", id="no trials"),
        pytest.param(["check", "rows.yaml", "--set", "train.epochs"], "--set", id="--set without a value"),
        pytest.param(
            ["check", "rows.yaml", "--set", "model={type:", "mlp}"],
            "extra argument(s) (mlp}); put what stands after --set into quotes: --set 'PATH=VALUE'",
            id="--set without quotes",
        ),
        pytest.param(
            ["submit", "rows.yaml", "--address", "nowhere"],
            "--address must be the job server",
            id="no server",
        ),
        pytest.param(["status", "no"], "status reads a folder, but no is none", id="status of nothing"),
        pytest.param(["best", "."], "an experiment's folder holds experiment.yaml", id="best of nothing"),
        pytest.param(["predict", "out", "rows.csv"], "an exported model is a folder with", id="no model"),
        pytest.param(["run", "rows.yaml", "--trails", "3"], "No such option: --trails", id="unknown option"),
        pytest.param(["run"], "Missing argument 'SPEC'; see tuner run --help", id="missing argument"),
        pytest.param(["run", "rows.yaml", "--trials", "x"], "Invalid value for '--trials'", id="no number"),
        pytest.param(["rnu"], "No such command 'rnu'", id="unknown command"),
    ],
)
def test_is_one_sentence_and_leaves_nothing(
    program: Program, folder: Path, arguments: list[str], sentence: str
) -> None:
    before = tree(folder)

    ended = program(*arguments)

    assert ended.err.startswith("tuner: "), ended.err
    assert sentence in ended.err
    assert ended.err.count("\n") == 1
    assert (ended.status, ended.out) == (2, "")
    assert tree(folder) == before


def test_a_folder_with_another_experiment_is_left_alone(program: Program, folder: Path) -> None:
    taken = folder / "results" / "rows"
    taken.mkdir(parents=True)
    (taken / "experiment.yaml").write_text("name: another\n")
    before = tree(folder)

    ended = program("run", "rows.yaml")

    assert ended.err.startswith("tuner: an experiment needs a folder of its own, but ")
    assert "already holds one, with which `tuner resume` goes on; choose another with --name or" in ended.err
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert tree(folder) == before


def test_several_mistakes_are_told_at_once(program: Program, folder: Path) -> None:
    ended = program("check", "rows.yaml", "--set", "model.widht=3", "--set", "train.epochs=0")

    assert ended.status == 2
    assert "model.widht" in ended.err
    assert "train.epochs" in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["data", "rows.yaml", "--results", "/proc/none"],
        ["data", "rows.yaml", "--html", "/proc/none.html"],
        ["run", "rows.yaml", "--results", "/proc/none"],
        ["results", "wide", "-o", "/proc/none.csv"],
    ],
    ids=" ".join,
)
def test_where_nothing_can_be_written_it_is_one_sentence(
    program: Program, folder: Path, arguments: list[str]
) -> None:
    ended = program(*arguments)

    assert ended.err.startswith("tuner: a command needs files that it can read, and folders with room")
    assert "/proc/" in ended.err
    assert (ended.status, ended.err.count("\n"), ended.out) == (1, 1, "")
