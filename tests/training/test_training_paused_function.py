"""A function of one's own that goes on after a pause: its reports count on, its events too."""

from pathlib import Path

import pytest

from tuner.records.event_reader import event_files, read_scalars
from tuner.records.states import TrialState
from tuner.training.functions import FunctionTraining
from tuner.training.job import TrialJob
from tuner.training.ranks import Ranks
from tuner.training.report import Objective
from tuner.training.worker import Worker

OBJECTIVE = Objective("loss", "min")


def counts(config, trial):
    for step in range(trial.num_reports, config["length"]):
        yield {"loss": float(step + 1)}


def training(num_reports: int, length: int = 4) -> FunctionTraining:
    job = TrialJob(
        number=0,
        params={},
        objective=OBJECTIVE,
        folder=Path(),
        num_reports=num_reports,
        function=counts,
        config={"length": length},
    )
    return FunctionTraining(job, Ranks())


@pytest.mark.parametrize("num_reports", [0, 2])
def test_reports_count_on(num_reports):
    report = training(num_reports).step()
    assert (report.step, report.metrics) == (num_reports + 1, {"loss": num_reports + 1.0})


def test_a_function_that_has_nothing_left_to_do_is_complete():
    report = training(4).step()
    assert (report.step, report.state) == (4, TrialState.COMPLETE)


def test_events_go_on_in_a_second_file(tmp_path):
    worker = Worker(Ranks(rank=0, num_ranks=1, local_rank=0, device_type="cpu"))
    job = {"number": 0, "params": {}, "objective": OBJECTIVE, "folder": tmp_path, "function": counts}
    for num_reports in (0, 2):
        worker.start(TrialJob(**job, config={"length": 4}, num_reports=num_reports))
        worker.step()
        worker.step()
    worker.close()
    assert len(event_files(tmp_path)) == 2
    frame = read_scalars(tmp_path).query("tag == 'loss'")
    assert frame["step"].tolist() == [1, 2, 3, 4]
    assert frame["value"].tolist() == [1.0, 2.0, 3.0, 4.0]
