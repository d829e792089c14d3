"""The report in a terminal, as rich shows it; nothing in it moves the cursor or opens a tag."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tuner.data_report import words
from tuner.data_report.findings import share
from tuner.data_report.report import Column, DataReport, Numbers, Sample
from tuner.data_report.words import printable

MOST_COLUMNS = 20
MOST_CLASSES = 20
MOST_CATEGORIES = 5
MOST_VALUES = 6
"""Columns of a row that is shown."""
MOST_CHARACTERS = 100
BARS = " ▁▂▃▄▅▆▇█"


def as_text(report: DataReport) -> RenderableType:
    return Group(*_parts(report))


def _parts(report: DataReport) -> Iterator[RenderableType]:
    yield _line(f"{report.name}: {words.headline(report)}")
    yield _line(f"prepared in {report.store}")
    yield from map(_line, words.searched(report))
    yield _line("")
    yield from _list("look at this", report.findings or ["nothing stands out"])
    yield _splits(report)
    if report.dropped:
        yield _dropped(report)
    yield from _content(report)
    yield from _leakage(report)
    yield from _samples(report)


def _content(report: DataReport) -> Iterator[RenderableType]:
    targets = {split.name: split.targets for split in report.splits if split.targets is not None}
    if targets:
        yield _ranges("target", "split", targets)
    if report.columns is not None:
        yield _columns(report)
    if report.images is not None:
        what, channels = words.channels(report)
        yield _ranges(f"{what} {words.looked_at(report)}", "channel", channels)
    if report.tokens is not None:
        yield _ranges("tokens a row, without padding", "split", report.tokens.lengths)
        yield _line(f"{report.tokens.used} of {report.tokens.vocabulary} tokens are used")
        shown = [f"{token.name!r} {token.count}" for token in report.tokens.frequent[:10]]
        yield _line(f"most frequent {words.looked_at(report)}: {', '.join(shown)}")


def _splits(report: DataReport) -> Group:
    rows = [["all", *(str(split.rows) for split in report.splits)]]
    names = report.class_names or ()
    for place, name in enumerate(names[:MOST_CLASSES]):
        counts = [_count(split.classes[place], split.rows) for split in report.splits if split.classes]
        rows.append([name, *counts])
    if len(names) > MOST_CLASSES:
        rows.append([f"and {len(names) - MOST_CLASSES} more classes"])
    return _table("rows", ["", *(split.name for split in report.splits)], rows)


def _count(count: int, whole: int) -> str:
    return f"{count} ({share(count, whole)})"


def _dropped(report: DataReport) -> Group:
    rows = [
        [words.reason(reason), str(dropped.count), ", ".join(map(words.origin, dropped.examples))]
        for reason, dropped in report.dropped.items()
    ]
    return _table("rows that were dropped", ["reason", "rows", "for example"], rows)


def _columns(report: DataReport) -> Group:
    columns, which = words.by_association(report.columns or (), MOST_COLUMNS)
    title = f"columns {words.looked_at(report)}" + (f": {which}" if which else "")
    header = ["column", "tells", "missing", "then", "mean", "std", "min", "50%", "max", ""]
    return _table(title, header, map(_column, columns))


def _column(column: Column) -> list[str]:
    cells = [column.name, f"{column.association:.2f}", words.gaps(column), words.after_gaps(column)]
    if column.numbers is None:
        return [*cells, *[""] * 5, words.categories(column, MOST_CATEGORIES)]
    ranges = dict(zip(words.RANGE, words.range_of(column.numbers), strict=True))
    shown = [ranges[name] for name in ("mean", "std", "min", "50%", "max")]
    return [*cells, *shown, _bars(column.numbers)]


def _ranges(title: str, what: str, numbers: Mapping[str, Numbers]) -> Group:
    rows = [[name, *words.range_of(values), _bars(values)] for name, values in numbers.items()]
    return _table(title, [what, *words.RANGE, ""], rows)


def _bars(numbers: Numbers) -> str:
    top = max(numbers.counts)
    return "".join(BARS[-(-count * (len(BARS) - 1) // top)] for count in numbers.counts)


def _leakage(report: DataReport) -> Iterator[RenderableType]:
    rows = [[what, str(count), _examples(examples)] for what, count, examples in words.equal_rows(report)]
    yield _table(f"equal rows: {words.compared(report)}", ["", "rows", "for example"], rows)


def _examples(examples: Sequence[tuple[Sample, Sample]]) -> str:
    return ", ".join(f"{words.where(one)} = {words.where(other)}" for one, other in examples)


def _samples(report: DataReport) -> Iterator[RenderableType]:
    if report.columns is not None:
        yield _rows_of_table(report)
    elif report.tokens is not None:
        texts = [f"{_labelled(sample)}{(sample.text or '')[:MOST_CHARACTERS]}" for sample in report.samples]
        yield from _list("texts of training rows", texts)
    else:
        yield _line("--html shows pictures")


def _rows_of_table(report: DataReport) -> Group:
    names, rows = words.sample_rows(report, report.samples, MOST_VALUES)
    return _table("training rows", names, rows)


def _labelled(sample: Sample) -> str:
    return "" if sample.label is None else f"[{sample.label}] "


def _table(title: str, columns: Iterable[str], rows: Iterable[Sequence[str]]) -> Group:
    """Of plain text: what looks like a tag or an emoji's code stays as it is."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(_line(column), overflow="fold")
    for cells in rows:
        table.add_row(*map(_line, cells))
    return Group(Text(title, style="italic"), table)


def _list(title: str, sentences: Iterable[str]) -> Iterator[RenderableType]:
    yield Text(title, style="italic")
    yield from (_line(f"  {sentence}") for sentence in sentences)


def _line(text: str) -> Text:
    return Text(printable(text))
