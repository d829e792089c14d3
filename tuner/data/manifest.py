"""`Manifest`: what is known of a prepared store, written beside its arrays as manifest.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter


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
    """One a column of a table; None for images."""
    class_names: tuple[str, ...] | None
    """In the order of the class indices; None for regression."""
    sizes: Mapping[str, int]
    """Rows of train, val and test."""
    mean: tuple[float, ...] | None
    """Of each feature or channel over the training split; None: not standardised."""
    std: tuple[float, ...] | None
    target_mean: float | None
    """Of the training targets; None for classes."""
    target_std: float | None

    tokenizer: str | None = None
    """Of texts: as `tuner.data.tokens` writes it; rows are then tokens."""
    num_tokens: int | None = None
    """Size of the vocabulary."""
    padding: int | None = None
    """The token that fills up short rows; None: every row is full."""

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
