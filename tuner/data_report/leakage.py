"""Equal rows: in several splits, again in one, and with different labels.

Rows are equal when their features are, as the model sees them: after cleaning, encoding and cutting. Each row
is hashed to 64 bits (a multilinear hash of its 32-bit words), and of rows with equal hashes the features
themselves are compared. So what is said to be equal is equal; two equal rows are overlooked only where a
third, different row has their hash.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tuner.data import Split
from tuner.data.origins import Indices
from tuner.data.table import AnyArray
from tuner.data_report.numbers import evenly
from tuner.data_report.report import Leakage, Pairs, Sample, Shared
from tuner.data_report.samples import Sampler

MOST_VALUES = 2**30
"""Features that are read; beyond that (4 GiB) the rows of each split are evenly spaced."""
MOST_EXAMPLES = 3
_BLOCK_VALUES = 1 << 20


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

    @property
    def in_a_block(self) -> int:
        """Rows that are read at once."""
        shape = next(iter(self.splits.values())).features.shape[1:]
        return max(1, _BLOCK_VALUES // max(1, math.prod(shape)))

    def gather(self, places: Indices, field: str) -> AnyArray:
        """Features or targets of some rows."""
        arrays = [np.asarray(getattr(split, field)) for split in self.splits.values()]
        found = np.empty((len(places), *arrays[0].shape[1:]), dtype=arrays[0].dtype)
        for part, values in enumerate(arrays):
            of_part = self.part[places] == part
            found[of_part] = values[self.row[places[of_part]]]
        return found


def find(splits: Mapping[str, Split], sampler: Sampler, *, has_labels: bool) -> Leakage:
    """Over all splits; `has_labels`: rows have labels of their own, so that equal ones may contradict."""
    rows = _Rows.of(splits)
    first = _first_equal(rows)
    return Leakage(
        compared=len(first),
        repeated={name: _num_repeated(first[rows.part == part]) for part, name in enumerate(splits)},
        shared=tuple(
            _shared(rows, first, one, other, sampler) for one, other in combinations(range(len(splits)), 2)
        ),
        contradictions=_contradictions(rows, first, sampler) if has_labels else None,
    )


def _first_equal(rows: _Rows) -> Indices:
    """[rows]: the place of the first row that equals this one; often its own."""
    hashes = np.concatenate([_hashes(rows, part) for part in range(len(rows.splits))])
    order = np.argsort(hashes, kind="stable")
    is_new = np.diff(hashes[order], prepend=hashes[order[:1]] + 1) != 0
    first = np.empty_like(order)
    first[order] = order[np.maximum.accumulate(np.where(is_new, np.arange(len(order)), 0))]
    later = np.flatnonzero(first != np.arange(len(first)))
    step = rows.in_a_block
    for places in (later[start : start + step] for start in range(0, len(later), step)):
        here, there = rows.gather(places, "features"), rows.gather(first[places], "features")
        differ = (here != there).reshape(len(places), -1).any(axis=1)
        first[places[differ]] = places[differ]
    return first


def _hashes(rows: _Rows, part: int) -> NDArray[np.uint64]:
    features = np.asarray(list(rows.splits.values())[part].features)
    index = rows.row[rows.part == part]
    flat = features.reshape(len(features), math.prod(features.shape[1:]))
    factors = np.random.default_rng(0).integers(2**63, size=flat.shape[1], dtype=np.uint64) * 2 + 1
    found = np.empty(len(index), dtype=np.uint64)
    step = rows.in_a_block
    for start in range(0, len(index), step):
        # Adding 0 makes one of the two zeros that are equal.
        words = (flat[index[start : start + step]] + flat.dtype.type(0)).view(np.uint32)
        found[start : start + step] = words.astype(np.uint64) @ factors
    return found


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


def _contradictions(rows: _Rows, first: Indices, sampler: Sampler) -> Pairs:
    targets = rows.gather(np.arange(len(first)), "targets")
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
