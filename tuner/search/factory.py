"""From the `search` section of an experiment to a searcher and a scheduler.

    searcher = make_searcher(space, experiment.search, storage=paths.study)
    scheduler = make_scheduler(experiment.search, experiment.max_reports)

Importing this module imports optuna (0.4 s); `tuner.search` alone does not.
"""

from pathlib import Path

from tuner.search.asha import Asha
from tuner.search.none import NoStopping
from tuner.search.optuna_searcher import OptunaSearcher
from tuner.search.scheduler import Scheduler
from tuner.spec.sections import Asha as AshaSpec
from tuner.spec.sections import SearchSpec
from tuner.spec.space import Space


def make_searcher(
    space: Space, search: SearchSpec, storage: Path | str, study_name: str = "study"
) -> OptunaSearcher:
    """The searcher of an experiment, with its study in `storage`.

    `storage`: the path of a journal file (made when missing) or an Optuna database URL. In a database that
    holds several experiments, `study_name` tells them apart. A study that is already there is continued.
    Raises ExperimentError when a grid needs a step or the URL cannot be opened, ResultsError when the study
    that is there belongs to another search.
    """
    return OptunaSearcher(space, search, storage, study_name)


def make_scheduler(search: SearchSpec, max_reports: int | None) -> Scheduler:
    """The scheduler of an experiment whose full training has `max_reports` reports (None: not known)."""
    assert search.mode is not None, "an Experiment fills the mode"
    if isinstance(search.scheduler, AshaSpec):
        return Asha(
            mode=search.mode,
            max_reports=max_reports,
            grace=search.scheduler.grace,
            factor=search.scheduler.factor,
        )
    return NoStopping()
