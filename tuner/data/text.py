"""Texts as rows of tokens, for classification: a row is one text, or a pair, cut at `max_length` tokens."""

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
    """Prepared splits, and what their manifest says of them."""

    splits: Mapping[str, tuple[TokenArray, AnyArray]]
    """Tokens int32 [rows, max_length]; class indices [rows], or tokens of the same shape."""
    tokenizer: Tokenizer
    num_tokens: int
    class_names: tuple[str, ...] | None = None
    padding: int | None = None
    separator: int | None = None
    target_tokens: float | None = None


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
    texts = {name: table.features[rows[name]].tolist() for name in SPLITS}
    tokenizer = fit(text.tokenizer, table.features[rows["train"]].ravel().tolist())
    splits = {
        name: (encode_rows(tokenizer, texts[name], text.max_length), targets[rows[name]]) for name in SPLITS
    }
    separator = tokenizer.separator if table.features.ndim == 2 else None
    num_tokens = max(tokenizer.num_tokens, (separator or 0) + 1)
    return TextRows(splits, tokenizer, num_tokens, class_names, tokenizer.padding, separator)


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
    """DataError at the first row of `texts` [rows], or of pairs [rows, 2], in which one is empty.

    `name_of` a row is what it says of it.
    """
    needed, found = ("a text", "has none") if texts.ndim == 1 else ("both texts", "lacks one")
    for row, each in enumerate(texts.reshape(len(texts), -1)):
        if not all(isinstance(text, str) and text.strip() for text in each):
            raise DataError(
                f"every row must have {needed}, but {name_of(row)} {found}; fill it in or remove the row"
            )
