"""What an experiment leaves on disk: trial states and rows, every path, TensorBoard events.

Import from the modules; `ExperimentPaths` and `read_scalars` are also here. Nothing is loaded before its use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.records.event_reader import read_scalars
    from tuner.records.paths import ExperimentPaths

__all__ = ["ExperimentPaths", "read_scalars"]

_HOMES = {"ExperimentPaths": "tuner.records.paths", "read_scalars": "tuner.records.event_reader"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tuner.records' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
