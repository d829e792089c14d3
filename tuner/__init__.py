"""Distributed hyperparameter search: Ray Tune, Optuna and DeepSpeed behind one experiment file.

    import tuner

    result = tuner.run(tuner.Experiment.load("search_spaces/digits_cnn.yaml"), trials=64)
    result.best.params, result.best.value

Importing this loads no torch, ray, optuna or pandas; the first use of a name does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.api import (
        clone_trial,
        enqueue,
        note,
        pause_trial,
        report,
        resume,
        run,
        set_gangs,
        stop_trial,
        unpause_trial,
    )
    from tuner.errors import TunerError
    from tuner.results.result import Result
    from tuner.spec import Choice, Experiment, Float, Int
    from tuner.training.report import Trial

__version__ = "0.1.0"

__all__ = [
    "Choice",
    "Experiment",
    "Float",
    "Int",
    "Result",
    "Trial",
    "TunerError",
    "clone_trial",
    "enqueue",
    "note",
    "pause_trial",
    "report",
    "resume",
    "run",
    "set_gangs",
    "stop_trial",
    "unpause_trial",
]

_HOMES = {
    "Choice": "tuner.spec",
    "Experiment": "tuner.spec",
    "Float": "tuner.spec",
    "Int": "tuner.spec",
    "Result": "tuner.results.result",
    "Trial": "tuner.training.report",
    "TunerError": "tuner.errors",
    "clone_trial": "tuner.api",
    "enqueue": "tuner.api",
    "note": "tuner.api",
    "pause_trial": "tuner.api",
    "report": "tuner.api",
    "resume": "tuner.api",
    "run": "tuner.api",
    "set_gangs": "tuner.api",
    "stop_trial": "tuner.api",
    "unpause_trial": "tuner.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tuner' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
