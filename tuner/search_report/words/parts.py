"""What words are made of: sections of sentences and tables, and how numbers read in them. No markup."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.records.confirmation import Estimate

MOST_NAMED = 8
"""Trials of a group that are named."""


@dataclass(frozen=True)
class Table:
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Listing:
    """Text to copy: commands, a file."""

    title: str
    text: str


@dataclass(frozen=True)
class Section:
    title: str
    sentences: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    listings: tuple[Listing, ...] = ()


def number(value: float | None) -> str:
    """In four significant digits; large ones to the last digit."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if 99_999.5 <= abs(value) < 1e15 else f"{value:.4g}"


def small(value: float) -> str:
    """A difference or a spread, whose first digits are all that counts."""
    return f"{value:.2g}"


def value_text(value: Any) -> str:
    """A parameter's value."""
    if isinstance(value, str):
        return value
    return number(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def estimate_text(estimate: Estimate) -> str:
    """A mean, with its standard error where there is one."""
    if estimate.standard_error is None:
        return number(estimate.mean)
    return f"{number(estimate.mean)} ± {small(estimate.standard_error)}"


def share(part: float) -> str:
    return f"{100 * part:.0f} %" if part == 0 or abs(part) >= 0.005 else "less than 1 %"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    for limit, unit_s, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit_s:.3g} {unit}"
    return f"{seconds / 86_400:.3g} days"


def count(number_: int, thing: str) -> str:
    """`1 trial`, `1,200 trials`."""
    return f"{number_:,} {thing}" if number_ == 1 else f"{number_:,} {thing}s"


def sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def named(numbers: Iterable[int]) -> str:
    """Trials by number, the first few of many."""
    every = list(map(str, numbers))
    rest = len(every) - MOST_NAMED
    return ", ".join(every) if rest <= 0 else f"{', '.join(every[:MOST_NAMED])} and {rest} more"
