"""The report as one HTML file that loads nothing: no script, no font, pictures within.

All text is escaped where it is put in, by `_text` or `_cells`; a content policy forbids scripts as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from string import Template

from tuner.data_report import words
from tuner.data_report.findings import share
from tuner.data_report.report import Column, DataReport, Numbers, Sample, Share

MOST_COLUMNS = 60
MOST_CLASSES = 50
MOST_CATEGORIES = 8
MOST_VALUES = 12
"""Columns of a row that is shown."""

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { --ink: #1f2933; --soft: #616e7c; --line: #e4e7eb; --bar: #4c78a8; --pale: #f5f7fa; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 28px 24px 60px; color: var(--ink); background: #fff;
  font: 14px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 25px; margin: 0; }
h2 { font-size: 17px; margin: 38px 0 4px; }
h3 { font-size: 14px; margin: 18px 0 4px; }
p { margin: 4px 0 10px; }
.soft { color: var(--soft); font-size: 13px; overflow-wrap: anywhere; }
.findings { margin: 20px 0; padding: 10px 16px; border-left: 4px solid #e0a100; background: #fffaeb; }
.findings.none { border-color: #3fa66a; background: #f1faf4; }
.findings ul { margin: 4px 0; padding-left: 20px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 14px 4px 0; text-align: left; vertical-align: middle; max-width: 260px;
  border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
th { color: var(--soft); font-weight: 600; font-size: 12.5px; vertical-align: bottom; }
td:has(> pre) { max-width: 900px; }
td.n, th.n { text-align: right; white-space: nowrap; }
svg { display: block; }
.figure { white-space: nowrap; }
.meter { display: inline-block; width: 70px; height: 8px; margin-right: 8px; background: var(--line); }
.meter i { display: block; height: 8px; background: var(--bar); }
.pictures { display: flex; flex-wrap: wrap; gap: 12px; margin: 8px 0; }
figure { margin: 0; padding: 6px; border: 1px solid var(--line); background: var(--pale); max-width: 280px; }
figure img { display: block; min-width: 72px; max-width: 100%; image-rendering: pixelated; }
figcaption { font-size: 12px; color: var(--soft); overflow-wrap: anywhere; }
pre { margin: 0; font: 12.5px/1.45 ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre-wrap;
  overflow-wrap: anywhere; max-width: 900px; }
summary { cursor: pointer; color: var(--bar); margin: 8px 0; }
</style>
</head>
<body>
$body
</body>
</html>
""")


def as_html(report: DataReport) -> str:
    return _PAGE.substitute(title=_text(f"{report.name}: data"), body="\n".join(_body(report)))


def _body(report: DataReport) -> Iterator[str]:
    yield f"<h1>{_text(report.name)}</h1>"
    yield f"<p>{_text(words.headline(report))}</p>"
    source = ", ".join(f"{key} {value}" for key, value in report.source.items() if value is not None)
    for line in (f"source: {source}", f"prepared in {report.store}", *words.searched(report)):
        yield f'<div class="soft">{_text(line)}</div>'
    yield _findings(report)
    yield "<h2>Rows</h2>"
    yield _splits(report)
    if report.dropped:
        yield "<h3>Dropped by cleaning</h3>"
        yield _dropped(report)
    yield from _targets(report)
    yield from _CONTENT[report.kind](report)
    yield from _leakage(report)


def _findings(report: DataReport) -> str:
    if not report.findings:
        return '<div class="findings none">Nothing stands out.</div>'
    items = "".join(f"<li>{_text(sentence)}</li>" for sentence in report.findings)
    return f'<div class="findings"><b>Look at this</b><ul>{items}</ul></div>'


def _splits(report: DataReport) -> str:
    rows = [[_text("all"), *(_text(f"{split.rows:,}") for split in report.splits)]]
    names = report.class_names or ()
    for place, name in enumerate(names[:MOST_CLASSES]):
        counts = [(split.classes[place], split.rows) for split in report.splits if split.classes]
        rows.append([_text(name), *(_meter(count, whole) for count, whole in counts)])
    if len(names) > MOST_CLASSES:
        rows.append([_text(f"and {len(names) - MOST_CLASSES} more classes")])
    return _table(["", *(split.name for split in report.splits)], rows)


def _dropped(report: DataReport) -> str:
    rows = [
        [words.reason(reason), f"{dropped.count:,}", ", ".join(map(words.origin, dropped.examples))]
        for reason, dropped in report.dropped.items()
    ]
    return _table(["reason", "rows", "for example"], map(_cells, rows), numbers=(1,))


def _targets(report: DataReport) -> Iterator[str]:
    targets = {split.name: split.targets for split in report.splits if split.targets is not None}
    if targets:
        yield "<h2>Target</h2>"
        yield _ranges("split", targets)


# --- by the kind of rows ---


def _of_table(report: DataReport) -> Iterator[str]:
    columns = report.columns or ()
    shown, which = words.by_association(columns, MOST_COLUMNS)
    yield "<h2>Columns</h2>"
    yield _soft(
        f"{which + ', ' if which else ''}{words.looked_at(report)}, in raw units, after cleaning. Tells: how "
        "much of the target the column tells by itself. Missing: before cleaning, in all splits; afterwards "
        "nothing is."
    )
    yield _columns(shown)
    if which:
        names = {column.name for column in shown}
        rest = [column for column in columns if column.name not in names]
        yield f"<details><summary>the other {len(rest)} columns</summary>{_columns(rest)}</details>"
    yield "<h2>Training rows</h2>"
    if len(columns) > MOST_VALUES:
        yield _soft(f"with the {MOST_VALUES} of {len(columns)} columns that tell most of the target")
    yield _samples(report, report.samples)


def _columns(columns: Sequence[Column]) -> str:
    header = ["column", "tells", "missing", "then", "", *words.RANGE]
    return _table(header, map(_column, columns), numbers=(2, *range(5, 5 + len(words.RANGE))))


def _column(column: Column) -> list[str]:
    cells = [
        _text(column.name),
        _meter_of(column.association, f"{column.association:.2f}"),
        *_cells([words.gaps(column), words.after_gaps(column)]),
    ]
    if column.numbers is None:
        names = _text(words.categories(column, MOST_CATEGORIES))
        return [*cells, _bars([each.count for each in column.categories or ()]), names]
    return [*cells, _bars(column.numbers.counts), *_cells(words.range_of(column.numbers))]


def _of_images(report: DataReport) -> Iterator[str]:
    assert report.images is not None
    are_heard = report.images.are_spectrograms
    yield f"<h2>Training {'recordings' if are_heard else 'images'}</h2>"
    tones = "spectrograms, time from left to right, low tones below; " * are_heard
    plain = "a silent one is" if are_heard else "one of a single colour is"
    yield _soft(f"{tones}each from its least value in black to its greatest in white; {plain} grey")
    yield _samples(report, report.samples)
    what, channels = words.channels(report)
    yield f"<h2>{_text(what.capitalize())}</h2>"
    yield _soft(f"{words.looked_at(report)}, in raw units")
    yield _ranges("channel", channels)


def _of_tokens(report: DataReport) -> Iterator[str]:
    tokens = report.tokens
    assert tokens is not None
    yield "<h2>Tokens</h2>"
    yield _soft(f"{tokens.used:,} of {tokens.vocabulary:,} tokens are used, {words.looked_at(report)}")
    yield _frequent(tokens.frequent)
    yield "<h3>Tokens a row, without padding</h3>"
    full = ", ".join(f"{count:,} of {name}" for name, count in tokens.full.items())
    yield _soft(f"rows that fill all {report.input_shape[0]} tokens: {full}")
    yield _ranges("split", tokens.lengths)
    yield "<h2>Training rows</h2>"
    yield _samples(report, report.samples)


def _frequent(frequent: Sequence[Share]) -> str:
    most = max((each.count for each in frequent), default=1)
    rows = [
        [f"<pre>{_text(repr(each.name))}</pre>", _meter_of(each.count / most, f"{each.count:,}")]
        for each in frequent
    ]
    half = -(-len(rows) // 2)
    pairs = [
        [*rows[place], *(rows[place + half] if place + half < len(rows) else [])] for place in range(half)
    ]
    return _table(["token", "times", "token", "times"], pairs)


_CONTENT: dict[str, Callable[[DataReport], Iterator[str]]] = {
    "table": _of_table,
    "image": _of_images,
    "tokens": _of_tokens,
}


# --- equal rows, samples ---


def _leakage(report: DataReport) -> Iterator[str]:
    yield "<h2>Equal rows</h2>"
    yield _soft(words.compared(report))
    kinds = list(words.equal_rows(report))
    yield _table(["", "rows"], [_cells([what, f"{count:,}"]) for what, count, _ in kinds], numbers=(1,))
    for what, _, examples in kinds:
        if examples:
            yield f"<h3>For example, {_text(what)}</h3>"
            yield _samples(report, [sample for pair in examples for sample in pair])


def _samples(report: DataReport, samples: Sequence[Sample]) -> str:
    if report.kind == "image":
        return f'<div class="pictures">{"".join(map(_picture, samples))}</div>'
    if report.kind == "tokens":
        rows = [[*_cells([words.where(each), words.cell(each.label)]), _pre(each.text)] for each in samples]
        return _table(["row", "label", "text"], rows)
    names, cells = words.sample_rows(report, samples, MOST_VALUES)
    return _table(names, map(_cells, cells))


def _picture(sample: Sample) -> str:
    label = _text(words.cell(sample.label))
    image = f'<img src="data:image/png;base64,{sample.png}" alt="{label}">'
    return f"<figure>{image}<figcaption>{label}, {_text(words.where(sample))}</figcaption></figure>"


# --- parts ---


def _text(value: object) -> str:
    return escape(words.printable(value))


def _cells(values: Iterable[object]) -> list[str]:
    return [_text(value) for value in values]


def _pre(text: str | None) -> str:
    lines = (text or "").split("\n")
    return f"<pre>{chr(10).join(map(_text, lines))}</pre>"


def _soft(sentence: str) -> str:
    return f'<p class="soft">{_text(sentence)}</p>'


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """Of text as header and of HTML as cells; a last cell that comes early is wide; `numbers` stand right."""
    kind = ['class="n"' if place in numbers else "" for place in range(len(header))]
    head = "".join(f"<th {kind[place]}>{_text(name)}</th>" for place, name in enumerate(header))
    body = "".join(f"<tr>{''.join(_row(cells, kind))}</tr>" for cells in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(cells: Sequence[str], kind: Sequence[str]) -> Iterator[str]:
    for place, cell in enumerate(cells):
        is_wide = place == len(cells) - 1 and len(cells) < len(kind)
        yield f"<td {f'colspan={len(kind) - place}' if is_wide else kind[place]}>{cell}</td>"


def _ranges(what: str, numbers: Mapping[str, Numbers]) -> str:
    rows = [
        [_text(name), _bars(values.counts, width=230, height=56), *_cells(words.range_of(values))]
        for name, values in numbers.items()
    ]
    return _table([what, "", *words.RANGE], rows, numbers=range(2, 2 + len(words.RANGE)))


def _meter(count: int, whole: int) -> str:
    return _meter_of(count / max(1, whole), f"{count:,} ({share(count, whole)})")


def _meter_of(part: float, label: str) -> str:
    meter = f'<span class="meter"><i style="width:{100 * part:.1f}%"></i></span>'
    return f'<span class="figure">{meter}{_text(label)}</span>'


def _bars(counts: Sequence[int], width: int = 120, height: int = 26) -> str:
    """A histogram."""
    top, each = max(counts, default=1), width / max(1, len(counts))
    bars = "".join(
        f'<rect x="{place * each:.1f}" y="{height - tall:.1f}" '
        f'width="{max(1, each - 0.6):.1f}" height="{tall:.1f}"/>'
        for place, count in enumerate(counts)
        if (tall := max(1, height * count / top) if count else 0)
    )
    base = f'<rect y="{height}" width="{width}" height="1" fill="#cbd2d9"/>'
    return f'<svg width="{width}" height="{height + 1}" role="img" fill="#4c78a8">{bars}{base}</svg>'
