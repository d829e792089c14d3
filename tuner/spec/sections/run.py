"""`confirm`, `recovery` and `resources`: what happens around the trials."""

import os
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
)

from tuner.spec.domains import is_number, show
from tuner.spec.sections.base import AnyPath, Count, Positive, Section, broken_rule


def _auto_or_count(value: Any) -> Any:
    if value == "auto":
        return value
    if not (is_number(value) and value >= 0 and (value < 1 or value == int(value))):
        raise broken_rule(
            f"must be 'auto', a share of one GPU below 1, or a whole number of GPUs; found {show(value)}"
        )
    return value


def _is_absolute(path: str) -> str:
    if not os.path.isabs(path):
        raise broken_rule(f"must be an absolute path, for each node has its own; found {show(path)}")
    return path


class ConfirmSpec(Section):
    """The best trials are trained again in full, with fresh seeds, and ranked by these runs alone.

    This comes after the search, also where `search.stop` ended it, and its cost on top of the search's.
    """

    top: Count = 3
    """trials to confirm"""
    seeds: Count = 3
    """fresh runs of each"""


class RecoverySpec(Section):
    """What happens when something fails, and how much work a failure may cost."""

    retries: Annotated[int, Field(ge=0)] = 2
    """times that a trial begins again after a fault without a new report in between; then it is FAILED"""
    hang_seconds: Positive = 1800.0
    """without a step of training (a report, in a function of one's own), after which a gang is replaced"""
    grace_seconds: Positive = 30.0
    """for gangs to save when the run is told to end; then they are ended"""
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 60.0
    """of training between two checkpoints of a running trial; 0: one at every report"""
    keep_last: Count = 2
    """checkpoints of each trial that is not finished"""
    keep_best: Count | None = None
    """trials whose best weights are kept, the best ones of the search; None: all"""


class ShardCacheSpec(Section):
    """Prepared rows are read through copies on a disk of each node, which all of its trials share."""

    path: Annotated[AnyPath, AfterValidator(_is_absolute)]
    """a folder of each node's own disk"""
    limit_mb: Positive
    """megabytes of all copies in it together"""
    shard_mb: Positive = 64.0
    """megabytes of rows that are copied at once"""


class ResourcesSpec(Section):
    workers: Count = 1
    """ranks that train one trial together"""
    cpus_per_worker: Positive = 1.0
    gpus_per_worker: Annotated[Literal["auto"] | float, BeforeValidator(_auto_or_count)] = "auto"
    """auto: one where the cluster has any; below 1, for gangs of one worker: a share of one and of its memory
    """
    ray_data_above_mb: Annotated[float, Field(ge=0)] = 1024.0
    """megabytes of image files, running text or tables beyond which Ray Data prepares them, on all nodes,
    each of which must see them; below, one process does"""
    shard_cache: ShardCacheSpec | None = None
    """None: prepared rows are read from where the results lie"""
