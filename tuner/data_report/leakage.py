"""Equal rows: in several splits, again in one, and with different labels.

Rows are equal when their features and labels are, as the model sees them, after cleaning, encoding and
cutting; `tuner.data.equal_rows` finds them. Those of equal features and other labels are counted apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tuner.data import Split
from tuner.data.equal_rows import first_equal, first_of
from tuner.data.origins import Indices
from tuner.data.table import AnyArray
from tuner.data_report.numbers import evenly
from tuner.data_report.report import Leakage, Pairs, Sample, Shared
from tuner.data_report.samples import Sampler

MOST_VALUES = 2**30
"""Features that are read; beyond that (4 GiB) the rows of each split are evenly spaced."""
MOST_EXAMPLES = 3


@dataclass(frozen=True)
class _Rows:
    """All rows that are compared, train before val before test."""

    splits: Mapping[str, Split]
    part: NDArray[np.int64]
    """[rows]: the place of its split in `splits`."""
    row: Indices
    """[rows]: in its split."""

    @classmethod
    def of(cls, splits: Mapping[str, Split]) -> _Rows:
        num_values = sum(split.features.size for split in splits.values())
        share = min(1.0, MOST_VALUES / max(1, num_values))
        rows = [evenly(len(split.targets), int(len(split.targets) * share)) for split in splits.values()]
        parts = np.repeat(np.arange(len(rows)), [len(each) for each in rows])
        return cls(splits, parts, np.concatenate(rows))

    def __len__(self) -> int:
        return len(self.row)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one."""
        return next(iter(self.splits.values())).features.shape[1:]

    def gather(self, places: Indices, field: str) -> AnyArray:
        """Features or targets of some rows."""
        arrays = [getattr(split, field) for split in self.splits.values()]
        found = np.empty((len(places), *arrays[0].shape[1:]), dtype=arrays[0].dtype)
        for part, values in enumerate(arrays):
            of_part = self.part[places] == part
            found[of_part] = values.take(self.row[places[of_part]], axis=0)
        return found


def find(splits: Mapping[str, Split], sampler: Sampler, *, has_labels: bool) -> Leakage:
    """Over all splits; `has_labels`: rows have labels of their own, so that equal ones may contradict."""
    rows = _Rows.of(splits)
    of_features = first_equal(len(rows), rows.shape, lambda places: rows.gather(places, "features"))
    targets = rows.gather(np.arange(len(rows)), "targets") if has_labels else None
    first = of_features if targets is None else first_of(of_features, targets)
    return Leakage(
        compared=len(rows),
        repeated={name: _num_repeated(first[rows.part == part]) for part, name in enumerate(splits)},
        shared=tuple(
            _shared(rows, first, one, other, sampler) for one, other in combinations(range(len(splits)), 2)
        ),
        contradictions=None if targets is None else _contradictions(rows, of_features, targets, sampler),
    )


def _num_repeated(first: Indices) -> int:
    return len(first) - len(np.unique(first))


def _shared(rows: _Rows, first: Indices, one: int, other: int, sampler: Sampler) -> Shared:
    """The rows of `other` that stand in `one`."""
    names = list(rows.splits)
    partner = np.full(len(first), -1)
    places = np.flatnonzero(rows.part == one)[::-1]  # reversed: the first of equal rows is written last
    partner[first[places]] = places
    found = np.flatnonzero((rows.part == other) & (partner[first] >= 0))
    pairs = Pairs(
        count=len(found),
        examples=_examples(rows, partner[first[found[:MOST_EXAMPLES]]], found[:MOST_EXAMPLES], sampler),
    )
    return Shared(split=names[other], also_in=names[one], pairs=pairs)


def _contradictions(rows: _Rows, first: Indices, targets: AnyArray, sampler: Sampler) -> Pairs:
    """`first`: of the rows with the same features."""
    differing = np.flatnonzero(targets != targets[first])
    count = int(np.count_nonzero(np.isin(first, first[differing])))
    chosen = differing[:MOST_EXAMPLES]
    return Pairs(count=count, examples=_examples(rows, first[chosen], chosen, sampler))


def _examples(
    rows: _Rows, ones: Indices, others: Indices, sampler: Sampler
) -> tuple[tuple[Sample, Sample], ...]:
    names = list(rows.splits)

    def sample(place: int) -> Sample:
        return sampler.sample(names[rows.part[place]], int(rows.row[place]))

    return tuple((sample(one), sample(other)) for one, other in zip(ones, others, strict=True))
