"""What both renderers say in the same words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tuner.data.manifest import Example
from tuner.data_report.report import Column, DataReport, Numbers, Sample

RANGE = ("mean", "std", "min", "5%", "25%", "50%", "75%", "95%", "max")
REASONS = {
    "file_empty": "an empty file",
    "file_unreadable": "a file that cannot be read",
    "image_invalid": "a file that is no image",
    "recording_empty": "a recording without samples",
    "label_missing": "no label",
    "text_missing": "no text",
    "label_invalid": "a label that is no number",
    "label_unseen": "a label that training does not have",
    "value_invalid": "a value that does not fit its column",
    "value_missing": "a missing value",
    "duplicate": "the same row stands in the split before",
    "in_another_split": "the same row stands in another split",
    "outlier": "a number far from the others",
}


def printable(text: object) -> str:
    """Without characters that move a cursor or end a line: as their escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def number(value: float) -> str:
    return f"{value:,.0f}" if 99_999.5 <= abs(value) < 1e15 else f"{value:.5g}"


def cell(value: float | str | None) -> str:
    if value is None:
        return "-"
    return number(value) if isinstance(value, float) else str(value)


def headline(report: DataReport) -> str:
    rows = f"{report.num_rows:,} rows"
    if report.kind == "table":
        what = f"{rows} of {len(report.columns or ())} columns ({report.input_shape[0]} features)"
    elif report.images is not None and report.images.are_spectrograms:
        what = f"{report.num_rows:,} recordings of {_sound(report.input_shape)}"
    elif report.kind == "image":
        what = f"{report.num_rows:,} images of shape {' x '.join(map(str, report.input_shape))}"
    else:
        what = f"{rows} of {report.input_shape[0]} tokens"
    classes = "" if report.class_names is None else f", {len(report.class_names)} classes"
    return f"{report.task}, {what}{classes}"


def _sound(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return f"{shape[0]} samples"
    _, bands, frames = shape
    return f"{frames} frames in {bands} bands"


def channels(report: DataReport) -> tuple[str, dict[str, Numbers]]:
    """What the values of pictures are, and their distribution by name."""
    assert report.images is not None
    if report.images.are_spectrograms:
        return "loudness (log of the power)", {"all bands": report.images.channels[0]}
    return "pixels", {str(place): one for place, one in enumerate(report.images.channels)}


def searched(report: DataReport) -> Iterator[str]:
    for name, value in report.searched.items():
        yield f"{name} is searched; shown with {cell(value)} (--set {name}=... shows another)"


def looked_at(report: DataReport) -> str:
    if report.looked_at == report.num_training:
        return f"of all {report.num_training:,} training rows"
    return f"of {report.looked_at:,} of {report.num_training:,} training rows, evenly spaced"


def compared(report: DataReport) -> str:
    if report.leakage.compared == report.num_rows:
        return f"all {report.num_rows:,} rows were compared, as the model sees them"
    return (
        f"{report.leakage.compared:,} of {report.num_rows:,} rows, evenly spaced, were compared; there are "
        "more equal rows than were found"
    )


def by_association(columns: Sequence[Column], most: int) -> tuple[Sequence[Column], str]:
    """In their own order where they are few, else those that tell most of the target; and that in words."""
    if len(columns) <= most:
        return columns, ""
    ordered = sorted(columns, key=lambda column: -column.association)
    return ordered[:most], f"the {most} of {len(columns)} columns that tell most of the target"


def gaps(column: Column) -> str:
    """Missing values before cleaning."""
    return "not counted" if column.missing is None else str(sum(column.missing.values()))


def after_gaps(column: Column) -> str:
    """What cleaning did with what was missing; nothing is missing afterwards."""
    if not column.missing or not sum(column.missing.values()):
        return ""
    return "rows dropped" if column.fill is None else f"filled with {cell(column.fill)}"


def categories(column: Column, most: int) -> str:
    """The most frequent ones, with their counts."""
    shown = ", ".join(f"{share.name} {share.count}" for share in (column.categories or ())[:most])
    more = (column.num_categories or 0) - most
    return f"{shown} and {more} more" if more > 0 else shown


def range_of(numbers: Numbers) -> list[str]:
    """Mean, standard deviation, quantiles."""
    return [number(value) for value in (numbers.mean, numbers.std, *numbers.quantiles)]


def reason(key: str) -> str:
    return REASONS.get(key, key)


def origin(example: Example) -> str:
    if example.row is None:
        return str(example.file)
    return f"row {example.row}" + (f" of {example.file}" if example.file else "")


def equal_rows(report: DataReport) -> Iterator[tuple[str, int, tuple[tuple[Sample, Sample], ...]]]:
    """What kind of equal rows, how many, examples."""
    leakage = report.leakage
    for shared in leakage.shared:
        yield (
            f"rows of {shared.split} that stand in {shared.also_in} too",
            shared.pairs.count,
            shared.pairs.examples,
        )
    if leakage.contradictions is not None:
        pairs = leakage.contradictions
        yield "rows with the features of another row and another label", pairs.count, pairs.examples
    for name, count in leakage.repeated.items():
        yield f"rows of {name} that stand earlier in it", count, ()


def sample_rows(
    report: DataReport, samples: Sequence[Sample], most: int
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table of samples, with the columns that tell most."""
    columns = report.columns or ()
    chosen, _ = by_association(columns, most)
    names = {column.name for column in chosen}
    places = [place for place, column in enumerate(columns) if column.name in names]
    rows = [
        [where(sample), *map(cell, (sample.label, *(sample.values[place] for place in places)))]
        for sample in samples
        if sample.values is not None
    ]
    return ["row", "target", *(columns[place].name for place in places)], rows


def where(sample: Sample) -> str:
    """With the file's name where it has one."""
    return f"{sample.split} {sample.row}" + (f" ({sample.file})" if sample.file else "")
