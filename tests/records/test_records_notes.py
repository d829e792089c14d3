"""Notes about trials: the last one counts, whatever a crash or a stranger has left in the file."""

import json
from pathlib import Path

import pytest
from damage import spoil

from tuner.errors import StorageError, UsageError
from tuner.records.notes import Note, read_notes, write_note


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes.jsonl"


def test_the_last_note_about_a_trial_counts(path: Path) -> None:
    assert read_notes(path) == {}
    write_note(path, 3, Note("first"))
    write_note(path, 4, Note("über\nzwei Zeilen \u2028", ("gut", "日本")))
    write_note(path, 3, Note(tags=("odd",)))
    assert read_notes(path) == {3: Note("", ("odd",)), 4: Note("über\nzwei Zeilen \u2028", ("gut", "日本"))}
    write_note(path, 3, Note())
    assert read_notes(path)[3] == Note()


def test_a_torn_line_never_happened_and_harms_no_other(path: Path) -> None:
    write_note(path, 1, Note("kept"))
    write_note(path, 2, Note("torn"))
    whole = path.read_bytes()
    begin = whole.index(b"\n") + 1
    for end in range(begin, len(whole) - 1):
        path.write_bytes(whole[:end])
        assert read_notes(path) == {1: Note("kept")}
        write_note(path, 3, Note("after"))
        assert read_notes(path) == {1: Note("kept"), 3: Note("after")}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "garbage",
        "[]",
        "{}",
        '{"trial": "1", "text": "a", "tags": []}',
        '{"trial": true, "text": "a", "tags": []}',
        '{"trial": 1, "text": 3, "tags": []}',
        '{"trial": 1, "text": "a", "tags": "abc"}',
        '{"trial": 1, "text": "a", "tags": [3]}',
        '{"trial": 1, "text": "a", "tags": ["two words"]}',
        '{"trial": 1, "text": "\\u001b[2J", "tags": []}',
        '{"trial": 1, "text": "\\ud800", "tags": []}',
        "[" * 100_000,
    ],
)
def test_what_is_no_note_is_passed_over(path: Path, line: str) -> None:
    path.write_text(line + "\n")
    write_note(path, 2, Note("sound"))
    assert read_notes(path) == {2: Note("sound")}


def test_damaged_notes_are_read_as_far_as_they_are_some(path: Path) -> None:
    write_note(path, 1, Note("one", ("a",)))
    write_note(path, 2, Note("two", ("b",)))
    for what in spoil(path):
        assert set(read_notes(path)) <= set(range(-9, 10**6)), what


@pytest.mark.parametrize(
    ("text", "tags", "words"),
    [
        ("a" * 10_001, [], "a note has at most 10000 characters of text"),
        ("bell\a", [], "none of them a control character"),
        ("", ["two words"], "a tag is a word of at most 40 characters"),
        ("", ["a,b"], "a tag is a word"),
        ("", [""], "a tag is a word"),
        ("", ["a" * 41], "a tag is a word"),
        ("", ["tab\t"], "a tag is a word"),
        ("", [str(number) for number in range(21)], "a trial has at most 20 tags; found 21"),
        (None, [], "a note has a text and a list of tags"),
        ("", "tags", "a note has a text and a list of tags"),
        ("", [1], "a note has a text and a list of tags"),
    ],
)
def test_what_is_refused(text: object, tags: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Note.of({"text": text, "tags": tags})


def test_a_tag_is_there_once() -> None:
    assert Note.of({"text": "", "tags": ["b", "a", "b"]}).tags == ("b", "a")


def test_a_disk_that_takes_no_note_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").mkdir()
    with pytest.raises(StorageError, match="notes are kept in .* but it cannot be written"):
        write_note(tmp_path / "notes.jsonl", 1, Note("a"))


def test_a_line_is_plain_json(path: Path) -> None:
    write_note(path, 7, Note("<b>", ("x",)))
    line = json.loads(path.read_text())
    assert {name: line[name] for name in ("trial", "text", "tags")} == {
        "trial": 7,
        "text": "<b>",
        "tags": ["x"],
    }
