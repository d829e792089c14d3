"""Micro-batches for trials that do not fit into memory: pure functions of a trial's configuration.

The global batch size stays: a smaller micro-batch is accumulated more often. What has been learned holds for
every trial of the same kind, which is one with the same sizes: of its model everything but real numbers
(rates of dropout and the like), its data, precision, ZeRO stage and offload.
"""

import json
from typing import Any

from tuner.spec.sections import TrialSpec


def kind_of(spec: TrialSpec) -> str:
    """The same for trials that need about the same memory a row."""
    train = spec.train
    sizes = {
        "data": spec.data.model_dump(mode="json"),
        "model": _without_rates(spec.model.model_dump(mode="json")),
        "precision": train.precision,
        "zero": train.zero.model_dump(mode="json"),
    }
    return json.dumps(sizes, sort_keys=True)


def micro_batch_of(spec: TrialSpec, num_ranks: int) -> int:
    """Rows of a rank that pass through the model at once."""
    return spec.train.micro_batch or spec.train.batch_size // num_ranks


def smaller_micro_batch(spec: TrialSpec, num_ranks: int) -> int | None:
    """At most half of the trial's own; None where that is 1 already."""
    return _divisor(spec, num_ranks, micro_batch_of(spec, num_ranks) // 2)


def with_micro_batch(spec: TrialSpec, num_ranks: int, most: int) -> TrialSpec:
    """The same trial with a micro-batch of at most `most`."""
    found = _divisor(spec, num_ranks, min(most, micro_batch_of(spec, num_ranks)))
    train = spec.train.model_copy(update={"micro_batch": found})
    return spec.model_copy(update={"train": train})


def _divisor(spec: TrialSpec, num_ranks: int, most: int) -> int | None:
    rows = spec.train.batch_size // num_ranks
    return next((size for size in range(most, 0, -1) if rows % size == 0), None)


def _without_rates(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_rates(each) for key, each in value.items() if not isinstance(each, float)}
    return value
