"""A damaged journal: half a line at its end is cut off, other damage is an error, no whole line is lost."""

from contextlib import suppress
from pathlib import Path

import pytest
from damage import damaged, spoil
from search_cases import drive, open_searcher

from tuner.errors import ResultsError
from tuner.search.storage import open_storage, read_journal


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    drive(open_searcher("random", "one", tmp_path / "study.journal"), 0, 1)
    return tmp_path / "study.journal"


def test_cut_at_every_byte(journal: Path) -> None:
    content = journal.read_bytes()
    for size in range(len(content)):
        journal.write_bytes(content[:size])
        open_storage(journal)
        assert journal.read_bytes() == content[: content.rfind(b"\n", 0, size) + 1]


def test_damaged_anywhere(journal: Path) -> None:
    for _ in spoil(journal):
        before = journal.read_bytes() if journal.is_file() else b""
        try:
            open_storage(journal)
        except ResultsError as error:
            assert "a study's journal must hold the lines that Optuna wrote" in str(error)  # noqa: PT017
            assert not journal.is_file() or journal.read_bytes() == before
            continue
        assert journal.read_bytes().count(b"\n") == before.count(b"\n")
        journal.unlink()


@pytest.mark.parametrize("line", [b"garbage\n", b"\xff\n", b"null\n", b"{}\n", b'{"op_code": 99}\n', b"\n"])
@pytest.mark.parametrize("position", [0, 2, -1])
def test_a_strange_line(journal: Path, line: bytes, position: int) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    lines.insert(position if position >= 0 else len(lines), line)
    journal.write_bytes(b"".join(lines))
    with pytest.raises(ResultsError, match="a study's journal must hold the lines that Optuna wrote, but"):
        open_storage(journal)
    assert journal.read_bytes() == b"".join(lines)


def test_reading_changes_nothing(journal: Path) -> None:
    for content in [journal.read_bytes() + b'{"op_', *damaged(journal.read_bytes(), count=5)]:
        journal.write_bytes(content)
        with suppress(ResultsError):
            read_journal(journal)
        assert journal.read_bytes() == content
