"""The rules between scheduler, budgets and the length of a training: each yields (path, what is wrong).

They need the reports of a full training, which only the whole experiment knows, so they are checked once at
the end and not at each corner of the space.
"""

from collections.abc import Iterator

from tuner.spec.reading import KeyPath
from tuner.spec.sections import (
    Asha,
    ConfirmSpec,
    Extrapolation,
    FreezeThaw,
    Hyperband,
    IEpoch,
    Median,
    Pb2,
    Pbt,
    ResourcesSpec,
    SearchSpec,
)

Wrong = tuple[KeyPath, str]
SCHEDULER = ("search", "scheduler")


def check_scheduling(
    search: SearchSpec, resources: ResourcesSpec, confirm: ConfirmSpec | None, max_reports: int | None
) -> Iterator[Wrong]:
    """`max_reports`: reports of a full training; None: not known, then nothing is held against it."""
    yield from _check_pauses(search)
    if max_reports is None:
        yield from _check_unknown_length(search)
    else:
        yield from _check_length(search, max_reports)
    yield from _check_trials(search, confirm)
    if search.stop.gpu_hours is not None and resources.gpus_per_worker == 0:
        rest = f"needs GPUs to count; found {search.stop.gpu_hours:g} with resources.gpus_per_worker 0"
        yield ("search", "stop", "gpu_hours"), f"{rest}; use hours"


def _check_pauses(search: SearchSpec) -> Iterator[Wrong]:
    scheduler = search.scheduler
    is_promotion = isinstance(scheduler, Asha) and scheduler.variant == "promotion"
    pauses = is_promotion or isinstance(scheduler, Hyperband | IEpoch | FreezeThaw | Pbt | Pb2)
    if pauses and not search.checkpoints:
        name = "asha with variant promotion" if is_promotion else scheduler.type
        yield (
            SCHEDULER,
            "must not pause trials where none can be saved and loaded; "
            f"found {name} with search.checkpoints false; "
            "turn checkpoints on, or use asha with variant stopping",
        )


def _check_unknown_length(search: SearchSpec) -> Iterator[Wrong]:
    if isinstance(search.scheduler, Hyperband):
        yield (
            SCHEDULER,
            "hyperband plans its brackets by the reports of a full training; "
            "found max_reports None; give max_reports, or use asha",
        )


def _check_length(search: SearchSpec, max_reports: int) -> Iterator[Wrong]:
    key, first = _first_decision(search)
    if first >= max_reports:
        yield (
            (*SCHEDULER, key),
            f"must be below the {max_reports} reports of a full training, or there would be no rung; "
            f"found {first}; lower it, or use the scheduler none",
        )
    elif isinstance(search.scheduler, Hyperband):
        yield from _check_hyperband(search.scheduler, max_reports)
    elif isinstance(search.scheduler, Asha):
        yield from _check_brackets(search.scheduler, max_reports)


def _first_decision(search: SearchSpec) -> tuple[str, int]:
    """The key that sets the first report at which the scheduler can act, and its value; 0: always."""
    scheduler = search.scheduler
    if isinstance(scheduler, IEpoch):
        return "reports", scheduler.reports
    if isinstance(scheduler, Pbt | Pb2):
        return "interval", scheduler.interval
    if isinstance(scheduler, Asha | Hyperband | Median | Extrapolation | FreezeThaw):
        return "grace", scheduler.grace
    return "type", 0


def _check_hyperband(hyperband: Hyperband, max_reports: int) -> Iterator[Wrong]:
    if hyperband.grace * hyperband.factor > max_reports:
        yield (
            (*SCHEDULER, "factor"),
            f"x grace must be at most the {max_reports} reports of a full training; "
            f"found {hyperband.factor} x {hyperband.grace}; lower one of them",
        )


def _check_brackets(asha: Asha, max_reports: int) -> Iterator[Wrong]:
    fitting = 1
    while asha.grace * asha.factor**fitting < max_reports:
        fitting += 1
    if asha.brackets > fitting:
        yield (
            (*SCHEDULER, "brackets"),
            f"must each have a rung below the {max_reports} reports of a full training; "
            f"found {asha.brackets} with grace {asha.grace} and factor {asha.factor}; use at most {fitting}",
        )


def _check_trials(search: SearchSpec, confirm: ConfirmSpec | None) -> Iterator[Wrong]:
    most = f"must be at most search.trials = {search.trials}; found"
    if confirm is not None and confirm.top > search.trials:
        yield ("confirm", "top"), f"{most} {confirm.top}; lower it"
    if search.stop.patience is not None and search.stop.patience >= search.trials:
        rest = f"must be below search.trials = {search.trials}, or it never ends the search"
        yield ("search", "stop", "patience"), f"{rest}; found {search.stop.patience}; lower it"
    if isinstance(search.scheduler, IEpoch):
        yield from _check_iepoch(search.scheduler, search.trials, most)


def _check_iepoch(iepoch: IEpoch, trials: int, most: str) -> Iterator[Wrong]:
    if iepoch.keep > trials:
        yield (*SCHEDULER, "keep"), f"{most} {iepoch.keep}; lower it"
    if iepoch.first is not None and iepoch.first > trials:
        yield (*SCHEDULER, "first"), f"{most} {iepoch.first}; lower it, or leave it out"
    elif iepoch.first is not None and iepoch.first < iepoch.keep:
        rest = f"must be at least keep = {iepoch.keep}; found {iepoch.first}"
        yield (*SCHEDULER, "first"), f"{rest}; raise it, or lower keep"
