"""`tuner resume`, `tuner stop`: what they refuse, and a real search that is told to leave again and again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from cli_program import Program, tree

from tuner.execution.decisions import Line, read_decisions
from tuner.records.lock import hold
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, write_trials
from tuner.records.states import TrialState
from tuner.results.result import Result
from tuner.spec import Experiment, Float

EPOCHS = 20
"""Long enough for a word to a trial that trains."""
EXPERIMENT = {
    "name": "left",
    "task": "tabular_classification",
    "data": {"source": {"type": "two_class"}},
    "model": {"type": "mlp", "width": {"int": [8, 16]}, "dropout": 0.1},
    "train": {"epochs": EPOCHS, "batch_size": 10},
    "search": {
        "metric": "val/accuracy",
        "trials": 4,
        "sampler": "random",
        "scheduler": {"type": "asha", "variant": "promotion", "factor": 2},
    },
    "resources": {"workers": 2},
    "confirm": {"top": 1, "seeds": 2},
}
EXACT = ["val/loss", "train/loss"]
PATIENCE_S = 240.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with an experiment file and nothing else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "left.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    return tmp_path


def stored(folder: Path) -> ExperimentPaths:
    """An experiment's folder in which nothing has run."""
    paths = ExperimentPaths(folder / "results" / "left")
    paths.root.mkdir(parents=True)
    paths.experiment_yaml.write_text(Experiment.load(folder / "left.yaml").to_yaml())
    return paths


def test_there_must_be_an_experiment(program: Program, folder: Path) -> None:
    ended = program("resume", "results/none")
    assert (ended.status, ended.out) == (2, "")
    assert "holds experiment.yaml, but" in ended.err
    assert tree(folder).keys() == {"left.yaml"}


def test_a_function_is_gone_on_with_in_python(program: Program, folder: Path) -> None:
    def train(config: dict[str, float], trial: object) -> None: ...

    root = folder / "results" / "own"
    root.mkdir(parents=True)
    experiment = Experiment(train=train, space={"x": Float(0.0, 1.0)}, metric="loss")
    ExperimentPaths(root).experiment_yaml.write_text(experiment.to_yaml())
    ended = program("resume", root)
    assert ended.status == 2
    assert f'tuner.resume("{root}", train=function)' in ended.err


def test_one_process_at_a_time(program: Program, folder: Path) -> None:
    paths = stored(folder)
    lock = hold(paths.lock, rule="a test", fix="wait")
    before = tree(folder)
    ended = program("resume", "results/left")
    lock.release()
    assert ended.status == 2
    assert f"is being run by process {os.getpid()} on host" in ended.err
    assert "tuner stop" in ended.err
    assert tree(folder) == before


def test_what_does_not_run_cannot_be_stopped(program: Program, folder: Path) -> None:
    paths = stored(folder)
    paths.lock.write_text('{"pid": 1, "host": "gone", "since": "long ago"}')
    ended = program("stop", "results/left")
    assert (ended.status, ended.err) == (
        2,
        "tuner: only a search that runs can be told to stop, but nothing runs in results/left; "
        "go on with it by: tuner resume results/left\n",
    )
    assert not paths.leave.exists()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["stop", "--trial", "3"],
            "only a search that runs can be told to stop, but nothing runs in results/left",
        ),
        (
            ["enqueue", "--set", "model.width=9"],
            "only a search that runs can be told to enqueue, but nothing",
        ),
        (["pause", "--trial", "3"], "only a search that runs can be told to pause, but nothing runs"),
        (["unpause", "--trial", "3"], "only a search that runs can be told to unpause, but nothing runs"),
        (["gangs", "1"], "only a search that runs can be told to change its gangs, but nothing runs"),
        (["clone", "--trial", "3"], "only a search that runs can be told to clone, but nothing runs"),
        (["enqueue", "--set", "width"], "--set needs path=value"),
    ],
)
def test_where_nothing_runs_nothing_can_be_told(
    program: Program, folder: Path, words: list[str], error: str
) -> None:
    stored(folder)
    ended = program(words[0], "results/left", *words[1:])
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"tuner: {error}")


@pytest.mark.parametrize("words", [["stop"], ["stop", "--trial", "0"], ["gangs", "1"]])
def test_a_search_that_is_done_is_said_to_be(program: Program, folder: Path, words: list[str]) -> None:
    paths = stored(folder)
    num_trials = EXPERIMENT["search"]["trials"]
    write_trials(paths.trials_csv, [TrialRow(n, TrialState.STOPPED, {}) for n in range(num_trials)])
    ended = program(words[0], "results/left", *words[1:])
    assert ended.status == 2
    assert ended.err.endswith(
        ", but that in results/left is done; see what it found by: tuner best results/left\n"
    )
    assert not paths.leave.exists()


@pytest.mark.ray
@pytest.mark.slow
def test_a_search_is_told_what_to_stop_and_what_to_try(program: Program, folder: Path) -> None:
    driver = start(folder, "run", "left.yaml", "--set", "search.trials=3", "--set", "search.scheduler=none")
    paths = ExperimentPaths(folder / "results" / "left")
    wait_for_reports(paths, 1)
    assert program("enqueue", "results/left", "--like", "0", "--set", "model.width=9").out == (
        "the configuration: it is tried next, after what was drawn before\n"
    )
    ended = program("enqueue", "results/left", "--set", "model.width=99")
    assert (ended.status, ended.out) == (2, "")
    assert "model.width must lie in {'int': [8, 16]}; found 99" in ended.err
    assert program("stop", "results/left", "--trial", "0").out == "trial 0: it stops at its next new report\n"
    assert "must name one of" in program("stop", "results/left", "--trial", "9").err
    assert driver.wait(PATIENCE_S) == 0
    rows = Result.open(paths.root).rows
    assert (rows[0].state, rows[0].reason) == (TrialState.STOPPED, "somebody told it to stop")
    assert rows[0].reports < EPOCHS
    assert 9 in [row.params["model.width"] for row in rows[1:3]]
    assert [row.state for row in rows[1:]] == [TrialState.COMPLETE] * 4


@pytest.mark.ray
@pytest.mark.slow
def test_a_paused_trial_waits_for_its_word_also_when_the_search_is_resumed(
    program: Program, folder: Path
) -> None:
    (folder / "left.yaml").write_text(yaml.safe_dump(EXPERIMENT | {"confirm": None}))
    driver = start(folder, "run", "left.yaml", "--set", "search.trials=2", "--set", "search.scheduler=none")
    paths = ExperimentPaths(folder / "results" / "left")
    wait_for_reports(paths, 1)
    assert (
        program("pause", "results/left", "--trial", "0").out == "trial 0: it pauses at its next new report\n"
    )
    wait_until(lambda: "waiting: nothing is left" in (folder / "out.txt").read_text())
    driver.send_signal(signal.SIGKILL)
    driver.wait(PATIENCE_S)
    driver = start(folder, "resume", "results/left")
    wait_until(lambda: [line["action"] for line in read_decisions(paths.decisions)].count("OPEN") == 2)
    assert program("unpause", "results/left", "--trial", "0").out == (
        "trial 0: it goes on with the next free gang\n"
    )
    assert driver.wait(PATIENCE_S) == 0
    rows = Result.open(paths.root).rows
    assert [(row.state, row.reports) for row in rows] == [(TrialState.COMPLETE, EPOCHS)] * 2
    assert rows[0].retries == 0


@pytest.mark.ray
@pytest.mark.slow
def test_a_clone_goes_on_from_its_donors_weights(program: Program, folder: Path) -> None:
    changes = {
        "model": {"type": "mlp", "width": {"int": [8, 16]}, "dropout": {"float": [0.0, 0.5]}},
        "search": EXPERIMENT["search"] | {"trials": 3, "scheduler": "none"},
        "confirm": None,
    }
    (folder / "left.yaml").write_text(yaml.safe_dump(EXPERIMENT | changes))
    driver = start(folder, "run", "left.yaml")
    paths = ExperimentPaths(folder / "results" / "left")
    wait_for_reports(paths, 1)
    program("pause", "results/left", "--trial", "0")
    wait_until(lambda: any(line["action"] == "LEAVE" for line in read_decisions(paths.decisions)))
    ended = program("clone", "results/left", "--trial", "0", "--set", "model.width=9")
    assert (ended.status, ended.out) == (2, "")
    assert "found model.width; from scratch one like it is tried by: tuner enqueue DIR --like 0" in ended.err
    assert program("clone", "results/left", "--trial", "0", "--set", "model.dropout=0.0").out.startswith(
        "the clone: it begins next from the newest checkpoint of trial 0"
    )
    assert program("unpause", "results/left", "--trial", "0").status == 0
    assert driver.wait(PATIENCE_S) == 0, (folder / "out.txt").read_text()
    result = Result.open(paths.root)
    [clone] = [row for row in result.rows if row.donor is not None]
    assert (clone.donor, clone.state, clone.reports) == (0, TrialState.COMPLETE, EPOCHS)
    assert clone.params == result.rows[0].params | {"model.dropout": 0.0}
    first, *_ = curve(result, "train/loss", clone.number)
    before = dict(curve(result, "train/loss", 0))
    assert first[0] > 1
    assert first[1] < before[1], "it is no beginner"


@pytest.mark.ray
@pytest.mark.slow
def test_a_search_goes_on_with_fewer_gangs_and_with_more(program: Program, folder: Path) -> None:
    alone = {"resources": {"workers": 1}, "confirm": None}
    (folder / "left.yaml").write_text(yaml.safe_dump(EXPERIMENT | alone))
    changes = ("search.scheduler=none", "search.trials=3", "train.epochs=40")
    driver = start(folder, "run", "left.yaml", *(word for change in changes for word in ("--set", change)))
    paths = ExperimentPaths(folder / "results" / "left")
    wait_for_reports(paths, 2)
    assert "can have 1 to" in program("gangs", "results/left", "99").err
    assert program("gangs", "results/left", "1").out == (
        "gangs: what trains is saved, and goes on with 1 gang\n"
    )
    wait_for_reports(paths, len(heard(paths)) + 5)
    assert program("gangs", "results/left", "2").status == 0
    assert driver.wait(PATIENCE_S) == 0, (folder / "out.txt").read_text()
    rows = Result.open(paths.root).rows
    assert [(row.state, row.reports) for row in rows] == [(TrialState.COMPLETE, 40)] * 3
    assert all(row.retries == 0 for row in rows)
    lines = list(read_decisions(paths.decisions))
    fewer, more = [
        index for index, line in enumerate(lines) if line.get("name") == "gangs" and line["is_done"]
    ]
    alone_then = [line["trial"] for line in lines[fewer:more] if line["action"] == "START"]
    assert len(alone_then) == 1


def start(folder: Path, *words: str) -> "subprocess.Popen[bytes]":
    """`tuner ...` as a process of its own; what it prints goes to a file."""
    with (folder / "out.txt").open("ab") as out:
        command = [sys.executable, "-m", "tuner.cli", *words]
        return subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)


def wait_for_reports(paths: ExperimentPaths, number: int) -> None:
    """Until so many reports of the search and its fresh runs have been heard."""
    wait_until(lambda: len(heard(paths)) >= number)


def heard(paths: ExperimentPaths) -> list[Line]:
    return [line for line in read_decisions(paths.decisions) if "metrics" in line]


def wait_until(is_so: Callable[[], bool]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < until_s, Path("out.txt").read_text()
        time.sleep(0.05)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "ends",
    [
        [signal.SIGTERM, signal.SIGKILL],
        pytest.param([None, signal.SIGINT, signal.SIGKILL], marks=pytest.mark.faults),
    ],
)
def test_a_search_that_leaves_again_and_again_ends_as_one_that_does_not(
    program: Program, folder: Path, ends: list[signal.Signals | None]
) -> None:
    whole = ["run", "left.yaml", "--results", "whole"]
    assert start(folder, *whole).wait() == 0

    paths = ExperimentPaths(folder / "results" / "left")
    driver = start(folder, "run", "left.yaml")
    for number, end in enumerate(ends):
        wait_for_reports(paths, 5 + 12 * number)
        if end is None:
            assert program("stop", "results/left").status == 0
        else:
            driver.send_signal(end)
        assert driver.wait(PATIENCE_S) == (-signal.SIGKILL if end is signal.SIGKILL else 130)
        driver = start(folder, "resume", "results/left")
    assert driver.wait(PATIENCE_S) == 0

    found, expected = Result.open(paths.root), Result.open(folder / "whole" / "left")
    for one, other in zip(found.rows, expected.rows, strict=True):
        assert (one.number, one.state, one.reason) == (other.number, other.state, other.reason)
        assert (one.params, one.reports, one.seed) == (other.params, other.reports, other.seed)
        for tag in EXACT:
            assert curve(found, tag, one.number) == curve(expected, tag, one.number)
    text = (folder / "out.txt").read_text()
    assert "Traceback" not in text
    assert text.count("tuner: the search was interrupted after") == len(ends) - ends.count(signal.SIGKILL)
    assert program("resume", "results/left").status == 0, "it is done already"


def curve(result: Result, tag: str, number: int) -> list[tuple[int, float]]:
    frame = result.curves(tag)
    frame = frame[frame["trial"] == number].sort_values("step")
    return list(zip(frame["step"], frame["value"], strict=True))
