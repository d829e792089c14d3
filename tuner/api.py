"""The Python door: `tuner.run(experiment)` and what it returns."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.results.result import Result
from tuner.spec import Experiment

if TYPE_CHECKING:
    from tuner.execution.conductor import Listener

RESULTS = "results"


def run(
    experiment: Experiment,
    *,
    results: str | Path = RESULTS,
    address: str | None = None,
    listeners: "Sequence[Listener]" = (),
    **changes: Any,
) -> Result:
    """Searches, and returns the result.

    Args:
        results: folder under which the experiment gets a folder of its own name.
        address: of a running Ray cluster, `host:port` or `auto`; None starts one on this machine.
        listeners: called with the conductor whenever a trial changes (for progress).
        changes: fields of the experiment to replace: `name`, `trials`, `seed`, `workers`, ...

    Raises:
        UsageError: what was asked for is wrong; nothing was started and nothing left behind.
        ExperimentError: also when a function of one's own reports no metric of the name that is compared or
            bounded: its first report ends the search, and the trials that ran keep their rows.
    """
    from tuner.execution.runner import run_experiment

    if changes:
        experiment = experiment.replace(**changes)
    return Result(run_experiment(experiment, Path(results), address=address, listeners=listeners))
