"""Large tables are read in parts and prepared in blocks of rows: the bytes are those of the whole."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from tuner.data import scratch, sources, standardise
from tuner.data.rows import prepare_rows
from tuner.data.scratch import Picked, scratch_in
from tuner.data.sources import csv_file, table_files
from tuner.data.sources.parts import parts_of_lines
from tuner.errors import DataError
from tuner.spec.sections import DataSpec

PART_BYTES = 200
SPEC = DataSpec.model_validate({"source": {"type": "sklearn", "name": "iris"}})


@pytest.fixture
def frame() -> pd.DataFrame:
    """120 rows; `rare` has no number in most parts, and `text` only numbers in some."""
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "number": draw.standard_normal(120),
            "rare": [7.5 if row == 100 else None for row in range(120)],
            "text": ["007" if row < 50 else "blue" for row in range(120)],
            "label": draw.integers(0, 2, 120),
        }
    )


def write(frame: pd.DataFrame, folder: Path, kind: str) -> Path:
    path = folder / f"rows.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "parquet":
        frame.to_parquet(path, row_group_size=9)
    else:
        rows = [
            {name: value for name, value in row.items() if value == value} for row in frame.to_dict("records")
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def source_of(path: Path, **fields: Any) -> Any:
    given = {"type": path.suffix[1:], "path": str(path), "label": "label", **fields}
    return DataSpec.model_validate({"source": given}).source


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "PART_BYTES", PART_BYTES)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_parts_are_the_whole(
    frame: pd.DataFrame, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(write(frame, tmp_path, kind))
    whole = sources.read(source)
    monkeypatch.setattr(table_files, "PART_BYTES", PART_BYTES)
    assert len(table_files.pieces_of([(None, Path(source.path))], kind, ",")) > 3
    parts = sources.read(source)
    assert parts.features.tobytes() == whole.features.tobytes()
    assert parts.texts.tolist() == whole.texts.tolist()
    assert set(parts.texts.ravel()) == {"007", "blue"}
    assert (parts.targets.dtype, parts.targets.tolist()) == (whole.targets.dtype, whole.targets.tolist())
    assert (parts.feature_names, parts.text_names) == (whole.feature_names, ("text",))
    assert parts.origins.row.tolist() == list(range(1, 121))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_data_set_of_the_hub_in_parts_is_the_whole(
    frame: pd.DataFrame, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    info = {"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}
    if kind == "parquet":
        table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
        parquet.write_table(table, tmp_path / "train.parquet", row_group_size=9)
    else:
        write(frame, tmp_path, kind)
    given = {"type": "huggingface", "name": str(tmp_path), "label": "label"}
    source = DataSpec.model_validate({"source": given}).source
    whole = sources.read(source)
    monkeypatch.setattr(table_files, "PART_BYTES", PART_BYTES)
    parts = sources.read(source)
    assert parts.features.tobytes() == whole.features.tobytes()
    assert parts.texts.tolist() == whole.texts.tolist()
    assert parts.targets.tolist() == whole.targets.tolist()
    assert set(parts.targets) == ({"no", "yes"} if kind == "parquet" else {0, 1})


BEGINNINGS = {
    "booleans": ["True", "False"],
    "booleans and gaps": ["True", "", "False"],
    "numbers": ["1.50", "0.1"],
    "text": ["007", "blue"],
    "gaps": [""],
}


@pytest.mark.parametrize("column", ["x", "label"])
@pytest.mark.parametrize("end", BEGINNINGS)
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_a_column_of_csv_is_what_all_parts_make_it(
    beginning: str, end: str, column: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone, a part of booleans has numbers; with text elsewhere `True` is a word."""
    values = [BEGINNINGS[name][row % len(BEGINNINGS[name])] for name in (beginning, end) for row in range(30)]
    other = "label" if column == "x" else "x"
    path = tmp_path / "rows.csv"
    path.write_text(
        f"{column},{other},y\n" + "".join(f"{value},{row % 2},1\n" for row, value in enumerate(values))
    )
    whole = sources.read(source_of(path))
    monkeypatch.setattr(table_files, "PART_BYTES", 50)
    parts = sources.read(source_of(path))
    np.testing.assert_array_equal(parts.features, whole.features)
    assert (parts.texts is None) == (whole.texts is None)
    assert whole.texts is None or parts.texts.tolist() == whole.texts.tolist()
    assert parts.targets.dtype == whole.targets.dtype
    assert list(map(str, parts.targets)) == list(map(str, whole.targets))
    bad = [[row for each in table.faults for row in each.rows] for table in (parts, whole)]
    assert bad[0] == bad[1]


@pytest.mark.usefixtures("in_parts")
def test_a_file_with_quotation_marks_is_one_part(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = write(frame.assign(text="two\nlines"), tmp_path, "csv")
    assert [piece.part for piece in table_files.pieces_of([(None, path)], "csv", ",")] == [None]
    assert set(sources.read(source_of(path)).texts.ravel()) == {"two\nlines"}


@pytest.mark.parametrize("ending", ["", "\n", "\n\n\n"])
@pytest.mark.parametrize("size", [1, 5, 6, 7, 1000])
def test_lines_stay_whole(tmp_path: Path, ending: str, size: int) -> None:
    path = tmp_path / "lines"
    path.write_text("one\ntwo\nthree\nfour" + ending)
    parts = parts_of_lines(path, size)
    read = [part.read(path) for part in parts]
    assert b"".join(read) == path.read_bytes()
    assert all(part.endswith(b"\n") for part in read[:-1])
    assert all(part.strip() for part in read)
    before = [path.read_bytes()[: part.start] for part in parts]
    assert [part.first_line for part in parts] == [lines.count(b"\n") for lines in before]
    assert [part.first_row for part in parts] == [len(lines.split()) for lines in before]


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize(
    ("kind", "row", "bad", "message"),
    [
        ("csv", 90, {"number": "none such"}, r"rows.csv has 'none such' in row 91 \(the first"),
        ("jsonl", 90, {"number": "none such"}, r"rows.jsonl has 'none such' in row 91 \(the first"),
        ("jsonl", 90, {"number": [1]}, r"rows.jsonl has a list in row 91 \(the first"),
    ],
)
def test_errors_count_from_the_beginning_of_the_file(
    frame: pd.DataFrame, tmp_path: Path, kind: str, row: int, bad: dict[str, Any], message: str
) -> None:
    rows = frame.astype(object)
    for name, value in bad.items():
        rows.at[row, name] = value
    path = write(rows, tmp_path, kind)
    # Empty lines are no rows.
    path.write_text(path.read_text().replace("\n", "\n\n").replace("\n\n", "\n \n\n", 20))
    with pytest.raises(DataError, match=message):
        prepare_rows(sources.read(source_of(path)), SPEC, "tabular_classification")


@pytest.mark.usefixtures("in_parts")
def test_a_row_that_is_too_long_in_a_late_part(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = write(frame, tmp_path, "csv")
    lines = path.read_text().splitlines()
    parts = csv_file.parts_of(path, PART_BYTES, ",")
    assert parts[8].first_line == parts[8].first_row + 1
    first = parts[8].first_line
    for line, found in (
        (first, f"row {parts[8].first_row + 1} has more values than its header has names;"),
        (first + 1, f"Expected 4 fields in line {first + 2}, saw 6"),
    ):
        wrong = [each + ",1,2" if place == line else each for place, each in enumerate(lines)]
        path.write_text("\n".join(wrong) + "\n")
        with pytest.raises(DataError, match=f"rows.csv is not: .*{found}"):
            sources.read(source_of(path))


def test_a_late_line_that_is_no_json(frame: pd.DataFrame, tmp_path: Path, in_parts: None) -> None:
    path = write(frame, tmp_path, "jsonl")
    lines = path.read_text().splitlines()
    lines[99] = "{"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match="line 100"):
        sources.read(source_of(path))


def test_a_parquet_file_that_is_damaged(frame: pd.DataFrame, tmp_path: Path, in_parts: None) -> None:
    path = write(frame, tmp_path, "parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="must be readable as Parquet"):
        sources.read(source_of(path))


@pytest.mark.parametrize("robust", [False, True])
@pytest.mark.parametrize("num_features", [1, 2, 3, 20, 129])
def test_moments_of_blocks_are_those_of_the_whole_to_the_last_bit(
    num_features: int, robust: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "_BLOCK_BYTES", 5000)
    draw = np.random.default_rng(0)
    sizes = 10.0 ** draw.integers(-12, 12, (9001, num_features))
    values = (draw.standard_normal((9001, num_features)) * sizes).astype(np.float32)
    rows = Picked(values, np.arange(9001))
    assert standardise.fit_rows(rows, robust, lambda: values) == standardise.fit(values, robust)


def test_a_full_disk_is_an_error_at_once(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with scratch_in(tmp_path / "scratch") as arrays, pytest.raises(OSError, match="too large"):
            arrays.zeros((100, 100), np.float32)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "scratch").exists()
