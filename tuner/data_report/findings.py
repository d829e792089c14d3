"""What a human should look at before training, a sentence each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tuner.data_report.report import Column, DataReport, Numbers
from tuner.data_report.words import number
from tuner.tasks import RULES

FEW_ROWS = 10
IMBALANCE = 20
MUCH_DROPPED = 0.05
MUCH_MISSING = 0.2
MANY_CUT = 0.1
TELLS_ALL = 0.99
FAR = 100
"""Ranges of the middle half from it to a value that is far."""
MOST_NAMES = 3
_DATE = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2}))([T ]\d{1,2}:\d{2}\S*)?"
)
_NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}([.,]\d{3})+)([.,]\d+)?")


def findings(report: DataReport) -> Iterator[str]:
    yield from _shared(report)
    yield from _contradictions(report)
    yield from _classes(report)
    yield from _dropped(report)
    if report.columns is not None:
        yield from _columns(report.columns, report)
    targets = report.splits[0].targets
    if targets is not None and (words := _far(targets)):
        yield f"values of the target are far from the others: it goes {words}; correct them"
    if report.images is not None and report.images.num_plain:
        what = "recordings are silent" if report.images.are_spectrograms else "images have one colour only"
        part = share(report.images.num_plain, report.looked_at)
        yield f"{report.images.num_plain:,} training {what} ({part})"
    if report.tokens is not None:
        yield from _cut(report)


def share(part: int, whole: int) -> str:
    """As a percentage; what is not 0 never reads as 0."""
    if not part or not whole:
        return "0%"
    percent = 100 * part / whole
    return f"{percent:.1f}%" if percent >= 0.1 else "<0.1%"


def _shared(report: DataReport) -> Iterator[str]:
    sizes = {split.name: split.rows for split in report.splits}
    for shared in report.leakage.shared:
        if shared.pairs.count:
            part = share(shared.pairs.count, sizes[shared.split])
            can_drop = report.kind == "table" or (report.kind == "tokens" and report.class_names is not None)
            fix = "; data.clean.duplicates: drop leaves them out" if can_drop else ""
            yield (
                f"rows of {shared.split} that stand in {shared.also_in} too: {shared.pairs.count:,} "
                f"({part}); what is measured on them is too good{fix}"
            )


def _contradictions(report: DataReport) -> Iterator[str]:
    pairs = report.leakage.contradictions
    if pairs is not None and pairs.count:
        yield f"rows with the features of another row and another label: {pairs.count:,}"


def _classes(report: DataReport) -> Iterator[str]:
    names = report.class_names or ()
    for split in report.splits:
        missing = [name for name, count in zip(names, split.classes or (), strict=False) if not count]
        if missing and split.rows:
            yield f"{split.name} has no row of {_listed(missing, 'class', 'classes')}"
    counts = report.splits[0].classes
    if not counts:
        return
    rare = [name for name, count in zip(names, counts, strict=True) if 0 < count < FEW_ROWS]
    if rare:
        yield f"train has fewer than {FEW_ROWS} rows of {_listed(rare, 'class', 'classes')}"
    if max(counts) > IMBALANCE * max(1, min(counts)):
        most, least = names[counts.index(max(counts))], names[counts.index(min(counts))]
        f1 = f"is that of '{names[1]}' alone" if len(names) == 2 else "counts each class the same"
        has_f1 = "val/f1" in RULES[report.task].metrics
        yield (
            f"classes are far from balanced: {max(counts):,} training rows of '{most}', {min(counts):,} of "
            f"'{least}'" + (f"; compare with val/f1, which {f1}" if has_f1 else "")
        )


def _dropped(report: DataReport) -> Iterator[str]:
    count = sum(dropped.count for dropped in report.dropped.values())
    read = count + report.num_rows
    if count > MUCH_DROPPED * read:
        yield f"cleaning dropped {count:,} of {read:,} rows ({share(count, read)})"


def _columns(columns: Sequence[Column], report: DataReport) -> Iterator[str]:
    gaps = [column.name for column in columns if _missing(column) > MUCH_MISSING * report.num_rows]
    if gaps:
        yield f"more than {MUCH_MISSING:.0%} of the values are missing in {_of_columns(gaps)}"
    constant = [column.name for column in columns if _is_constant(column)]
    if constant:
        yield f"nothing can be learned from {_of_columns(constant)}: all training rows have one value"
    yield from _read_as_text(columns)
    far = {each.name: words for each in columns if each.numbers and (words := _far(each.numbers))}
    if far:
        name, words = next(iter(far.items()))
        yield (
            f"values are far from the others in {_of_columns(list(far))}: "
            f"{'it' if len(far) == 1 else repr(name)} goes {words}; correct them, or see data.clean.outliers"
        )
    tells = [column.name for column in columns if column.association >= TELLS_ALL]
    if tells:
        yield f"the target can be told from {_of_columns(tells)} alone: is it known when one predicts?"


def _read_as_text(columns: Sequence[Column]) -> Iterator[str]:
    dates = "give what matters of them as numbers, such as the month, or leave them out"
    numbers = "write them with a decimal point and no other sign"
    for what, are_such, fix in (("dates", _are_dates, dates), ("numbers with commas", _have_commas, numbers)):
        names = [each.name for each in columns if are_such([text.name for text in each.categories or ()])]
        if names:
            yield f"{what} stand in {_of_columns(names)} as text, each a category of its own; {fix}"


def _are_dates(texts: Sequence[str]) -> bool:
    return len(texts) > 1 and all(_DATE.fullmatch(text.strip()) for text in texts)


def _have_commas(texts: Sequence[str]) -> bool:
    are_numbers = len(texts) > 1 and all(_NUMBER.fullmatch(text.strip()) for text in texts)
    return are_numbers and any("," in text for text in texts)


def _missing(column: Column) -> int:
    return sum((column.missing or {}).values())


def _far(numbers: Numbers) -> str | None:
    """In words how far it goes, if that is far from the others."""
    least, _, low, _, high, _, greatest = numbers.quantiles
    distance, farthest, way = max((low - least, least, "down"), (greatest - high, greatest, "up"))
    if not 0 < FAR * (high - low) <= distance:
        return None
    return f"{way} to {number(farthest)}, and half of the values lie from {number(low)} to {number(high)}"


def _is_constant(column: Column) -> bool:
    if column.numbers is not None:
        return column.numbers.quantiles[0] == column.numbers.quantiles[-1]
    return len(column.categories or ()) == 1


def _cut(report: DataReport) -> Iterator[str]:
    assert report.tokens is not None
    full = report.tokens.full["train"]
    if RULES[report.task].data != "running_text" and full > MANY_CUT * report.looked_at:
        yield (
            f"{share(full, report.looked_at)} of the training rows fill all {report.input_shape[0]} tokens, "
            "so longer texts were cut; raise data.text.max_length to see whether the ends matter"
        )


def _of_columns(names: Sequence[str]) -> str:
    return _listed(names, "column", "columns")


def _listed(names: Sequence[str], one: str, several: str) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:MOST_NAMES])
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{one if len(names) == 1 else several} {shown}{more}"
