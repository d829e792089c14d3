"""Texts as rows of tokens, for classification: a row is one text, or a pair, cut at `max_length` tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tuner.data import duplicates
from tuner.data.clean import Cleaned, to_classes
from tuner.data.columns import Columns, StoredColumns
from tuner.data.invalid import usable
from tuner.data.manifest import Dropped
from tuner.data.origins import Indices, Ledger, Origins
from tuner.data.rows import (
    Work,
    check_sizes,
    check_training,
    known_classes,
    split,
    with_known_labels,
    without,
)
from tuner.data.split import SPLITS, row_number
from tuner.data.stages import Packed, Stage, Stages
from tuner.data.table import AnyArray, Faults, Table
from tuner.data.tokens import TokenArray, Tokenizer, encode_rows, fit, from_json
from tuner.errors import DataError
from tuner.spec.sections import DataSpec, TextSpec

TOKENIZER: Stage[Tokenizer] = Stage(
    "tokenizer",
    ("split", "clean", "text.tokenizer"),
    lambda tokenizer: Packed({}, tokenizer.to_json()),
    lambda packed: from_json(packed.about),
)
"""Fitted on the training texts."""


@dataclass(frozen=True)
class TextRows:
    """Prepared splits, and what their manifest says of them."""

    splits: Mapping[str, tuple[TokenArray, AnyArray]]
    """Tokens int32 [rows, max_length]; class indices [rows], or tokens of the same shape."""
    tokenizer: Tokenizer
    num_tokens: int
    class_names: tuple[str, ...] | None = None
    padding: int | None = None
    separator: int | None = None
    target_tokens: float | None = None
    dropped: Mapping[str, Dropped] = field(default_factory=dict)


def prepare_texts(table: Table, spec: DataSpec, stages: Stages) -> TextRows:
    """DataError for texts that the task cannot use."""
    text = spec.text or TextSpec()
    assert table.origins is not None
    ledger = Ledger(table.origins)
    table = replace(table, faults=tuple(_without_text(table.features, table.origins)))
    _, kept = usable(table, "classes", spec.clean.invalid, ledger)
    texts = table.features[kept]
    targets, names = to_classes(Table(texts, table.targets[kept].astype(np.str_)))
    work = Work(_as_columns(texts), Cleaned(texts, targets, None, names), kept, ledger)
    rows = split(work, table.parts, spec)
    check_training(rows)
    is_unique = spec.clean.duplicates == "drop"
    if is_unique:  # so that they weigh nothing in what is fitted
        rows = without(work, rows, duplicates.find(work.columns, targets, rows))
    tokenizer = stages.get(TOKENIZER, lambda: fit(text.tokenizer, texts[rows["train"]].ravel().tolist()))
    tokens = encode_rows(tokenizer, texts.tolist(), text.max_length)
    if is_unique:  # texts that differ only beyond `max_length`, or in what the tokenizer does not tell apart
        found = duplicates.find_encoded(lambda places: tokens[places], text.max_length, targets, rows)
        rows = without(work, rows, found)
    rows = with_known_labels(work, rows, spec.clean)
    check_sizes(rows, len(table.targets), spec, is_cut=table.parts is None)
    targets, class_names = known_classes(work.cleaned, rows["train"])
    separator = tokenizer.separator if texts.ndim == 2 else None
    return TextRows(
        {name: (tokens[rows[name]], targets[rows[name]]) for name in SPLITS},
        tokenizer,
        max(tokenizer.num_tokens, (separator or 0) + 1),
        class_names,
        tokenizer.padding,
        separator,
        dropped=ledger.dropped(),
    )


def _as_columns(texts: AnyArray) -> StoredColumns:
    """As of a table whose columns are the texts of a row."""
    columns = texts.reshape(len(texts), -1)
    names = tuple(map(str, range(columns.shape[1])))
    numbers = np.empty((len(texts), 0), dtype=np.float32)
    return StoredColumns(Columns(names, names, numbers, columns), np.arange(len(texts)))


def _without_text(texts: AnyArray, origins: Origins) -> Iterator[Faults]:
    rows = _lacking(texts)
    if len(rows):
        message = f"{_said_of(texts, origins.name(rows[0]))}, or drop such rows with data.clean.invalid"
        yield Faults("text_missing", rows, message)


def check_texts(texts: AnyArray, name_of: Callable[[int], str] = row_number) -> None:
    """DataError at the first row of `texts` [rows], or of pairs [rows, 2], in which one is empty.

    `name_of` a row is what it says of it.
    """
    rows = _lacking(texts)
    if len(rows):
        raise DataError(f"{_said_of(texts, name_of(rows[0]))} or remove the row")


def _lacking(texts: AnyArray) -> Indices:
    """The rows in which a text is empty or missing."""
    is_empty = np.array([not (isinstance(text, str) and text.strip()) for text in texts.ravel()])
    return np.flatnonzero(is_empty.reshape(len(texts), -1).any(axis=1))


def _said_of(texts: AnyArray, row: str) -> str:
    needed, found = ("a text", "has none") if texts.ndim == 1 else ("both texts", "lacks one")
    return f"every row must have {needed}, but {row} {found}; fill it in"
