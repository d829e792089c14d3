"""Records that a crash or a stranger has damaged: what is whole is read, and nothing is made up."""

import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from damage import damaged, spoil
from hypothesis import given
from hypothesis import strategies as st
from records_events import FILE_NAME, scalar_event, write_file

from tuner.errors import ResultsError
from tuner.records.event_reader import event_files, read_scalars
from tuner.records.files import read_lines
from tuner.records.rows import TrialRow, read_trials, trials_frame, write_trials
from tuner.records.states import TrialState

ROWS = [
    TrialRow(
        number,
        TrialState.COMPLETE,
        {"lr": 0.1 / (number + 1), "kind": "a, b\n'c'"},
        reason="done, at last",
        best={"val/loss": 0.5},
        last={"val/loss": 0.75},
        reports=3,
        steps=30,
        seconds=1.5,
        nodes=("one", "another"),
    )
    for number in range(3)
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    write_trials(tmp_path / "trials.csv", ROWS)
    return tmp_path / "trials.csv"


def events(folder: Path) -> Path:
    written = [scalar_event(5.0 + step, step, [("loss", 1 / (step + 1)), ("lr", 0.1)]) for step in range(4)]
    return write_file(folder, written)


def rows_of(folder: Path) -> set[tuple[object, ...]]:
    return set(read_scalars(folder).itertuples(index=False, name=None))


def test_a_cut_event_file_holds_only_what_was_written(tmp_path: Path) -> None:
    file = events(tmp_path)
    whole, content = rows_of(tmp_path), file.read_bytes()
    for size in range(len(content)):
        file.write_bytes(content[:size])
        assert rows_of(tmp_path) < whole


def test_any_bit_of_an_event_file_may_be_wrong(tmp_path: Path) -> None:
    file = events(tmp_path)
    content = file.read_bytes()
    for position in range(len(content)):
        for flip in (0x01, 0x80, 0xFF):
            file.write_bytes(content[:position] + bytes([content[position] ^ flip]) + content[position + 1 :])
            assert list(read_scalars(tmp_path).columns) == ["tag", "step", "wall_time", "value"]


@given(content=st.binary(max_size=200))
def test_any_bytes_as_an_event_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    read_scalars(tmp_path)


@given(content=st.binary(max_size=100))
def test_any_bytes_as_an_event(tmp_path: Path, content: bytes) -> None:
    for event in (content, b"\x09" + content, b"\x09" + bytes(8) + b"\x2a" + content):
        (tmp_path / FILE_NAME).write_bytes(struct.pack("<Q", len(event)) + bytes(4) + event + bytes(4))
        read_scalars(tmp_path)


def test_damaged_event_files(tmp_path: Path) -> None:
    file = events(tmp_path)
    for content in damaged(file.read_bytes(), count=100):
        file.write_bytes(content)
        read_scalars(tmp_path)


def test_what_is_called_like_an_event_file(tmp_path: Path) -> None:
    file = events(tmp_path)
    whole = rows_of(tmp_path)
    (tmp_path / f"{FILE_NAME}.folder").mkdir()
    (tmp_path / f"{FILE_NAME}.link").symlink_to("nowhere")
    (tmp_path / f"{FILE_NAME}.empty").touch()
    assert rows_of(tmp_path) == whole
    assert event_files(tmp_path)[0] == file


def test_a_cut_table_is_refused_or_has_fewer_rows(table: Path) -> None:
    content = table.read_bytes()
    ends = {len(content[: content.index(b"\n") + 1])}
    for size in range(len(content)):
        table.write_bytes(content[:size])
        try:
            assert read_trials(table) == ROWS[: len(read_trials(table))]
        except ResultsError:
            continue
        ends.add(size)
    assert len(ends) == len(ROWS)


def test_a_damaged_table_is_read_or_refused(table: Path) -> None:
    for _ in spoil(table):
        try:
            rows = read_trials(table)
        except ResultsError as error:
            assert "a table of trials must be as it was written" in str(error)  # noqa: PT017
            continue
        assert isinstance(trials_frame(rows), pd.DataFrame)
        assert all(row.number >= 0 for row in rows)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("0,COMPLETE", "-1,COMPLETE", "a trial has a negative number"),
        ("0,COMPLETE", "../../x,COMPLETE", "invalid literal for int"),
        ("0,COMPLETE", "0,DONE", "'DONE' is not a valid TrialState"),
        ("number", "no", "KeyError: 'number'"),
        ("0.75", "x", "could not convert string to float"),
        (",30,", ",", "argument 2 is shorter"),
    ],
)
def test_a_table_of_somebody_else(table: Path, old: str, new: str, found: str) -> None:
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(ResultsError, match=found):
        read_trials(table)


@pytest.mark.parametrize("name", ["a\nb", "a,b", 'a"b', "é", "best/x", " ", "'", "a\tb"])
def test_names_that_csv_has_to_quote(tmp_path: Path, name: str) -> None:
    rows = [TrialRow(0, TrialState.COMPLETE, {name: 1}, best={name: 0.5}, last={name: 0.5})]
    write_trials(tmp_path / "trials.csv", rows)
    assert read_trials(tmp_path / "trials.csv") == rows


LINES = [b'{"trial": %d, "reason": "because"}\n' % number for number in range(4)]


def test_cut_lines(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    content = b"".join(LINES)
    path.write_bytes(content)
    whole = list(read_lines(path))
    for size in range(len(content)):
        path.write_bytes(content[:size])
        found = list(read_lines(path))
        assert found == whole[: len(found)]
        assert len(found) >= content[:size].count(b"\n")


def test_lines_that_nobody_wrote(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    strange = [
        b"null\n",
        b"3\n",
        b"[]\n",
        b"\xff\xfe\n",
        b"[" * 50_000 + b"\n",
        b"\n",
        b"\0\n",
        b'"x"\n',
        b"{]\n",
    ]
    path.write_bytes(b"".join([*strange[:4], LINES[0], *strange[4:], *LINES[1:]]))
    assert [line["trial"] for line in read_lines(path)] == [0, 1, 2, 3]
    for _ in spoil(path):
        assert all(isinstance(line, dict) for line in read_lines(path))


def test_what_is_read_of_a_later_file_needs_no_earlier_one(tmp_path: Path) -> None:
    later = write_file(tmp_path, [scalar_event(9.0, 2, [("loss", 0.25)])], f"{FILE_NAME}.later")
    first = events(tmp_path)
    for content in damaged(first.read_bytes(), count=30):
        first.write_bytes(content)
        frame = read_scalars(tmp_path)
        assert np.isin(0.25, frame["value"])
    assert later.is_file()
