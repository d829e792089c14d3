"""What a gang is told of a trial. Light: neither torch nor DeepSpeed is imported to hand a job on."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.spec.sections import RecoverySpec, ShardCacheSpec, TrialSpec
from tuner.training.report import Objective, Trial

TrainFunction = Callable[[dict[str, Any], Trial], Iterator[Mapping[str, float]]]


@dataclass(frozen=True, kw_only=True)
class TrialJob:
    """All that a gang must know of a trial. Either `spec` and `store`, or `function` and `config`."""

    number: int
    params: Mapping[str, Any]
    objective: Objective
    folder: Path
    num_reports: int = 0
    """Reports already handed out; above 0: the gang goes on from a checkpoint."""
    recovery: RecoverySpec = RecoverySpec()
    is_saved: bool = True
    """Whether the trial can be saved and loaded."""
    leave: Path | None = None
    """When this file appears, the gang saves the trial and returns, also in the middle of an epoch."""
    seed: int = 0
    """What a function is told; a `spec` holds its own."""
    spec: TrialSpec | None = None
    store: Path | None = None
    shard_cache: ShardCacheSpec | None = None
    """Through which the store is read."""
    function: TrainFunction | None = None
    config: Mapping[str, Any] | None = None
    max_reports: int | None = None
    """With which a function's trial is complete; None: when the function ends. A `spec` knows its own."""
    donor: int | None = None
    """The trial from whose checkpoint it begins, so never from scratch."""
