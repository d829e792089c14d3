"""`tuner note`, and where notes are seen: `tuner results`, tables that are followed."""

import json
import shutil
from pathlib import Path

import pytest
from cli_program import Program

import tuner
from tuner.records.lock import hold
from tuner.records.notes import Note, read_notes
from tuner.results.aggregate import Follower

RECORDED = Path(__file__).parents[1] / "fixtures" / "recorded" / "0.1.0" / "mlp"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(RECORDED, tmp_path / "mlp")
    return Path("mlp")


def test_a_note_is_written_changed_and_printed(program: Program, folder: Path) -> None:
    assert program("note", folder, "--trial", 1).out == "trial 1: no note\n"
    assert not (folder / "notes.jsonl").exists()
    ended = program("note", folder, "--trial", 1, "ends early", "--tag", "odd", "--tag", "slow")
    assert (ended.status, ended.out) == (0, "trial 1: ends early [odd] [slow]\n")
    assert program("note", folder, "--trial", 1, "--untag", "odd", "--tag", "new").out == (
        "trial 1: ends early [slow] [new]\n"
    )
    assert program("note", folder, "--trial", 1, "").out == "trial 1: [slow] [new]\n"
    assert read_notes(folder / "notes.jsonl") == {1: Note("", ("slow", "new"))}


def test_it_works_while_a_search_runs(folder: Path) -> None:
    lock = hold(folder / ".lock", rule="", fix="")
    assert tuner.note(folder, 0, "now", add=["a"]) == Note("now", ("a",))
    lock.release()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--trial", 99, "a"), "a note is about one of 5 trials of mlp; found 99"),
        (("--trial", 0, "--tag", "two words"), "a tag is a word of at most 40 characters"),
        (("--trial", 0, "x" * 10_001), "a note has at most 10000 characters"),
        (("a",), "Missing option '--trial'"),
    ],
)
def test_what_is_refused(program: Program, folder: Path, arguments: tuple[object, ...], words: str) -> None:
    ended = program("note", folder, *arguments)
    assert ended.status == 2
    assert words in ended.err
    assert not (folder / "notes.jsonl").exists()


def test_results_have_columns_of_notes_where_there_are_some(program: Program, folder: Path) -> None:
    assert "tags" not in program("results", folder).out.splitlines()[0].split(",")
    tuner.note(folder, 1, 'a "quoted", <b>note</b>', add=["good", "odd"])
    rows = json.loads(program("results", folder, "--format", "json").out)
    assert [(row["tags"], row["note"]) for row in rows[:2]] == [
        (None, None),
        ("good odd", 'a "quoted", <b>note</b>'),
    ]
    assert '"a ""quoted"", <b>note</b>"' in program("results", folder).out
    program("results", folder, "-o", "trials.parquet")
    import pandas as pd

    assert pd.read_parquet("trials.parquet")["tags"][1] == "good odd"
    tuner.note(folder, 1, "", remove=["good", "odd"])
    assert {"tags", "note"}.isdisjoint(program("results", folder).out.splitlines()[0].split(","))


def test_a_follower_hears_of_notes(folder: Path) -> None:
    follower = Follower(folder)
    follower.poll()
    assert not follower.poll()
    tuner.note(folder, 2, add=["late"])
    changes = follower.poll()
    assert list(changes.trials["number"]) == [2]
    assert list(changes.trials["tags"]) == ["late"]
    assert not follower.poll()
    tuner.note(folder, 2, remove=["late"])
    gone = follower.poll().trials
    assert list(gone["number"]) == [2]
    assert "tags" not in gone.columns
    assert "tags" not in follower.tables.trials.columns
