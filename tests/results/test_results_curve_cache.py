"""Curves that are kept beside the logs are never other than those in the logs."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from damage import spoil

from tuner.records.event_reader import event_files
from tuner.records.events import EventWriter
from tuner.results.aggregate import Tables, read_tables
from tuner.results.curve_cache import NAME

NUM_RUNS = 200
"""So many files are worth keeping."""


def write(folder: Path, number: int) -> None:
    writer = EventWriter(folder)
    writer.hparams({"lr": number / 8})
    for step in range(2):
        writer.scalars(step, {f"loss{number % 3}": number + step / 2}, wall_time_s=1.0 + step)
    writer.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("logs")
    for number in range(NUM_RUNS):
        write(root / f"{number:03d}", number)
    return root


@pytest.fixture
def logs(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "logs"))


def assert_same(found: Tables, expected: Tables) -> None:
    pd.testing.assert_frame_equal(found.trials, expected.trials)
    pd.testing.assert_frame_equal(found.curves, expected.curves)


def test_the_second_reading_takes_what_is_kept(logs: Path) -> None:
    first = read_tables(logs)
    assert (logs / NAME).is_file()
    # Of the same size and time, so that only who does not read it does not see it.
    [file] = event_files(logs / "007")
    found = file.stat()
    file.write_bytes(bytes(found.st_size))
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert_same(read_tables(logs), first)


def test_files_that_changed_are_read_anew(logs: Path) -> None:
    before = read_tables(logs)
    write(logs / "007", 1000)
    write(logs / "new", 500)
    [grown] = event_files(logs / "003")
    [other] = event_files(logs / "006")
    grown.write_bytes(grown.read_bytes() + other.read_bytes())
    kept = read_tables(logs)
    (logs / NAME).unlink()
    assert_same(kept, read_tables(logs))
    assert len(kept.trials) == NUM_RUNS + 1
    assert len(kept.curves) > len(before.curves)


def test_damage_changes_nothing(logs: Path) -> None:
    expected = read_tables(logs)
    kept = (logs / NAME).read_bytes()
    for number, _ in enumerate(spoil(logs / NAME)):
        if number % 8 == 0:
            assert_same(read_tables(logs), expected)
            if (logs / NAME).is_file():
                (logs / NAME).write_bytes(kept)


def test_where_nothing_can_be_written_nothing_is_kept(logs: Path) -> None:
    (logs / NAME).mkdir()
    (logs / NAME / "in the way").touch()
    assert len(read_tables(logs).trials) == NUM_RUNS
    assert [path.name for path in logs.iterdir() if path.name.startswith(f".{NAME}")] == []


def test_few_curves_are_not_kept(tmp_path: Path) -> None:
    write(tmp_path, 1)
    read_tables(tmp_path)
    assert not (tmp_path / NAME).exists()
