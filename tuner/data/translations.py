"""Texts and their translations as rows of tokens, with one tokenizer for both.

The source is cut at `max_length` tokens. A translation ends with the boundary token, unless it is cut too.
"""

from __future__ import annotations

import numpy as np

from tuner.data.clean import Cleaned
from tuner.data.split import SPLITS, split_rows
from tuner.data.stages import Stages
from tuner.data.table import Table
from tuner.data.text import TOKENIZER, TextRows, check_texts
from tuner.data.tokens import TokenArray, Tokenizer, encode_rows, fit
from tuner.spec.sections import DataSpec, TextSpec


def prepare_translations(table: Table, spec: DataSpec, stages: Stages) -> TextRows:
    """Tokens [rows, max_length] of texts and of translations; DataError where one is empty."""
    text = spec.text or TextSpec()
    sides = np.stack([table.features, table.targets], axis=1)
    assert table.origins is not None
    check_texts(sides, table.origins.name)
    if table.parts is None:
        rows = split_rows(Cleaned(table.features, table.targets, None, None), spec.split)
    else:
        rows = {name: np.flatnonzero(table.parts == name) for name in SPLITS}
    tokenizer = stages.get(TOKENIZER, lambda: fit(text.tokenizer, sides[rows["train"]].ravel().tolist()))
    splits = {}
    for name in SPLITS:
        texts, translations = sides[rows[name]].T.tolist()
        sources = encode_rows(tokenizer, texts, text.max_length)
        splits[name] = (sources, _targets(tokenizer, translations, text.max_length))
    _, targets = splits["train"]
    return TextRows(
        splits,
        tokenizer,
        tokenizer.boundary + 1,
        padding=tokenizer.padding,
        target_tokens=np.count_nonzero(targets != tokenizer.padding) / len(targets),
    )


def _targets(tokenizer: Tokenizer, texts: list[str], max_length: int) -> TokenArray:
    rows = np.full((len(texts), max_length), tokenizer.padding, dtype=np.int32)
    for row, text in zip(rows, texts, strict=True):
        tokens = np.append(tokenizer.encode(text), tokenizer.boundary)[:max_length]
        row[: len(tokens)] = tokens
    return rows
