"""Texts as rows of tokens, for classification: a row is one text, cut at `max_length` tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tuner.data.clean import Cleaned, to_classes
from tuner.data.origins import Origins
from tuner.data.split import SPLITS, Indices, row_number, split_rows
from tuner.data.table import AnyArray, Table
from tuner.data.tokens import TokenArray, Tokenizer, encode_rows, fit
from tuner.errors import DataError
from tuner.spec.sections import DataSpec, TextSpec


@dataclass(frozen=True)
class TextRows:
    """Prepared splits: (tokens int32 [rows, max_length], class indices [rows])."""

    splits: Mapping[str, tuple[TokenArray, AnyArray]]
    tokenizer: Tokenizer
    class_names: tuple[str, ...]


def prepare_texts(table: Table, spec: DataSpec) -> TextRows:
    """DataError for texts that the task cannot use."""
    text = spec.text or TextSpec()
    assert table.origins is not None
    check_texts(table.features, table.origins.name)
    targets, class_names = to_classes(table)
    cleaned = Cleaned(table.features, targets, None, class_names)
    if table.parts is None:
        rows = split_rows(cleaned, spec.split, name_of=table.origins.name)
    else:
        rows = {name: np.flatnonzero(table.parts == name) for name in SPLITS}
        _check_seen(rows, cleaned, table.origins)
    texts = {name: [str(table.features[row]) for row in rows[name]] for name in SPLITS}
    tokenizer = fit(text.tokenizer, texts["train"])
    splits = {
        name: (encode_rows(tokenizer, texts[name], text.max_length), targets[rows[name]]) for name in SPLITS
    }
    return TextRows(splits, tokenizer, class_names)


def _check_seen(rows: Mapping[str, Indices], cleaned: Cleaned, origins: Origins) -> None:
    assert cleaned.class_names is not None
    known = np.bincount(cleaned.targets[rows["train"]], minlength=len(cleaned.class_names)) > 0
    for name in SPLITS:
        unseen = rows[name][~known[cleaned.targets[rows[name]]]]
        if len(unseen):
            label = cleaned.class_names[cleaned.targets[unseen[0]]]
            raise DataError(
                f"every label must stand in the training file, but {origins.name(unseen[0])} of {name} has "
                f"'{label}'; correct it or remove the row"
            )


def check_texts(texts: AnyArray, name_of: Callable[[int], str] = row_number) -> None:
    """DataError at the first of `texts` that is empty; `name_of` a row is what it says of it."""
    for row, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise DataError(
                f"every row must have a text, but {name_of(row)} has none; fill it in or remove the row"
            )
