"""`Manifest`: what is known of a prepared store, written beside its arrays as manifest.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table as the source has it, with what was fitted on its training rows."""

    name: str
    categories: tuple[str, ...] | None = None
    """Of text, in the order of their features or numbers; None: numbers."""
    fill: float | str | None = None
    """What stands for a missing value; None: nothing may be missing."""
    low: float | None = None
    """Numbers below become this one; None: no bounds."""
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Example:
    """A row that was dropped."""

    file: str | None
    """None: the source is no table in files."""
    row: int | None
    """The first one of the file is 1; None: the file is the row."""


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """How many rows were dropped for one reason, and the first of them."""

    count: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Shapes, names and moments of a prepared store; enough to prepare new rows in the same way."""

    sha256: str
    """The store's name: the hash of source, recipe, task and code version."""
    task: str
    source: Mapping[str, Any]
    """The source section of the experiment, as it was written."""
    input_shape: tuple[int, ...]
    """Shape of one row: (features,) or (channels, height, width)."""
    feature_names: tuple[str, ...] | None
    """One a feature of a table, after the encoding; None for images."""
    class_names: tuple[str, ...] | None
    """In the order of the class indices; None for regression."""
    sizes: Mapping[str, int]
    """Rows of train, val and test."""
    mean: tuple[float, ...] | None
    """Of each feature or channel over the training split (the median where that was asked for); 0 of features
    that are not scaled; None: not standardised."""
    std: tuple[float, ...] | None
    """What each is divided by."""
    target_mean: float | None
    """Of the training targets; None for classes."""
    target_std: float | None

    tokenizer: str | None = None
    """Of texts: as `tuner.data.tokens` writes it; rows are then tokens."""
    num_tokens: int | None = None
    """Size of the vocabulary."""
    padding: int | None = None
    """The token that fills up short rows; None: every row is full."""
    separator: int | None = None
    """Of pairs of texts: the token after which the second one begins; None: no pairs, or none that tells."""
    target_tokens: float | None = None
    """Of translations: tokens of a training target, on average."""

    columns: tuple[Column, ...] | None = None
    """Of a table, as new rows must have them; None: images, texts, or a store of version 0.1."""
    categories: Literal["onehot", "ordinal"] = "onehot"
    """How columns of text became numbers."""
    audio: Mapping[str, Any] | None = None
    """Of recordings: `data.audio` with all its fields; mean and std are then those of each band, and None of
    waves."""
    dropped: Mapping[str, Dropped] = field(default_factory=dict)
    """Reason to the rows that are in no split."""
    missing: Mapping[str, Mapping[str, int]] | None = None
    """Column to split to its usable rows without a value, before cleaning; columns without gaps are left
    out; None: no table, or an earlier version did not count."""

    @property
    def are_waves(self) -> bool:
        """Whether a row is a recording itself, (samples,), and not its spectrogram."""
        return self.audio is not None and self.audio.get("features") == "waves"

    @property
    def num_classes(self) -> int | None:
        return None if self.class_names is None else len(self.class_names)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """The inverse of `to_json`; ValueError when `text` is no manifest."""
        return _ADAPTER.validate_json(text)


_ADAPTER = TypeAdapter(Manifest)
