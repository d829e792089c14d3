"""Texts as rows of tokens, for the tasks that read text.

Classification: a row is one text, or a pair of texts, cut at `max_length` tokens. Translation, whose targets
are texts too, is in `translations.py`. Language modelling: the text is cut into stretches of `max_length`
tokens that follow one another; the target of each token is the next one, so nothing is padded and each token
but the first is predicted once. The splits of one running text are its beginning, middle and end: shuffled
stretches would let the model see what surrounds those that it is measured on.
"""

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
from tuner.spec.tasks import LANGUAGE_MODELLING


@dataclass(frozen=True)
class TextRows:
    """Prepared splits: (tokens int32 [rows, max_length], targets [rows] or [rows, max_length])."""

    splits: Mapping[str, tuple[TokenArray, AnyArray]]
    tokenizer: Tokenizer
    num_tokens: int
    class_names: tuple[str, ...] | None = None
    separator: int | None = None
    """Of pairs: see `Tokenizer`."""
    target_tokens: float | None = None
    """Of translations: see `Manifest`."""


def prepare_text(table: Table, spec: DataSpec, task: str) -> TextRows:
    """DataError for texts that the task cannot use."""
    text = spec.text or TextSpec()
    if task == LANGUAGE_MODELLING:
        return _running_text(table, spec, text)
    return _labelled(table, spec, text)


def _labelled(table: Table, spec: DataSpec, text: TextSpec) -> TextRows:
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
    return TextRows(splits, tokenizer, num_tokens, class_names, separator)


def _running_text(table: Table, spec: DataSpec, text: TextSpec) -> TextRows:
    parts = _parts(table, spec)
    tokenizer = fit(text.tokenizer, [parts["train"]])
    splits = {name: _stretches(tokenizer.encode(parts[name]), text.max_length) for name in SPLITS}
    for name in SPLITS:
        if len(splits[name][0]) == 0 and (parts[name] or name != "test"):
            found = len(tokenizer.encode(parts[name]))
            raise DataError(
                f"each split of a text must fill a row of data.text.max_length = {text.max_length} tokens "
                f"and one more, but {name} has {found} tokens; lower max_length or give more text"
            )
    return TextRows(splits, tokenizer, tokenizer.num_tokens)


def _parts(table: Table, spec: DataSpec) -> dict[str, str]:
    """The text of each split: the source's own, or what `spec.split` cuts of the whole."""
    if table.parts is not None:
        return {name: "".join(table.features[table.parts == name]) for name in SPLITS}
    whole = "".join(table.features)
    fractions = [getattr(spec.split, name) for name in SPLITS]
    ends = np.rint(np.cumsum(fractions) * len(whole)).astype(int)
    starts = [0, *ends[:-1]]
    return {name: whole[start:end] for name, start, end in zip(SPLITS, starts, ends, strict=True)}


def _stretches(tokens: TokenArray, length: int) -> tuple[TokenArray, TokenArray]:
    """Inputs and targets, both [rows, length]; the targets are one token on."""
    num_rows = max(0, (len(tokens) - 1) // length)
    inputs, targets = tokens[: num_rows * length], tokens[1 : num_rows * length + 1]
    return inputs.reshape(num_rows, length), targets.reshape(num_rows, length)


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
