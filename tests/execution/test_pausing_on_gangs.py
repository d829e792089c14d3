"""Pause and resume on real gangs: the same losses to the last bit, on any gang, and nothing left behind."""

import json
import os
import re
from pathlib import Path

import psutil
import pytest

import tuner
from tuner.records.event_reader import event_files
from tuner.records.files import read_lines
from tuner.records.states import TrialState

pytestmark = [pytest.mark.ray, pytest.mark.slow]

PROMOTION = {"type": "asha", "variant": "promotion", "factor": 2}
EXACT = ("train/loss", "train/grad_norm", "val/loss", "val/accuracy")
DIGITS = {
    "task": "image_classification",
    "data": {"source": {"type": "sklearn", "name": "digits"}},
    "model": {"type": "cnn", "channels": 4, "depth": 1, "dropout": 0.2},
    "train": {
        "epochs": 4,
        "batch_size": 128,
        # A good first one is overtaken by none: it pauses, and goes on when the second has come.
        "optimizer": {"type": "adamw", "lr": {"choice": [1e-2, 1e-5, 5e-3, 2e-5]}},
        "zero": {"stage": 1},
        "schedule": {"type": "cosine", "warmup": 0.1},
    },
    "search": {"metric": "val/loss", "trials": 4, "sampler": "grid"},
    "resources": {"workers": 2, "gpus_per_worker": 0},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def whole(results):
    """Every trial trained without a pause."""
    tree = DIGITS | {"name": "whole", "search": DIGITS["search"] | {"scheduler": "none"}}
    return tuner.run(tuner.Experiment.from_dict(tree), results=results)


@pytest.fixture(scope="module")
def promoted(results):
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    tree = DIGITS | {"name": "promoted", "search": DIGITS["search"] | {"scheduler": PROMOTION}}
    result = tuner.run(tuner.Experiment.from_dict(tree), results=results)
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    psutil.wait_procs(left, timeout=20)
    assert not [child for child in left if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    return result


def actions(result, number: int) -> list[str]:
    return [line["action"] for line in read_lines(result.paths.decisions) if line["trial"] == number]


def resumed(result) -> list[int]:
    return [row.number for row in result.rows if "RESUME" in actions(result, row.number)]


def test_a_promotion_search_ends_with_trials_paused_resumed_and_complete(promoted):
    assert len(promoted.rows) == 4
    assert resumed(promoted)
    assert {row.state for row in promoted.rows} == {TrialState.COMPLETE, TrialState.STOPPED}
    assert promoted.best.number in resumed(promoted)
    stopped = [row for row in promoted.rows if row.state is TrialState.STOPPED]
    assert {row.reason for row in stopped} == {
        f"paused at report {row.reports} and not among those that went on" for row in stopped
    }


def test_what_was_paused_has_the_losses_of_what_was_not(promoted, whole):
    for row in promoted.rows:
        assert row.params == whole.rows[row.number].params
        for tag in EXACT:
            found, expected = curve(promoted, tag, row.number), curve(whole, tag, row.number)
            assert found == expected[: row.reports]


def curve(result, tag: str, number: int) -> list[float]:
    frame = result.curves(tag)
    return frame[frame["trial"] == number].sort_values("step")["value"].tolist()


def test_events_go_on_in_a_second_file_and_no_checkpoint_of_an_ended_trial_stays(promoted):
    for row in promoted.rows:
        folder = promoted.paths.trial(row.number)
        assert len(event_files(folder.root)) == 1 + actions(promoted, row.number).count("RESUME")
        assert [path.name for path in folder.checkpoints.iterdir()] == ["best"]


def counts(config, trial):
    """Goes on from what it kept; reports in how many processes and calls it was."""
    kept = Path(trial.folder, "kept.json")
    calls = json.loads(kept.read_text()) if trial.num_reports else []
    calls.append(trial.num_reports)
    kept.write_text(json.dumps(calls))
    for step in range(trial.num_reports, 4):
        yield {"loss": config["x"] + 1 / (step + 1), "step": step + 1, "calls": len(calls)}


def test_a_function_of_ones_own_goes_on_where_it_was(tmp_path):
    """On one gang: on two, the best trial may come second to every rung, and never pauses."""
    experiment = tuner.Experiment(
        train=counts,
        checkpoints=True,
        space={"x": tuner.Choice([3, 1, 2, 4])},
        metric="loss",
        trials=4,
        sampler="grid",
        scheduler=PROMOTION,
        max_reports=4,
        cpus_per_worker=len(os.sched_getaffinity(0)),
        gpus_per_worker=0,
    )
    result = tuner.run(experiment, results=tmp_path)
    best = result.rows[result.best.number]
    assert best.params == {"x": 1}
    assert (best.state, best.reports, best.last["step"]) == (TrialState.COMPLETE, 4, 4.0)
    assert best.last["calls"] == 1 + actions(result, best.number).count("RESUME")
    assert actions(result, best.number).count("RESUME") == 1


def dies_when_resumed(config, trial):
    if trial.num_reports and config["x"] == 1:
        os._exit(1)
    for step in range(trial.num_reports, 4):
        yield {"loss": config["x"] + 1 / (step + 1)}


def test_a_gang_that_is_lost_in_going_on_is_a_failed_trial(tmp_path):
    experiment = tuner.Experiment(
        train=dies_when_resumed,
        checkpoints=True,
        space={"x": tuner.Choice([1, 2, 3, 4])},
        metric="loss",
        trials=4,
        sampler="grid",
        scheduler=PROMOTION,
        max_reports=4,
        cpus_per_worker=len(os.sched_getaffinity(0)),
        gpus_per_worker=0,
    )
    result = tuner.run(experiment, results=tmp_path)
    states = {row.params["x"]: row.state for row in result.rows}
    assert states[1] is TrialState.FAILED
    [row] = [row for row in result.rows if row.params["x"] == 1]
    assert re.match(r"rank 0 \(process \d+ on .*\) died: ", row.reason)
    assert row.retries == experiment.recovery.retries
    assert TrialState.COMPLETE in states.values()


def endless(config, trial):
    step = 0
    while True:
        step += 1
        yield {"loss": config["x"] / step}


def test_a_stop_rule_ends_a_real_search(tmp_path):
    experiment = tuner.Experiment(
        train=endless,
        space={"x": tuner.Choice([1, 1000])},
        metric="loss",
        trials=2,
        sampler="grid",
        scheduler="none",
        stop={"target": 0.01},
        gpus_per_worker=0,
    )
    result = tuner.run(experiment, results=tmp_path)
    assert result.end_reason.startswith("search.stop.target: loss 0.0")
    assert {row.state for row in result.rows} == {TrialState.STOPPED}
    assert {row.reason for row in result.rows} == {result.end_reason}
