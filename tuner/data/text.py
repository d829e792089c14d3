"""Texts as rows of tokens, for classification: a row is one text, or a pair, cut at `max_length` tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tuner.data.clean import Cleaned, to_classes
from tuner.data.split import SPLITS, row_number, rows_of_parts, split_rows
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
        rows = rows_of_parts(table, cleaned)
    texts = {name: table.features[rows[name]].tolist() for name in SPLITS}
    tokenizer = fit(text.tokenizer, table.features[rows["train"]].ravel().tolist())
    splits = {
        name: (encode_rows(tokenizer, texts[name], text.max_length), targets[rows[name]]) for name in SPLITS
    }
    separator = tokenizer.separator if table.features.ndim == 2 else None
    num_tokens = max(tokenizer.num_tokens, (separator or 0) + 1)
    return TextRows(splits, tokenizer, num_tokens, class_names, tokenizer.padding, separator)


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
