"""`DataReport`: all that is shown of the data, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tuner.data.manifest import Dropped

Kind = Literal["table", "image", "tokens"]
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """How numbers are distributed."""

    mean: float
    std: float
    quantiles: tuple[float, ...]
    """At `QUANTILES`: the first is the least, the last the greatest."""
    counts: tuple[int, ...]
    """Numbers in each of as many equal bins from the least to the greatest; one where all are equal."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """A value, and how often it is there."""

    name: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table, over the training rows that were looked at."""

    name: str
    numbers: Numbers | None
    """In raw units, after cleaning; None: a column of text."""
    categories: tuple[Share, ...] | None
    """The most frequent ones of a column of text, the first the most frequent."""
    num_categories: int | None
    """Of a column of text, those that training has."""
    missing: Mapping[str, int] | None
    """Split to rows without a value, before cleaning; None: not counted."""
    fill: float | str | None
    """What stands for a missing value."""
    association: float
    """How much of the target the column tells by itself, 0 to 1: r^2 between numbers, epsilon^2 between
    numbers and classes, Cramer's V^2 between classes; corrected, as `association.py` says."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A row to look at."""

    split: str
    row: int
    """In the prepared split; the first one is 1."""
    label: str | float | None
    """None: the row has no label of its own."""
    file: str | None = None
    """Of an image or a recording that was a file, its name; None: it was none, or a store of version 0.1."""
    values: tuple[float | str, ...] | None = None
    """Of a table, in the order of its columns, in raw units."""
    text: str | None = None
    """Of tokens, decoded; long ones are cut."""
    png: str | None = None
    """Of an image, in base64."""


@dataclass(frozen=True, kw_only=True)
class SplitRows:
    """One split."""

    name: str
    rows: int
    classes: tuple[int, ...] | None
    """Rows of each class; None: no classification."""
    targets: Numbers | None
    """Of a regression; None: anything else, or no rows."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Equal rows."""

    count: int
    examples: tuple[tuple[Sample, Sample], ...]


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Rows of a split that stand in another one too."""

    split: str
    also_in: str
    pairs: Pairs


@dataclass(frozen=True, kw_only=True)
class Leakage:
    """Rows whose features and labels are equal, as the model sees them."""

    compared: int
    """Rows that were compared; fewer than there are where those are very many."""
    repeated: Mapping[str, int]
    """Split to its rows that stand earlier in it."""
    shared: tuple[Shared, ...]
    contradictions: Pairs | None
    """Rows with the features of another row and another label; None: rows have no label of their own."""


@dataclass(frozen=True, kw_only=True)
class Images:
    """Pixels of the training images that were looked at, in raw units."""

    are_spectrograms: bool
    """Of recordings: a pixel is the logarithm of a power."""
    channels: tuple[Numbers, ...]
    num_plain: int
    """Images of one colour; silent recordings."""


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Tokens of the training rows that were looked at."""

    vocabulary: int
    used: int
    """Different ones that are there."""
    frequent: tuple[Share, ...]
    lengths: Mapping[str, Numbers]
    """Split to the lengths of its rows, in tokens without padding."""
    full: Mapping[str, int]
    """Split to its rows that fill all tokens (longer texts were cut there), of those that were looked at."""


@dataclass(frozen=True, kw_only=True)
class DataReport:
    name: str
    """Of the experiment."""
    task: str
    kind: Kind
    store: str
    """The folder of the prepared data."""
    source: Mapping[str, Any]
    searched: Mapping[str, Any]
    """What of the data is searched, and the value that was taken to look at."""
    input_shape: tuple[int, ...]
    class_names: tuple[str, ...] | None
    splits: tuple[SplitRows, ...]
    dropped: Mapping[str, Dropped]
    looked_at: int
    """Training rows, evenly spaced, behind the figures of columns, pixels and tokens."""
    columns: tuple[Column, ...] | None
    images: Images | None
    tokens: Tokens | None
    leakage: Leakage
    samples: tuple[Sample, ...]
    """Of training."""
    findings: tuple[str, ...]
    """What a human should look at, a sentence each."""

    @property
    def num_rows(self) -> int:
        return sum(split.rows for split in self.splits)

    @property
    def num_training(self) -> int:
        return self.splits[0].rows

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
