"""A gang begins every trial alike: from the newest checkpoint that it can load, else from scratch."""

import pytest
from execution_fakes import write_checkpoint

from tuner.execution import trainable
from tuner.execution.faults import TrialRaised
from tuner.execution.trainable import DEVICES, NODES, REPORT, TrialRunner
from tuner.records.checkpoints import name_of
from tuner.records.paths import POSITION, TrialPaths
from tuner.records.states import TrialState
from tuner.training.job import TrialJob
from tuner.training.report import Objective, Report


class PickyGang:
    """Cannot load some checkpoints; remembers what it was told."""

    nodes = ("node",)
    devices = ("2,3",)

    def __init__(self, refused):
        self.refused, self.told = refused, []

    def start(self, job):
        self.told.append(("start", job.num_reports))

    def load(self, checkpoint):
        self.told.append(("load", checkpoint.num_reports))
        if checkpoint.num_reports in self.refused:
            raise TrialRaised("it is of another world")

    def step(self):
        return Report(self.told[-1][1] + 1, {"loss": 1.0})

    def save(self):
        self.told.append(("save", None))

    def close(self):
        pass


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """`begin(refused, donor)`: what the gang was told, and the first report."""

    def begin(refused=(), donor=None):
        gang = PickyGang(refused)
        monkeypatch.setattr(trainable, "Gang", lambda size: gang)
        job = TrialJob(
            number=0,
            params={},
            objective=Objective("loss", "min"),
            folder=tmp_path,
            num_reports=7,
            donor=donor,
        )
        runner = TrialRunner({"job": job, "size": None})
        return gang.told, runner.step()[REPORT]

    return begin


@pytest.fixture
def trial(tmp_path):
    trial = TrialPaths(tmp_path)
    for num_reports in (2, 3):
        write_checkpoint(trial, num_reports, keep_last=2)
    return trial


def test_without_a_checkpoint_it_begins_from_scratch(begin):
    assert begin() == ([("start", 0)], Report(1, {"loss": 1.0}))


def test_it_begins_from_the_newest(begin, trial):
    told, report = begin()
    assert told == [("start", 3), ("load", 3)]
    assert report.step == 4


def test_a_broken_one_is_passed_over(begin, trial):
    (trial.checkpoints / name_of(3, 0) / POSITION).write_text("{")
    assert begin()[0] == [("start", 2), ("load", 2)]


def test_one_that_cannot_be_loaded_is_passed_over_and_the_log_says_so(begin, trial):
    told, report = begin(refused=[3])
    assert told == [("start", 3), ("load", 3), ("start", 2), ("load", 2)]
    assert report.step == 3
    log = trial.log.read_text()
    assert "it is of another world" in log
    assert f"{name_of(3, 0)} cannot be loaded; what came before it is used" in log


def test_when_none_can_be_loaded_it_begins_from_scratch(begin, trial):
    told, _ = begin(refused=[2, 3])
    assert told == [("start", 3), ("load", 3), ("start", 2), ("load", 2), ("start", 0)]


def test_a_clone_begins_from_a_checkpoint_or_not_at_all(begin, trial):
    assert begin(donor=5)[0] == [("start", 3), ("load", 3)]
    told, report = begin(refused=[2, 3], donor=5)
    assert told == [("start", 3), ("load", 3), ("start", 2), ("load", 2)]
    reason = "a clone goes on from a checkpoint, here of trial 5, but it cannot: it is of another world"
    assert report == Report(2, {}, TrialState.FAILED, reason)
    assert reason in trial.log.read_text()


def test_a_clone_without_a_sound_checkpoint_has_failed(begin):
    told, report = begin(donor=5)
    assert told == []
    assert (report.step, report.state, report.fault) == (7, TrialState.FAILED, None)
    assert "none of its checkpoints is sound any more" in report.reason


def test_a_report_comes_with_the_place_of_its_gang(begin, monkeypatch, tmp_path):
    monkeypatch.setattr(trainable, "Gang", lambda size: PickyGang(()))
    job = TrialJob(number=0, params={}, objective=Objective("loss", "min"), folder=tmp_path)
    result = TrialRunner({"job": job, "size": None}).step()
    assert (result[NODES], result[DEVICES]) == (("node",), ("2,3",))


def test_tune_holds_a_token_only(begin, trial, monkeypatch, tmp_path):
    gang = PickyGang(())
    monkeypatch.setattr(trainable, "Gang", lambda size: gang)
    job = TrialJob(number=0, params={}, objective=Objective("loss", "min"), folder=tmp_path)
    runner = TrialRunner({"job": job, "size": None})
    token = runner.save_checkpoint("")
    assert gang.told == [("save", None)]
    runner.load_checkpoint(token)
    runner.step()
    assert gang.told[1:] == [("start", 3), ("load", 3)]
