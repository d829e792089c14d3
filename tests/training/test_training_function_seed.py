"""A function of one's own is told its seed."""

from pathlib import Path

from tuner.training.job import TrialJob
from tuner.training.ranks import Ranks
from tuner.training.report import Objective
from tuner.training.worker import Worker


def told(config, trial):
    yield {"loss": float(trial.seed)}


def test_the_jobs_seed_reaches_the_function(tmp_path: Path) -> None:
    worker = Worker(Ranks())
    job = TrialJob(
        number=0, params={}, objective=Objective("loss", "min"), folder=tmp_path, seed=7, function=told
    )
    worker.start(job)
    assert worker.step().metrics == {"loss": 7.0}
    worker.close()
