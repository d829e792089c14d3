"""From the `search` section of an experiment to a searcher and a scheduler.

    searcher = make_searcher(space, experiment.search, storage=paths.study)
    scheduler = make_scheduler(experiment.search, experiment.max_reports)

Importing this module imports optuna (0.4 s); `tuner.search` alone does not.
"""

from pathlib import Path
from typing import Any

from tuner.errors import ExperimentError
from tuner.search.asha import Asha
from tuner.search.extrapolation import Extrapolation
from tuner.search.freeze_thaw import FreezeThaw
from tuner.search.hyperband import Hyperband
from tuner.search.iepoch import IEpoch
from tuner.search.median import MedianStopping
from tuner.search.none import NoStopping
from tuner.search.optuna_searcher import OptunaSearcher
from tuner.search.outage import Patience
from tuner.search.promotion import AshaPromotion
from tuner.search.scheduler import Scheduler
from tuner.spec.sections import Asha as AshaSpec
from tuner.spec.sections import FreezeThaw as FreezeThawSpec
from tuner.spec.sections import NoScheduler, Pb2, Pbt, SearchSpec
from tuner.spec.sections import Scheduler as SchedulerSpec
from tuner.spec.space import Space

NO_SPACE = Space(())


def make_searcher(
    space: Space,
    search: SearchSpec,
    storage: Path | str | None,
    study_name: str = "study",
    max_reports: int | None = None,
    patience: Patience | None = None,
) -> OptunaSearcher:
    """The searcher of an experiment, with its study in `storage`.

    `storage`: the path of a journal file (made when missing), an Optuna database URL, or None for a study in
    memory. In a database that holds several experiments, `study_name` tells them apart. A study that is
    already there is continued; one that is new reads the folders of `search.warm_start`. `patience`: how a
    database that does not answer is waited for, in real seconds by default.
    Raises ExperimentError when the URL cannot be opened or a folder is no start for this space, StorageError
    when the database stays away, ResultsError when the study that is there belongs to another search.
    """
    return OptunaSearcher(space, search, storage, study_name, max_reports, patience)


def make_scheduler(search: SearchSpec, max_reports: int | None, space: Space = NO_SPACE) -> Scheduler:
    """The scheduler of an experiment whose full training has `max_reports` reports (None: not known).

    Raises:
        ExperimentError: hyperband without `max_reports`; pbt and pb2, which copy the weights of real trials
            and are driven by `tuner.execution`.
    """
    spec = (
        _auto_scheduler(search, max_reports, space) if search.scheduler.type == "auto" else search.scheduler
    )
    if isinstance(spec, Pbt | Pb2):
        raise ExperimentError(
            f"{spec.type} runs on real trials only, because it copies their weights; "
            f"found the scheduler {spec.type} where curves are replayed; use asha"
        )
    assert search.mode is not None, "an Experiment fills the mode"
    if isinstance(spec, FreezeThawSpec):
        assert max_reports is not None, "the checks refuse it"
        return FreezeThaw(
            mode=search.mode,
            max_reports=max_reports,
            grace=spec.grace,
            space=space,
            trials=search.trials,
            seed=search.seed,
        )
    variant = spec.variant if isinstance(spec, AshaSpec) else None
    make: Any = _SCHEDULERS[spec.type, variant]
    options = spec.model_dump(exclude={"type", "variant"})
    scheduler: Scheduler = make(mode=search.mode, max_reports=max_reports, **options)
    return scheduler


_SCHEDULERS: dict[tuple[str, str | None], type[Scheduler]] = {
    ("none", None): NoStopping,
    ("asha", "stopping"): Asha,
    ("asha", "promotion"): AshaPromotion,
    ("hyperband", None): Hyperband,
    ("median", None): MedianStopping,
    ("iepoch", None): IEpoch,
    ("extrapolation", None): Extrapolation,
}
"""By type and variant; each takes mode, max_reports and the fields of its section."""


def _auto_scheduler(search: SearchSpec, max_reports: int | None, space: Space) -> SchedulerSpec:
    """What `auto` stands for.

    Nothing is stopped by one of several objectives. Where trials can be paused: freeze-thaw, the best
    measured; promotion ASHA where the length of a training is not known or nothing is searched. Else stopping
    ASHA.
    """
    if search.also:
        return NoScheduler()
    if not search.checkpoints:
        return AshaSpec(variant="stopping")
    knows_curves = max_reports is not None and max_reports > 1 and space.parameters
    return FreezeThawSpec() if knows_curves else AshaSpec(variant="promotion")
