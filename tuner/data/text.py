"""Texts as rows of tokens, for the tasks that read text.

Classification: a row is one text, or a pair of texts, cut at `max_length` tokens. Translation, whose targets
are texts too, is in `translations.py`. Language modelling: the text is cut into stretches of `max_length`
tokens that follow one another; the target of each token is the next one, so nothing is padded and each token
but the first is predicted once. The splits of one running text are its beginning, middle and end: shuffled
stretches would let the model see what surrounds those that it is measured on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tuner.data.clean import Cleaned, to_classes
from tuner.data.split import SPLITS, Indices, split_rows
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
    check_texts(table.features)
    targets, class_names = to_classes(table)
    cleaned = Cleaned(table.features, targets, None, class_names)
    if table.parts is None:
        rows = split_rows(cleaned, spec.split)
    else:
        rows = {name: np.flatnonzero(table.parts == name) for name in SPLITS}
        _check_seen(rows, targets, class_names)
    texts = {name: table.features[rows[name]].tolist() for name in SPLITS}
    tokenizer = fit(text.tokenizer, table.features[rows["train"]].ravel().tolist())
    splits = {
        name: (encode_rows(tokenizer, texts[name], text.max_length), targets[rows[name]]) for name in SPLITS
    }
    separator = tokenizer.separator if table.features.ndim == 2 else None
    num_tokens = max(tokenizer.num_tokens, (separator or 0) + 1)
    return TextRows(splits, tokenizer, num_tokens, class_names, separator)


def _running_text(table: Table, spec: DataSpec, text: TextSpec) -> TextRows:
    whole = "".join(table.features)
    fractions = [getattr(spec.split, name) for name in SPLITS]
    ends = np.rint(np.cumsum(fractions) * len(whole)).astype(int)
    starts = [0, *ends[:-1]]
    parts = {name: whole[start:end] for name, start, end in zip(SPLITS, starts, ends, strict=True)}
    tokenizer = fit(text.tokenizer, [parts["train"]])
    splits = {name: _stretches(tokenizer.encode(parts[name]), text.max_length) for name in SPLITS}
    for name in SPLITS:
        if len(splits[name][0]) == 0 and getattr(spec.split, name) > 0:
            found = len(tokenizer.encode(parts[name]))
            raise DataError(
                f"each split of a text must fill a row of data.text.max_length = {text.max_length} tokens "
                f"and one more, but {name} has {found} tokens; lower max_length or give more text"
            )
    return TextRows(splits, tokenizer, tokenizer.num_tokens)


def _stretches(tokens: TokenArray, length: int) -> tuple[TokenArray, TokenArray]:
    """Inputs and targets, both [rows, length]; the targets are one token on."""
    num_rows = max(0, (len(tokens) - 1) // length)
    inputs, targets = tokens[: num_rows * length], tokens[1 : num_rows * length + 1]
    return inputs.reshape(num_rows, length), targets.reshape(num_rows, length)


def _check_seen(rows: Mapping[str, Indices], targets: AnyArray, class_names: tuple[str, ...]) -> None:
    known = np.bincount(targets[rows["train"]], minlength=len(class_names)) > 0
    for name in SPLITS:
        unseen = np.flatnonzero(~known[targets[rows[name]]])
        if len(unseen):
            label = class_names[targets[rows[name][unseen[0]]]]
            raise DataError(
                f"every label must stand in the training file, but row {unseen[0] + 1} of {name} (the first "
                f"one is 1) has '{label}'; correct it or remove the row"
            )


def check_texts(texts: AnyArray) -> None:
    """DataError at the first row of `texts` [rows], or of pairs [rows, 2], in which one is empty."""
    needed, found = ("a text", "has none") if texts.ndim == 1 else ("both texts", "lacks one")
    for row, each in enumerate(texts.reshape(len(texts), -1)):
        if not all(isinstance(text, str) and text.strip() for text in each):
            raise DataError(
                f"every row must have {needed}, but row {row + 1} (the first one is 1) {found}; "
                "fill it in or remove the row"
            )
