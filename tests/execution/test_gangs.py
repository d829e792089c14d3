"""Gangs of real ranks: warm between trials, sound after an error of the trial, replaced after a death."""

import math
import os
import re
import socket

import pytest

import tuner
from tuner.execution.decisions import read_decisions
from tuner.records.paths import ExperimentPaths

FATES = ["fine", "raises", "fine again", "dies", "fine at last", "raises on one rank", "fine in the end"]


def live(config, trial):
    """Reports which process trained, and ends as the configuration says."""
    import torch
    import torch.distributed

    total = torch.ones(1)
    torch.distributed.all_reduce(total)
    yield {"loss": 1.0, "pid": float(os.getpid()), "ranks": total.item()}
    if config["fate"] == "raises":
        raise ValueError(f"rank {trial.rank} was told to")
    if config["fate"] == "raises on one rank" and trial.rank == 1:
        raise ValueError("only rank 1 was told to")
    if config["fate"] == "dies" and trial.rank == 1:
        os._exit(1)
    torch.distributed.barrier()
    yield {"loss": 0.5, "pid": float(os.getpid()), "ranks": total.item()}


def run(folder, workers: int, fates: list[str]):
    experiment = tuner.Experiment(
        train=live,
        space={"fate": tuner.Choice(fates)},
        metric="loss",
        name="fates",
        trials=len(fates),
        sampler="grid",
        scheduler="none",
        workers=workers,
        gpus_per_worker=0,
        recovery={"retries": 0},
    )
    return tuner.run(experiment, results=folder)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return run(tmp_path_factory.mktemp("gang"), 2, FATES)


def states(result) -> dict[str, str]:
    return {row.params["fate"]: row.state.value for row in result.rows}


def processes(result) -> dict[str, float]:
    """Fate to the process of rank 0."""
    return {row.params["fate"]: row.last["pid"] for row in result.rows}


@pytest.mark.ray
@pytest.mark.slow
def test_each_trial_ends_as_it_should_and_the_search_goes_on(result):
    expected = {fate: "COMPLETE" if fate.startswith("fine") else "FAILED" for fate in FATES}
    assert states(result) == expected
    assert {row.last["ranks"] for row in result.rows} == {2.0}
    assert {row.nodes for row in result.rows} == {(socket.gethostname(),)}
    lines = list(read_decisions(result.paths.decisions))
    # One that is replaced after a death keeps the number: it is in the same place.
    assert [line["gang"] for line in lines if line["action"] == "START"] == [0] * len(FATES)
    assert all(line["devices"] == [] for line in lines if "nodes" in line)


@pytest.mark.ray
@pytest.mark.slow
def test_a_gang_stays_after_an_error_and_is_replaced_after_a_death(result):
    pid = processes(result)
    assert pid["fine"] == pid["raises"] == pid["fine again"] == pid["dies"]
    assert pid["fine at last"] != pid["dies"]
    assert pid["fine at last"] == pid["raises on one rank"]
    assert pid["fine in the end"] != pid["raises on one rank"]


@pytest.mark.ray
@pytest.mark.slow
def test_reasons_and_tracebacks(result):
    rows = {row.params["fate"]: row for row in result.rows}
    assert "ValueError" in rows["raises"].reason
    assert "was told to" in rows["raises"].reason
    log = ExperimentPaths(result.paths.root).trial(rows["raises"].number).log.read_text()
    assert "Traceback" in log
    assert "was told to" in log
    assert re.match(r"rank 1 \(process \d+ on .*\) died: ", rows["dies"].reason)


@pytest.mark.ray
@pytest.mark.slow
def test_a_gang_of_one_stays_after_an_error_too(tmp_path):
    result = run(tmp_path, 1, ["fine", "raises", "fine again"])
    assert states(result) == {"fine": "COMPLETE", "raises": "FAILED", "fine again": "COMPLETE"}
    # Two cores hold two gangs of one: at most two processes.
    assert len({row.last["pid"] for row in result.rows}) <= 2
    assert all(math.isfinite(row.seconds) for row in result.rows)
