"""Rank 0 holds the trial's lock while it trains it, and lets go when the trial may go on elsewhere."""

import pytest

from tuner.errors import ResultsError
from tuner.records.lock import hold
from tuner.records.paths import TrialPaths
from tuner.training import worker as worker_module
from tuner.training.job import TrialJob
from tuner.training.ranks import Ranks
from tuner.training.report import Objective
from tuner.training.worker import Worker


def reports(config, trial):
    for _ in range(2):
        yield {"loss": 1.0}
    if config["raises"]:
        raise ValueError("it was told to")


def job(folder, *, raises: bool = False) -> TrialJob:
    return TrialJob(
        number=0,
        params={},
        objective=Objective("loss", "min"),
        folder=folder,
        function=reports,
        config={"raises": raises},
    )


def is_held(folder) -> bool:
    try:
        hold(TrialPaths(folder).lock, rule="", fix="").release()
    except ResultsError:
        return True
    return False


@pytest.fixture
def worker():
    made = Worker(Ranks())
    yield made
    made.close()


def test_a_trial_is_held_until_it_has_ended(worker, tmp_path):
    worker.start(job(tmp_path))
    assert is_held(tmp_path)
    worker.step()
    worker.step()
    assert is_held(tmp_path)
    assert worker.step().state is not None
    assert not is_held(tmp_path)


def test_a_trial_that_raises_is_let_go_of(worker, tmp_path):
    worker.start(job(tmp_path, raises=True))
    worker.step()
    worker.step()
    with pytest.raises(ValueError, match="it was told to"):
        worker.step()
    assert not is_held(tmp_path)


def test_a_trial_that_is_saved_or_closed_is_let_go_of(worker, tmp_path):
    worker.start(job(tmp_path / "saved"))
    worker.save()
    assert not is_held(tmp_path / "saved")
    worker.start(job(tmp_path / "closed"))
    worker.close()
    assert not is_held(tmp_path / "closed")


def test_the_next_trial_lets_go_of_the_one_before_it(worker, tmp_path):
    worker.start(job(tmp_path / "a"))
    worker.start(job(tmp_path / "b"))
    assert not is_held(tmp_path / "a")
    assert is_held(tmp_path / "b")


def test_the_same_trial_may_begin_again(worker, tmp_path):
    worker.start(job(tmp_path))
    worker.start(job(tmp_path))
    assert is_held(tmp_path)


def test_a_trial_that_another_gang_trains_is_waited_for_and_then_refused(worker, tmp_path, monkeypatch):
    monkeypatch.setattr(worker_module, "LOCK_WAIT_S", 0.2)
    other = hold(TrialPaths(tmp_path).lock, rule="", fix="")
    with pytest.raises(
        ResultsError, match="a trial is trained by one gang at a time, but .* is being run by"
    ):
        worker.start(job(tmp_path))
    other.release()
    worker.start(job(tmp_path))


def test_the_other_ranks_hold_nothing(tmp_path):
    worker = Worker(Ranks(rank=1, num_ranks=2))
    worker.start(job(tmp_path))
    assert not is_held(tmp_path)
